package inference

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/policycortex/headroom/server/store"
)

const (
	// batchWindow is how long the first question of a batch waits for others.
	batchWindow = 2 * time.Millisecond
	// maxBatch is the most questions of one statement, maxReading the most statements at the database: while as many
	// are there, questions collect.
	maxBatch   = 64
	maxReading = 2
	// readTimeout bounds the answer to a batch, whose callers leave at different times.
	readTimeout = 30 * time.Second
)

// batcher reads histories for concurrent questions by one statement.
type batcher struct {
	read    func(context.Context, []store.CostHistoryQuery, store.LSN) ([]store.CostHistories, error)
	observe func(size float64)

	mu      sync.Mutex
	waiting []*ask
	pending bool // a batch is about to be taken
	reading int
}

// ask is a question, of as many callers as ask the same.
type ask struct {
	query store.CostHistoryQuery
	after store.LSN
	done  chan struct{}
	found store.CostHistories
	err   error
}

func newBatcher(read func(context.Context, []store.CostHistoryQuery, store.LSN) ([]store.CostHistories, error),
	observe func(float64),
) *batcher {
	return &batcher{read: read, observe: observe}
}

// get returns the histories of a query, which the caller must not change. They have everything committed up to after.
func (b *batcher) get(ctx context.Context, q store.CostHistoryQuery, after store.LSN) ([]*store.CostHistory, error) {
	a := b.join(q, after)
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-a.done:
	}
	if a.err != nil {
		return nil, a.err
	}
	return a.found.All, a.found.Err()
}

// join adds a question to those that wait, or finds the same one.
func (b *batcher) join(q store.CostHistoryQuery, after store.LSN) *ask {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, a := range b.waiting {
		if a.query == q {
			a.after = max(a.after, after)
			return a
		}
	}
	a := &ask{query: q, after: after, done: make(chan struct{})}
	b.waiting = append(b.waiting, a)
	if !b.pending && b.reading < maxReading {
		b.pending = true
		time.AfterFunc(batchWindow, b.work)
	}
	return a
}

// work reads batches until no question waits.
func (b *batcher) work() {
	b.mu.Lock()
	b.pending = false
	b.reading++
	b.mu.Unlock()
	for {
		batch := b.take()
		if len(batch) == 0 {
			return
		}
		b.answer(batch)
	}
}

// take returns the next batch. If there is none, it gives up the place at the database.
func (b *batcher) take() []*ask {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := min(len(b.waiting), maxBatch)
	if n == 0 {
		b.reading--
		return nil
	}
	batch := b.waiting[:n:n]
	b.waiting = b.waiting[n:]
	return batch
}

func (b *batcher) answer(batch []*ask) {
	ctx, cancel := context.WithTimeout(context.Background(), readTimeout)
	defer cancel()
	err := b.fill(ctx, batch)
	alone := len(batch) > 1 && (store.IsStatementTimeout(err) || errors.Is(err, store.ErrTooManyTogether))
	for i, a := range batch {
		a.err = err
		if alone { // so that one expensive question fails no other
			a.err = b.fill(ctx, batch[i:i+1])
		}
		close(a.done)
	}
}

// fill reads what is found for questions by one statement.
func (b *batcher) fill(ctx context.Context, batch []*ask) error {
	queries, after := make([]store.CostHistoryQuery, len(batch)), store.LSN(0)
	for i, a := range batch {
		queries[i], after = a.query, max(after, a.after)
	}
	b.observe(float64(len(batch)))
	found, err := b.protected(ctx, queries, after)
	if err != nil {
		return err
	}
	for i, a := range batch {
		a.found = found[i]
	}
	return nil
}

// protected turns a panic into an error: no request handler would recover it here.
func (b *batcher) protected(ctx context.Context, queries []store.CostHistoryQuery, after store.LSN) (
	found []store.CostHistories, err error,
) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("reading histories panicked: %v", p)
		}
	}()
	return b.read(ctx, queries, after)
}
