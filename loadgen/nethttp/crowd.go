package nethttp

import (
	"context"
	"sync"
	"time"

	"github.com/policycortex/headroom/loadgen/arrival"
)

// crowd is the users of a closed scenario whose requests several workers send.
type crowd struct {
	timing *arrival.Timing
	woken  chan struct{} // has one when an iteration has ended

	mu    sync.Mutex
	users *arrival.Crowd
	turns []turn // of users who are to send, and whom no worker has taken yet
}

// turn is an iteration of a user.
type turn struct {
	user int32
	n    int64
}

func newCrowd(t *arrival.Timing) *crowd {
	return &crowd{timing: t, woken: make(chan struct{}, 1), users: arrival.NewCrowd(t, 0, 1)}
}

// end is called when the iteration of a user has ended, at an instant since the scenario's start.
func (c *crowd) end(t turn, ended time.Duration) {
	c.mu.Lock()
	c.users.End(t.user, t.n, ended, 0)
	c.mu.Unlock()
	select {
	case c.woken <- struct{}{}:
	default:
	}
}

// next waits until a user is to send, at the latest until the schedule ends. It reports whether there is one, whose
// turn take returns.
func (c *crowd) next(ctx context.Context, start time.Time) bool {
	w := c.timing.Window
	var fixed <-chan struct{}
	if w.Moves() {
		fixed = w.Fixed()
	}
	for {
		now := time.Since(start)
		at, ended := c.begin(now)
		if ended || ctx.Err() != nil {
			return false
		}
		if at <= now {
			return true
		}
		timer := time.NewTimer(min(at, w.End()) - now)
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

// begin gives a user a turn who is to send now, or says when one may be.
func (c *crowd) begin(now time.Duration) (at time.Duration, ended bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at, ended = c.users.Due(now)
	if ended || at > now {
		return at, ended
	}
	var t turn
	t.user, t.n, ended = c.users.Begin(now)
	if !ended {
		c.turns = append(c.turns, t)
	}
	return at, ended
}

// take is the turn that a worker carries out.
func (c *crowd) take() turn {
	c.mu.Lock()
	defer c.mu.Unlock()
	first := c.turns[0]
	c.turns = append(c.turns[:0], c.turns[1:]...)
	return first
}
