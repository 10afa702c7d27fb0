package inference

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// ErrBusy is returned when as many explanations are generated and waited for as are allowed, or when one has waited for
// as long as it may.
var ErrBusy = errors.New("too many explanations are under way")

// places bound how many explanations are generated at once, how many wait for that, and for how long.
type places struct {
	running chan struct{}
	queue   int64
	wait    time.Duration
	waiting atomic.Int64
	refused atomic.Int64
}

func newPlaces(running, queue int, wait time.Duration) *places {
	return &places{running: make(chan struct{}, running), queue: int64(queue), wait: wait}
}

// enter takes a place, which leave gives back. It returns [ErrBusy], or the error of ctx.
func (p *places) enter(ctx context.Context) error {
	select {
	case p.running <- struct{}{}:
		return nil
	default:
	}
	defer p.waiting.Add(-1)
	if p.waiting.Add(1) > p.queue {
		p.refused.Add(1)
		return ErrBusy
	}
	limit := time.NewTimer(p.wait)
	defer limit.Stop()
	select {
	case p.running <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-limit.C:
		p.refused.Add(1)
		return ErrBusy
	}
}

func (p *places) leave() { <-p.running }
