package nethttp

import (
	"context"
	"time"
)

// pacer releases iteration n at its intended instant, or at once when that has passed.
type pacer struct {
	e   *Engine
	ctx context.Context
}

func (p pacer) Rate(time.Duration) float64 { return 0 } // only vegeta's command asks

func (p pacer) Pace(_ time.Duration, hits uint64) (wait time.Duration, stop bool) {
	e := p.e
	if !e.timing.Open() {
		return 0, !p.user()
	}
	n := e.timing.Shard.Iteration(int64(hits))
	for {
		now := time.Since(e.start)
		if p.ctx.Err() != nil || n >= e.timing.Window.Iterations() || now >= e.timing.LatestEnd() {
			return 0, true
		}
		wait = e.timing.Schedule.At(n) - now
		if wait <= patience {
			return wait, false
		}
		pause := wait - patience     // here and not in vegeta, which would sleep whatever happens
		if e.timing.Window.Moves() { // what is due later may be due no more when the warm-up has ended
			pause = min(pause, patience)
		}
		if sleep(p.ctx, pause) != nil {
			return 0, true
		}
	}
}

// user waits for a user who is to send, and says whether there is one before the schedule ends.
func (p pacer) user() bool {
	if p.e.crowd != nil {
		return p.e.crowd.next(p.ctx, p.e.start)
	}
	return p.ctx.Err() == nil && time.Since(p.e.start) < p.e.timing.Window.End()
}
