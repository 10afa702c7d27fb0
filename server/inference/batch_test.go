package inference

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/policycortex/headroom/server/store"
)

// reads are the batches that a batcher has read.
type reads struct {
	mu      sync.Mutex
	batches [][]store.CostHistoryQuery
	after   []store.LSN
	err     error
	slow    error // of statements that ask for the service "slow"
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
		switch {
		case q.Service == "panics":
			panic("as it was told to")
		case q.Service == "slow":
			return nil, r.slow
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
		if err != nil {
			t.Errorf("the next: %v", err)
		}
		left, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = b.get(left, store.CostHistoryQuery{}, 0)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("a caller who left: %v", err)
		}
		time.Sleep(time.Second) // the question of who left is read all the same
		synctest.Wait()
		b.mu.Lock()
		defer b.mu.Unlock()
		if len(r.batches) != 4 || b.reading != 0 || b.pending || len(b.waiting) != 0 {
			t.Errorf("%d statements; at the end %d are read, pending %v, %d wait", len(r.batches), b.reading, b.pending,
				len(b.waiting))
		}
	})
}

// TestQuestionThatTakesTooLong fails alone: the others of its batch are asked again, each by itself.
func TestQuestionThatTakesTooLong(t *testing.T) {
	for name, fault := range map[string]error{
		"a statement timeout": &pgconn.PgError{Code: "57014"}, "too much": store.ErrTooManyTogether,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &reads{slow: fmt.Errorf("cost histories: %w", fault)}
				b := newBatcher(r.read, func(float64) {})
				var wait sync.WaitGroup
				for _, service := range []string{"a", "slow", "b"} {
					wait.Go(func() {
						got, err := b.get(t.Context(), store.CostHistoryQuery{Service: service}, 0)
						if service == "slow" {
							if !errors.Is(err, fault) {
								t.Errorf("the slow one: %v", err)
							}
							return
						}
						if err != nil || len(got) != 1 || got[0].Service != service {
							t.Errorf("%s: %+v, %v", service, got, err)
						}
					})
				}
				wait.Wait()
				if len(r.batches) != 4 || len(r.batches[0]) != 3 {
					t.Errorf("statements %v, want one of three and three of one", r.batches)
				}
			})
		})
	}
}
