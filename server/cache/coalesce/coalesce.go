// Package coalesce lets concurrent reads from a server of the Redis protocol share round trips.
package coalesce

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// Reader collects reads while a large read is in progress and then sends them together as one MGET. A read that arrives
// alone, or beside a few others, is sent at once. Under load this saves most of the system calls. (BenchmarkHitInL2
// compares go-redis' AutoPipeline with the whole path of a hit, not with this type alone.) It is safe for concurrent
// use.
type Reader struct {
	client  *redis.Client
	timeout time.Duration // of one round trip
	mu      sync.Mutex
	waiting []*pairRead
	busy    int
	begun   int // pairs of the last batch
}

const (
	readers  = 2
	few      = 8   // a batch of fewer pairs lets another reader begin
	maxBatch = 128 // pairs
)

// pairRead is a read of one or two keys. The value of a missing key is empty.
type pairRead struct {
	names  [2]string // the second may be empty
	values [2]string
	err    error
	done   chan struct{} // buffer of one
}

var pairReads = sync.Pool{New: func() any { return &pairRead{done: make(chan struct{}, 1)} }}

// New makes a reader over a client. timeout bounds each round trip.
func New(client *redis.Client, timeout time.Duration) *Reader {
	return &Reader{client: client, timeout: timeout}
}

// Get reads one key, or two if second is not empty, in one command. The value of a missing key is empty. An error is
// the server's, the connection's, or that of the timeout.
func (b *Reader) Get(first, second string) (one, two string, err error) {
	r := pairReads.Get().(*pairRead)
	r.names = [2]string{first, second}
	b.mu.Lock()
	b.waiting = append(b.waiting, r)
	lead := b.busy == 0 || b.busy < readers && b.begun < few
	if lead {
		b.busy++
	}
	b.mu.Unlock()
	if lead {
		// Let requests that are ready to run go first, so that their reads join this one.
		runtime.Gosched()
		if b.next() {
			go b.rest()
		}
	}
	<-r.done
	one, two, err = r.values[0], r.values[1], r.err
	r.names, r.values, r.err = [2]string{}, [2]string{}, nil
	pairReads.Put(r)
	return one, two, err
}

func (b *Reader) rest() {
	for {
		runtime.Gosched()
		if !b.next() {
			return
		}
	}
}

// next reads what is waiting and reports whether there is more by then. If not, this reader is no longer busy.
func (b *Reader) next() (more bool) {
	b.mu.Lock()
	n := min(len(b.waiting), maxBatch)
	b.begun = n
	batch := make([]*pairRead, n)
	copy(batch, b.waiting)
	rest := copy(b.waiting, b.waiting[n:])
	clear(b.waiting[rest:])
	b.waiting = b.waiting[:rest]
	b.mu.Unlock()
	if n > 0 {
		b.read(batch)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.waiting) == 0 {
		b.busy--
		return false
	}
	return true
}

func (b *Reader) read(batch []*pairRead) {
	ctx, cancel := context.WithTimeout(context.Background(), b.timeout)
	defer cancel()
	arguments := make([]any, 1, 1+2*len(batch))
	arguments[0] = "mget"
	for _, r := range batch {
		for i := range r.names {
			if r.names[i] != "" {
				arguments = append(arguments, &r.names[i]) // a pointer, because a string would be copied to the heap
			}
		}
	}
	command := redis.NewSliceCmd(ctx, arguments...)
	err := b.client.Process(ctx, command)
	values := command.Val()
	if err == nil && len(values) != len(arguments)-1 {
		err = fmt.Errorf("MGET of %d keys answered %d", len(arguments)-1, len(values))
	}
	for _, r := range batch {
		r.err = err
		if err == nil {
			values = r.take(values)
		}
		r.done <- struct{}{}
	}
}

// take sets this read's values from the first of values and returns the rest.
func (r *pairRead) take(values []any) (rest []any) {
	for i := range r.names {
		if r.names[i] != "" {
			r.values[i], _ = values[0].(string)
			values = values[1:]
		}
	}
	return values
}
