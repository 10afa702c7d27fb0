package arrival

import "time"

// Timing is when a scenario's iterations are to be sent, with all that decides it.
type Timing struct {
	Schedule     *Schedule // nil: closed, where each user waits for its answer before it sends again
	Window       *Window
	Think        *ThinkTimes // of users; nil: they send again at once
	Ramp         *Ramp       // of users; nil: they are always as many
	Count        *Count      // of iterations of users; nil: as many as there is time for
	Shard        Shard
	Users        int // the most requests in flight at once
	GracefulStop time.Duration
}

// Open reports whether iterations are sent whatever the system answers.
func (t *Timing) Open() bool { return t.Schedule != nil }

// Intended is when iteration n was to be sent: where the timing is closed, when it was sent.
func (t *Timing) Intended(n int64, sent time.Duration) time.Duration {
	if t.Schedule == nil {
		return sent
	}
	return t.Schedule.At(n)
}

// Asked is how many iterations this shard is to send within a stretch of time that begins at from; 0 where the timing
// is closed.
func (t *Timing) Asked(from, length time.Duration) int64 {
	if t.Schedule == nil {
		return 0
	}
	end := t.Window.End()
	return t.Shard.Of(t.Schedule.Until(min(from+length, end))) - t.Shard.Of(t.Schedule.Until(min(from, end)))
}

// LatestEnd is when what is still in flight is cut.
func (t *Timing) LatestEnd() time.Duration { return t.Window.End() + t.GracefulStop }

// Planned is how many iterations this shard was to send, and to send in the measured window, when the scenario ended
// after the given time; until is the end of the time that this stands for. Both numbers are 0 where the timing is
// closed and no number of iterations is given.
func (t *Timing) Planned(after time.Duration) (planned, measured int64, until time.Duration) {
	until = min(after, t.Window.End())
	switch {
	case t.Count != nil:
		return t.Count.Total, t.Count.Total, until
	case t.Schedule == nil:
		return 0, 0, until
	}
	planned = t.Shard.Of(t.Schedule.Until(until))
	if planned == t.Shard.Of(t.Window.Iterations()) {
		until = t.Window.End() // nothing was left to send: the rest of the time is part of the measured window
	}
	return planned, planned - min(planned, t.Shard.Of(t.Schedule.Until(t.Window.Begin()))), until
}
