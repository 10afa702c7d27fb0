package inference

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/policycortex/headroom/server/store"
)

// ErrBusy is returned when as many explanations are generated and waited for as are allowed, of all tenants or of one,
// or when one has waited for as long as it may.
var ErrBusy = errors.New("too many explanations are under way")

// places bound how many explanations are generated at once, how many wait for that, and for how long. A tenant has at
// most a quarter of either, so that it leaves some to others.
type places struct {
	running, queue bound
	wait           time.Duration

	mu      sync.Mutex
	taken   int
	tenants map[store.ID]*presence // of those that have places or wait
	waiting []*waiter              // in the order in which they came; none of them could have a place now
	refused int64
}

// bound is how many all tenants may have, and how many one of them.
type bound struct{ all, each int }

func newBound(all int) bound { return bound{all: all, each: max(1, all/4)} }

// presence is how many explanations of a tenant are generated, and how many wait.
type presence struct{ running, waiting int }

type waiter struct {
	tenant  store.ID
	entered chan struct{} // closed when it has a place
}

func newPlaces(running, queue int, wait time.Duration) *places {
	return &places{
		running: newBound(running), queue: newBound(queue), wait: wait, tenants: map[store.ID]*presence{},
	}
}

// enter takes a place, which leave gives back. It returns [ErrBusy], or the error of ctx.
func (p *places) enter(ctx context.Context, tenant store.ID) error {
	w, err := p.join(tenant)
	if err != nil {
		return err
	}
	limit := time.NewTimer(p.wait)
	defer limit.Stop()
	select {
	case <-w.entered:
		return nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-limit.C:
		err = ErrBusy
	}
	return p.giveUp(w, err)
}

// join takes a place, or one in the queue.
func (p *places) join(tenant store.ID) (*waiter, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	of := p.tenants[tenant]
	if of == nil {
		of = new(presence)
	}
	w := &waiter{tenant: tenant, entered: make(chan struct{})}
	switch {
	case p.taken < p.running.all && of.running < p.running.each:
		p.taken++
		of.running++
		close(w.entered)
	case len(p.waiting) < p.queue.all && of.waiting < p.queue.each:
		p.waiting = append(p.waiting, w)
		of.waiting++
	default:
		p.refused++
		return nil, ErrBusy
	}
	p.tenants[tenant] = of
	return w, nil
}

// giveUp leaves the queue and returns err, or nil if there has been a place at the last moment.
func (p *places) giveUp(w *waiter, err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := slices.Index(p.waiting, w)
	if at < 0 {
		return nil
	}
	if errors.Is(err, ErrBusy) {
		p.refused++
	}
	p.waiting = slices.Delete(p.waiting, at, at+1)
	p.tenants[w.tenant].waiting--
	p.forget(w.tenant)
	return err
}

// leave gives a place of a tenant to the first in the queue whose tenant may have it.
func (p *places) leave(tenant store.ID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken--
	p.tenants[tenant].running--
	at := slices.IndexFunc(p.waiting, func(w *waiter) bool { return p.tenants[w.tenant].running < p.running.each })
	if at >= 0 {
		w := p.waiting[at]
		p.waiting = slices.Delete(p.waiting, at, at+1)
		p.taken++
		p.tenants[w.tenant].waiting--
		p.tenants[w.tenant].running++
		close(w.entered)
	}
	p.forget(tenant)
}

// forget drops a tenant that has nothing under way.
func (p *places) forget(tenant store.ID) {
	if *p.tenants[tenant] == (presence{}) {
		delete(p.tenants, tenant)
	}
}

// placeCounts are how many explanations are generated, how many wait, and how many were refused since the start.
type placeCounts struct{ running, waiting, refused float64 }

func (p *places) counts() placeCounts {
	p.mu.Lock()
	defer p.mu.Unlock()
	return placeCounts{float64(p.taken), float64(len(p.waiting)), float64(p.refused)}
}
