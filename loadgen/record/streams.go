package record

import (
	"time"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// StreamEvent is one event of a subscriber's stream.
type StreamEvent struct {
	First    time.Duration // since the attempt was due, of the first event of a stream; else 0
	Gap      time.Duration // since the event before it, of the subscriber; of its first one negative
	Delivery time.Duration // receipt minus the time in the event; only where Timed
	Timed    bool          // its time could be read
	Untimed  bool          // it could not, where the scenario says that there is one
	Numbered bool          // its id is a whole number
	Repeated bool          // that is not above all before it
	Missed   int64         // ids between it and the greatest before it
}

// StreamRecorder counts what the subscribers of one loop meet. Only that loop may use it. Instants are since the
// scenario's start.
type StreamRecorder struct {
	*Recorder
	connected, begun int           // subscribers: with a stream, and that were due to open one
	counted          time.Duration // until when their time has been counted
	kept             map[string]bool
}

// streamCounts are what one loop counted of its streams within a second.
type streamCounts struct {
	connected      int // at its end
	events, breaks int64
	early          *results.Histogram // delivery in the warm-up; nil until there is one

	// What follows is of the measured window.
	results.StreamCounts
	delivery, firstByte, firstEvent, gap *results.Histogram
	samples                              map[string]string
}

func newStreamCounts() *streamCounts {
	return &streamCounts{
		delivery: results.NewHistogram(), firstByte: results.NewHistogram(), firstEvent: results.NewHistogram(),
		gap: results.NewHistogram(),
	}
}

func (c *streamCounts) clear() {
	for _, h := range []*results.Histogram{c.early, c.delivery, c.firstByte, c.firstEvent, c.gap} {
		clearHistogram(h)
	}
	*c = streamCounts{
		early: c.early, delivery: c.delivery, firstByte: c.firstByte, firstEvent: c.firstEvent, gap: c.gap,
	}
}

// newStream is the account of a scenario of subscribers; nil for any other.
func newStream(s *scenarios.Scenario) *results.Stream {
	load, ok := s.Load.(scenarios.Subscribers)
	if !ok {
		return nil
	}
	stream := results.NewStream(s.Name, s.Requests[0].Name, load.Subscribers)
	stream.Timed, stream.IDs = load.Event.Time != nil, !load.Event.NoID
	return stream
}

// NewStreamRecorder returns a recorder for one more loop of subscribers.
func (c *Collector) NewStreamRecorder() *StreamRecorder {
	return &StreamRecorder{Recorder: c.NewRecorder(), kept: map[string]bool{}}
}

// Advance hands over the present second when it has ended, as that of a [Recorder]. It is to be called several times a
// second, so that the seconds know how many streams were open.
func (r *StreamRecorder) Advance(now time.Duration) {
	r.count(now)
	r.Recorder.Advance(now)
}

// Connected is how many subscribers have a stream.
func (r *StreamRecorder) Connected() int { return r.connected }

// count counts the time of the subscribers up to an instant.
func (r *StreamRecorder) count(now time.Duration) {
	from, to := max(r.counted, r.window.Begin()), min(now, r.window.End())
	s := r.second.streams
	if to > from {
		s.ConnectedSeconds += float64(r.connected) * (to - from).Seconds()
		s.ExpectedSeconds += float64(r.begun) * (to - from).Seconds()
	}
	r.counted = now
	s.connected = r.connected
	r.second.written = true
}

// measures prepares the counting of what happened at an instant, and says whether that is measured.
func (r *StreamRecorder) measures(now time.Duration) (*streamCounts, bool) {
	r.Advance(now)
	return r.second.streams, r.window.Has(now)
}

// Attempt counts that a subscriber begins to open a stream, which was due at an instant: its first one, or one that
// goes on after the last event.
func (r *StreamRecorder) Attempt(now, due time.Duration, first, resumes bool) {
	s, measured := r.measures(now)
	if first {
		r.begun++
		r.second.sent++
	}
	if !measured {
		return
	}
	s.Attempts++
	if resumes {
		s.Resumed++
	}
	r.second.lag.Record(now - due)
}

// Opened counts an attempt that was answered with a stream, the first byte so long after the attempt was due.
func (r *StreamRecorder) Opened(now, firstByte time.Duration) {
	s, measured := r.measures(now)
	r.connected++
	s.connected = r.connected
	if measured {
		s.Opened++
		s.firstByte.Record(firstByte)
	}
}

// Failed counts an attempt that opened no stream; refused says that the answer tells the subscriber not to try again.
func (r *StreamRecorder) Failed(now time.Duration, class, text string, refused bool) {
	s, measured := r.measures(now)
	switch class {
	case ErrorNoFiles:
		r.second.noFiles++
	case ErrorNoPorts:
		r.second.noPorts++
	}
	if !measured {
		return
	}
	if refused {
		s.Refused++
	}
	r.keep(s, class, text)
}

// Broke counts a stream that ended before the load did.
func (r *StreamRecorder) Broke(now time.Duration, class, text string) {
	s, measured := r.measures(now)
	r.connected--
	s.connected = r.connected
	s.breaks++
	if measured {
		s.Breaks++
		r.keep(s, class, text)
	}
}

// keep counts an error, and keeps the text of the first of its class.
func (r *StreamRecorder) keep(s *streamCounts, class, text string) {
	if s.Errors == nil {
		s.Errors = map[string]int64{}
	}
	s.Errors[class]++
	if !r.kept[class] {
		r.kept[class] = true
		if s.samples == nil {
			s.samples = map[string]string{}
		}
		s.samples[class] = text
	}
}

// Bytes counts bytes of a stream.
func (r *StreamRecorder) Bytes(now time.Duration, n int) {
	if s, measured := r.measures(now); measured {
		s.Bytes += int64(n)
	}
}

// Waited counts how long what was read had waited while the generator was busy with other streams.
func (r *StreamRecorder) Waited(now, own time.Duration) {
	if r.window.Has(now) {
		r.second.ownLag.Record(own)
	}
}

// Event counts an event.
func (r *StreamRecorder) Event(now time.Duration, e *StreamEvent) {
	s, measured := r.measures(now)
	s.events++
	if !measured {
		if e.Timed && e.Delivery >= 0 {
			if s.early == nil {
				s.early = results.NewHistogram()
			}
			s.early.Record(e.Delivery)
		}
		return
	}
	s.Events++
	switch {
	case e.Timed && e.Delivery < 0:
		s.FromFuture++
	case e.Timed:
		s.delivery.Record(e.Delivery)
	case e.Untimed:
		s.Untimed++
	}
	if e.First > 0 {
		s.firstEvent.Record(e.First)
	}
	if e.Gap >= 0 {
		s.gap.Record(e.Gap)
	}
	if e.Numbered {
		s.Numbered++
	}
	if e.Repeated {
		s.Repeated++
	}
	s.Missed += e.Missed
}

// Close hands over the last second, at the instant now. Nothing may be recorded after it.
func (r *StreamRecorder) Close(now time.Duration) {
	r.Advance(now)
	r.Recorder.Close()
}

// flushStreams adds what the loops counted of their streams to the account and to the second's point, whose times of
// delivery it leaves in c.whole.
func (c *Collector) flushStreams(p *results.Point, loops []*second) results.StreamPoint {
	at := results.StreamPoint{Scenario: p.Scenario, Second: p.Second, Warmup: p.Warmup, Partial: p.Partial}
	for _, loop := range loops {
		s := loop.streams
		at.Connected += s.connected
		at.Events += s.events
		at.Breaks += s.breaks
		c.stream.Add(&s.StreamCounts)
		c.merge(c.stream.Delivery, s.delivery)
		c.merge(c.stream.FirstByte, s.firstByte)
		c.merge(c.stream.FirstEvent, s.firstEvent)
		c.merge(c.stream.Gap, s.gap)
		c.merge(c.whole, s.delivery)
		c.merge(c.whole, s.early)
		for class, text := range s.samples {
			if c.stream.ErrorSamples[class] == "" {
				c.stream.ErrorSamples[class] = text
			}
		}
		c.failed += s.breaks
	}
	c.stream.Most = max(c.stream.Most, at.Connected)
	p.Requests, p.Failed = at.Events, at.Breaks // for the progress
	return at
}
