package inference

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/policycortex/headroom/server/store"
)

// enters returns how many of n requests of a tenant get a place at once, and where the others, which wait, tell their
// results.
func enters(t *testing.T, p *places, tenant store.ID, n int) (at int, later chan error) {
	t.Helper()
	before, queued := p.counts(), make(chan error, n)
	for range n {
		go func() { queued <- p.enter(t.Context(), tenant) }()
	}
	synctest.Wait()
	at = int(p.counts().running - before.running)
	for range at + int(p.counts().refused-before.refused) {
		err := <-queued
		if err != nil && !errors.Is(err, ErrBusy) {
			t.Error(err)
		}
	}
	return at, queued
}

// TestPlaces: so many at once, so many in the queue, and nobody waits for longer than is allowed.
func TestPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlaces(2, 3, time.Second)
		began := time.Now()
		for i := range 2 {
			err := p.enter(t.Context(), store.ID{byte(i)})
			if err != nil {
				t.Fatal(err)
			}
		}
		results := make(chan error, 5)
		for i := range 5 {
			go func() { results <- p.enter(t.Context(), store.ID{9, byte(i)}) }()
		}
		synctest.Wait()
		if got := p.counts(); got != (placeCounts{2, 3, 2}) {
			t.Errorf("%+v", got)
		}
		p.leave(store.ID{0})
		synctest.Wait()
		if got := p.counts(); got != (placeCounts{2, 2, 2}) {
			t.Errorf("after one has left: %+v", got)
		}
		busy := 0
		for range 5 {
			err := <-results
			if errors.Is(err, ErrBusy) {
				busy++
			}
		}
		if busy != 4 || time.Since(began) > time.Second {
			t.Errorf("%d of 5 were refused, in %s", busy, time.Since(began))
		}
		left, cancel := context.WithCancel(t.Context())
		cancel()
		err := p.enter(left, store.ID{7})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("one who left: %v", err)
		}
		if got := p.counts(); got != (placeCounts{2, 0, 4}) || len(p.tenants) != 2 {
			t.Errorf("at the end: %+v of %d tenants", got, len(p.tenants))
		}
	})
}

// TestPlacesOfATenant: one has a quarter of the places and of the queue, however many it asks for. The others have
// theirs meanwhile, and a place that it gives back is its own again.
func TestPlacesOfATenant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlaces(8, 12, time.Minute)
		greedy := store.ID{1}
		at, later := enters(t, p, greedy, 20)
		if got := p.counts(); at != 2 || got != (placeCounts{2, 3, 15}) {
			t.Errorf("a tenant has %d places: %+v", at, got)
		}
		for i := range 3 {
			at, _ := enters(t, p, store.ID{2, byte(i)}, 2)
			if at != 2 {
				t.Errorf("another tenant has %d places", at)
			}
		}
		_, last := enters(t, p, store.ID{3}, 1) // all places are taken
		p.leave(greedy)
		err := <-later
		if err != nil {
			t.Errorf("the first in the queue: %v", err)
		}
		p.leave(store.ID{2, 0})
		err = <-last
		if err != nil { // although the greedy one has waited for longer
			t.Errorf("the last in the queue: %v", err)
		}
		if got := p.counts(); got != (placeCounts{8, 2, 15}) {
			t.Errorf("at the end: %+v", got)
		}
		for _, tenant := range []store.ID{greedy, greedy, greedy, greedy, {2, 0}, {2, 1}, {2, 1}, {2, 2}, {2, 2}, {3}} {
			p.leave(tenant)
			synctest.Wait()
		}
		if got := p.counts(); got != (placeCounts{0, 0, 15}) || len(p.tenants) != 0 {
			t.Errorf("when all have left: %+v of %d tenants", got, len(p.tenants))
		}
	})
}
