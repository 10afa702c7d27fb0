package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
)

const (
	// maxGets is the maximum number of gets and groups at the database.
	maxGets = 4
	// maxGroup is the maximum number of gets in a group.
	maxGroup = 64
)

// getQueue combines concurrent gets into one query. While fewer than maxGets queries are at the database, a get goes
// there at once, alone or together with gets of other goroutines that were ready to run. Later gets wait, and when a
// query is done, the next group takes all that wait. So no get is delayed to wait for others, and the busier the
// database is, the more gets share a round trip, a pooled connection and a wake-up of a Postgres process.
type getQueue struct {
	store *Store

	mu      sync.Mutex
	running int
	waiting []*get
}

// get is one call of AppendResource.
type get struct {
	ctx        context.Context // of the caller: a get that goes by itself ends with it, and its span is in it
	tenant, id ID
	after      LSN
	dst        []byte
	begin      int // of the answer in dst
	found      bool
	err        error
	query      func(*pgx.Conn) error // its method fetch, bound once
	parameters [2][]byte
	done       chan struct{}
	state      atomic.Int32
}

// States of a get in a group. Whoever moves it out of waiting owns it: the group, which then writes its result, or the
// caller, who then leaves.
const (
	stateWaiting = iota
	stateDelivered
	stateLeft
)

var spareGets = sync.Pool{New: func() any {
	g := &get{done: make(chan struct{}, 1)}
	g.query = g.fetch
	return g
}}

func takeGet() *get { return spareGets.Get().(*get) }

func (g *get) giveBack() {
	g.ctx, g.dst, g.err, g.found = nil, nil, nil, false
	g.state.Store(stateWaiting)
	spareGets.Put(g)
}

// deliver reports whether the caller still waits. If so, it waits until the end.
func (g *get) deliver() bool {
	return g.state.CompareAndSwap(stateWaiting, stateDelivered) || g.state.Load() == stateDelivered
}

// do returns true when g has its result, and false when ctx ended first; then the caller must not use g again.
func (q *getQueue) do(ctx context.Context, g *get) bool {
	g.ctx = ctx
	q.mu.Lock()
	q.waiting = append(q.waiting, g)
	lead := q.running < maxGets
	if lead {
		q.running++
	}
	q.mu.Unlock()
	if lead {
		runtime.Gosched() // goroutines that are ready to run go first, so that their gets join this one
		if q.takeAlone(g) {
			defer q.next()
			g.err = q.store.read(ctx, g.after, g.query)
			return true
		}
		go q.work()
	}
	return g.wait(ctx)
}

// takeAlone takes g out of the queue if no other get waits.
func (q *getQueue) takeAlone(g *get) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) != 1 || q.waiting[0] != g {
		return false
	}
	q.waiting[0] = nil
	q.waiting = q.waiting[:0]
	return true
}

func (g *get) wait(ctx context.Context) bool {
	select {
	case <-g.done:
		return true
	case <-ctx.Done():
	}
	if g.state.CompareAndSwap(stateWaiting, stateLeft) {
		return false
	}
	<-g.done
	return true
}

// next passes its place at the database to waiting gets.
func (q *getQueue) next() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		q.running--
		return
	}
	go q.work()
}

// work runs groups until no get waits.
func (q *getQueue) work() {
	g := spareGroups.Get().(*group)
	defer spareGroups.Put(g)
	for q.take(g) {
		g.answer(q.store.read(context.Background(), g.after, g.query))
		runtime.Gosched()
	}
}

// take fills g with the waiting gets. If there are none, it frees the place at the database.
func (q *getQueue) take(g *group) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	g.calls, g.after = g.calls[:0], 0
	taken := 0
	for _, call := range q.waiting {
		if len(g.calls) == maxGroup {
			break
		}
		taken++
		if call.state.Load() == stateLeft {
			continue
		}
		g.calls = append(g.calls, call)
		g.after = max(g.after, call.after)
	}
	rest := copy(q.waiting, q.waiting[taken:])
	clear(q.waiting[rest:])
	q.waiting = q.waiting[:rest]
	if len(g.calls) == 0 {
		q.running--
		return false
	}
	slices.SortFunc(g.calls, func(a, b *get) int { return bytes.Compare(a.id[:], b.id[:]) })
	return true
}

// group is a set of gets that share a query, in the order of their ids.
type group struct {
	calls      []*get
	after      LSN // the highest of them, which satisfies all
	query      func(*pgx.Conn) error
	parameters [1][]byte
}

var spareGroups = sync.Pool{New: func() any {
	g := &group{calls: make([]*get, 0, maxGroup)}
	g.query = g.fetch
	return g
}}

// reset discards the results of a failed attempt.
func (g *group) reset() {
	for _, call := range g.calls {
		if call.state.Load() == stateDelivered {
			call.dst, call.found = call.dst[:call.begin], false
		}
	}
}

// of returns the calls for one id.
func (g *group) of(id ID) []*get {
	from, _ := slices.BinarySearchFunc(g.calls, id,
		func(call *get, id ID) int { return bytes.Compare(call.id[:], id[:]) })
	to := from
	for to < len(g.calls) && g.calls[to].id == id {
		to++
	}
	return g.calls[from:to]
}

// answer wakes the callers. A get without a row keeps found = false.
func (g *group) answer(err error) {
	for i, call := range g.calls {
		g.calls[i] = nil
		if call.deliver() {
			call.err = err
			call.done <- struct{}{}
		}
	}
}

func appendInt32s(dst []byte, values ...int32) []byte {
	for _, v := range values {
		dst = binary.BigEndian.AppendUint32(dst, uint32(v))
	}
	return dst
}
