package cache

import (
	"context"
	"sync"
	"time"

	"github.com/policycortex/headroom/server/cache/clock"
	"github.com/policycortex/headroom/server/cache/coherence"
	"github.com/policycortex/headroom/server/cache/usage"
)

// flight is one lookup of a value in L2, in L3 and by the load function, shared by all requests that wait for it.
type flight struct {
	key     Key
	stripe  *coherence.Stripe
	index   uint16 // of the stripe
	epoch   uint64 // of the stripe, read before anything else
	hash    uint64
	trusted bool // this instance held its lease when the flight began: see package coherence

	ahead *ahead // nil when a request began it

	before *flight // the flight that has to end first, if any
	begun  bool    // guarded by the lock of flights

	done  chan struct{} // closed when the fields below are set
	entry *Entry
	level Level
	err   error
}

const flightShards = 64

// flights are the flights in progress, one per key. (golang.org/x/sync/singleflight has no rules for who may join, and
// always needs a goroutine, even when L2 has the value.)
type flights struct {
	count  usage.Counter // how many there are
	shards [flightShards]struct {
		mu sync.Mutex
		m  map[Key]*flight
		_  [112]byte
	}
}

// join returns the flight for a key and whether the caller has to begin it. Its value must be no older than the call of
// join:
//
//   - With the lease, this instance learns of an invalidation, which changes the epoch, before anyone acknowledges it.
//     So a flight of the current epoch that was begun with the lease may be joined at any time.
//   - Without the lease it may miss invalidations. So only a flight that has not begun may be joined, and it begins
//     when the flight in progress has ended. A crowd of requests for one key thus makes at most two loads at a time.
func (fs *flights) join(key *Key, all *coherence.Stripes, hash uint64, trusted bool) (f *flight, begin bool) {
	shard := &fs.shards[hash%flightShards]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	index, s := all.Of(key)
	present := shard.m[*key]
	epoch := s.Epoch()
	if present != nil {
		switch {
		case trusted && present.trusted && present.epoch == epoch, !trusted && !present.begun:
			return present, false
		}
	}
	f = &flight{
		key: *key, stripe: s, index: index, epoch: epoch, hash: hash, trusted: trusted,
		done: make(chan struct{}),
	}
	if !trusted {
		f.before = present
	}
	f.begun = f.before == nil
	if shard.m == nil {
		shard.m = make(map[Key]*flight)
	}
	shard.m[*key] = f
	if present == nil {
		fs.count.Add(1)
	}
	return f, true
}

// await waits for the preceding flight while ctx allows, and then marks this one as begun.
func (fs *flights) await(ctx context.Context, f *flight) error {
	if f.before == nil {
		return nil
	}
	select {
	case <-f.before.done:
	case <-ctx.Done():
	}
	shard := &fs.shards[f.hash%flightShards]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	f.begun, f.before = true, nil
	f.epoch = f.stripe.Epoch()
	return ctx.Err()
}

// end passes the result to the waiting requests. Another flight may have taken the key meanwhile.
func (fs *flights) end(f *flight, entry *Entry, level Level, err error) {
	shard := &fs.shards[f.hash%flightShards]
	shard.mu.Lock()
	if shard.m[f.key] == f {
		delete(shard.m, f.key)
		fs.count.Add(^uint64(0))
	}
	shard.mu.Unlock()
	f.entry, f.level, f.err = entry, level, err
	close(f.done)
}

// each calls visit for every flight in progress.
func (fs *flights) each(visit func(*flight)) {
	for i := range fs.shards {
		shard := &fs.shards[i]
		shard.mu.Lock()
		for _, f := range shard.m {
			visit(f)
		}
		shard.mu.Unlock()
	}
}

// underWay returns the number of flights in progress.
func (fs *flights) underWay() int { return int(fs.count.Load()) }

// wait waits for the end of the flight or of the request.
func (c *Cache) wait(ctx context.Context, f *flight, began time.Duration) (*Entry, Level, error) {
	select {
	case <-f.done:
		c.counts.served(f.level)
		c.latency[f.level].Record(uint64(clock.Now() - began))
		return f.entry, f.level, f.err
	case <-ctx.Done():
		c.counts.served(Miss)
		return nil, Miss, ctx.Err()
	}
}
