package inference

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/policycortex/headroom/server/store"
)

// reads are the batches that a batcher has read.
type reads struct {
	mu      sync.Mutex
	batches [][]store.CostHistoryQuery
	after   []store.LSN
	err     error
	takes   time.Duration
}

func (r *reads) read(_ context.Context, queries []store.CostHistoryQuery, after store.LSN) (
	[]store.CostHistories, error,
) {
	r.mu.Lock()
	r.batches, r.after = append(r.batches, queries), append(r.after, after)
	err := r.err
	r.mu.Unlock()
	time.Sleep(r.takes)
	if err != nil {
		return nil, err
	}
	found := make([]store.CostHistories, len(queries))
	for i, q := range queries {
		if q.Service == "panics" {
			panic("as it was told to")
		}
		found[i].All = []*store.CostHistory{{Service: q.Service}}
	}
	return found, nil
}

// TestQuestionsShareAStatement: those that come together, each question once; and while two statements are under way,
// the others collect.
func TestQuestionsShareAStatement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reads{takes: time.Second}
		b := newBatcher(r.read, func(float64) {})
		var wait sync.WaitGroup
		ask := func(service string, after store.LSN) {
			wait.Go(func() {
				got, err := b.get(t.Context(), store.CostHistoryQuery{Service: service}, after)
				if err != nil || len(got) != 1 || got[0].Service != service {
					t.Errorf("%s: %+v, %v", service, got, err)
				}
			})
		}
		for i := range 10 {
			ask(string(rune('a'+i%5)), store.LSN(i))
		}
		time.Sleep(100 * time.Millisecond)
		ask("f", 0)
		time.Sleep(100 * time.Millisecond)
		for i := range 100 { // more than one statement has
			ask("late "+string(rune('a'+i)), 0)
		}
		wait.Wait()
		if len(r.batches) != 4 || len(r.batches[0]) != 5 || len(r.batches[1]) != 1 || len(r.batches[2]) != maxBatch ||
			len(r.batches[3]) != 100-maxBatch {
			t.Errorf("%d statements: %v", len(r.batches), r.batches)
		}
		if r.after[0] != 9 {
			t.Errorf("the first is after %d, and one of its questions after 9", r.after[0])
		}
	})
}

// TestFailedBatch: all of its callers get the error, also that of a panic, and the next batch is read.
func TestFailedBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fault := errors.New("a fault")
		r := &reads{err: fault}
		b := newBatcher(r.read, func(float64) {})
		_, err := b.get(t.Context(), store.CostHistoryQuery{}, 0)
		if !errors.Is(err, fault) {
			t.Errorf("got %v", err)
		}
		r.err = nil
		_, err = b.get(t.Context(), store.CostHistoryQuery{Service: "panics"}, 0)
		if err == nil || !strings.Contains(err.Error(), "panicked") {
			t.Errorf("a panic: %v", err)
		}
		_, err = b.get(t.Context(), store.CostHistoryQuery{Service: "next"}, 0)
		if err != nil || b.reading != 0 && len(b.waiting) > 0 {
			t.Errorf("the next: %v", err)
		}
		left, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = b.get(left, store.CostHistoryQuery{}, 0)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("a caller who left: %v", err)
		}
		synctest.Wait()
	})
}

// TestPlaces: so many at once, so many in the queue, and nobody waits for longer than is allowed.
func TestPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlaces(2, 3, time.Second)
		for range 2 {
			err := p.enter(t.Context())
			if err != nil {
				t.Fatal(err)
			}
		}
		results := make(chan error, 5)
		for range 5 {
			go func() { results <- p.enter(t.Context()) }()
		}
		synctest.Wait()
		if p.waiting.Load() != 3 || p.refused.Load() != 2 {
			t.Errorf("%d wait, %d are refused", p.waiting.Load(), p.refused.Load())
		}
		p.leave()
		synctest.Wait()
		if p.waiting.Load() != 2 || len(p.running) != 2 {
			t.Errorf("after one has left: %d wait, %d run", p.waiting.Load(), len(p.running))
		}
		began := time.Now()
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
		err := p.enter(left)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("one who left: %v", err)
		}
		if p.waiting.Load() != 0 {
			t.Errorf("%d wait at the end", p.waiting.Load())
		}
	})
}
