package nethttp

import (
	"context"
	"sync"
	"time"

	"github.com/policycortex/headroom/loadgen/arrival"
)

// crowd is the users of a closed scenario whose requests several workers send.
type crowd struct {
	times *arrival.ThinkTimes
	woken chan struct{} // has one when somebody began to think

	mu       sync.Mutex
	thinking arrival.Thinking
	ready    int // users who wait for nothing
}

func newCrowd(times *arrival.ThinkTimes, users int) *crowd {
	return &crowd{times: times, woken: make(chan struct{}, 1), ready: users}
}

// think is called when iteration n has ended, at an instant since the scenario's start.
func (c *crowd) think(n int64, ended time.Duration) {
	c.mu.Lock()
	c.thinking.Add(ended + c.times.After(n))
	c.mu.Unlock()
	select {
	case c.woken <- struct{}{}:
	default:
	}
}

// next waits until a user is to send, at the latest until the schedule ends. It reports whether there is one.
func (c *crowd) next(ctx context.Context, start time.Time, w *arrival.Window) bool {
	var fixed <-chan struct{}
	if w.Moves() {
		fixed = w.Fixed()
	}
	for {
		now := time.Since(start)
		if now >= w.End() || ctx.Err() != nil {
			return false
		}
		wait, ok := c.take(now)
		if ok {
			return true
		}
		timer := time.NewTimer(min(wait, w.End()-now))
		select {
		case <-timer.C:
		case <-c.woken:
		case <-fixed: // the end may be an earlier one now
			fixed = nil
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// take takes a user who is to send now, or says how long the first of those who think still does.
func (c *crowd) take(now time.Duration) (wait time.Duration, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.ready > 0:
		c.ready--
		return 0, true
	case len(c.thinking) == 0:
		return time.Hour, false
	case c.thinking[0] > now:
		return c.thinking[0] - now, false
	}
	c.thinking.Remove()
	return 0, true
}
