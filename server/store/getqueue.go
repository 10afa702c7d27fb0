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
	// maxGets is how many gets or groups of gets are at the database at the same time.
	maxGets = 4
	// maxGroup is how many gets one group takes.
	maxGroup = 64
)

// getQueue makes one query out of many gets. While fewer than maxGets are at the database, a get goes there at once, by
// itself or with those that other goroutines, which were ready to run, have asked for. Those that come later wait, and
// when one is done, the next group takes all that wait. So nothing is delayed to wait for company, and the busier the
// database is, the more gets share a round trip, a place in the pool and a wake-up of a Postgres process.
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

// States of a get in a group. Whoever moves it out of waiting owns it: the group, which then writes its answer, or the
// caller, who then has gone.
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

// deliver says whether the caller still waits, and from then on he waits to the end.
func (g *get) deliver() bool {
	return g.state.CompareAndSwap(stateWaiting, stateDelivered) || g.state.Load() == stateDelivered
}

// do returns true when g has its answer, false when ctx ended first; g is then lost to the caller.
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
		runtime.Gosched() // others that are ready to run get their turn first, and their gets go along
		if q.takeAlone(g) {
			defer q.next()
			g.err = q.store.read(ctx, g.after, g.query)
			return true
		}
		go q.work()
	}
	return g.wait(ctx)
}

// takeAlone takes g out of the queue if nobody else waits.
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

// next passes the place at the database on to those who wait.
func (q *getQueue) next() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		q.running--
		return
	}
	go q.work()
}

// work does groups until nobody waits.
func (q *getQueue) work() {
	g := spareGroups.Get().(*group)
	defer spareGroups.Put(g)
	for q.take(g) {
		g.answer(q.store.read(context.Background(), g.after, g.query))
		runtime.Gosched()
	}
}

// take fills g with the gets that wait. When there is none, the place at the database is free again.
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

// group is the gets that are done together, by the order of their ids.
type group struct {
	calls      []*get
	after      LSN // the highest of them: what satisfies it satisfies all
	query      func(*pgx.Conn) error
	parameters [1][]byte
}

var spareGroups = sync.Pool{New: func() any {
	g := &group{calls: make([]*get, 0, maxGroup)}
	g.query = g.fetch
	return g
}}

// reset forgets the answers of a try that failed half-way.
func (g *group) reset() {
	for _, call := range g.calls {
		if call.state.Load() == stateDelivered {
			call.dst, call.found = call.dst[:call.begin], false
		}
	}
}

// of returns the calls for one id.
func (g *group) of(id ID) []*get {
	from, _ := slices.BinarySearchFunc(g.calls, id, func(call *get, id ID) int { return bytes.Compare(call.id[:], id[:]) })
	to := from
	for to < len(g.calls) && g.calls[to].id == id {
		to++
	}
	return g.calls[from:to]
}

// answer wakes those who wait. What found no row keeps found = false.
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
