// Package cache keeps ready-to-send answers at three levels: L1 in this process, L2 in a server that speaks the Redis
// protocol (Dragonfly, Redis, Valkey), L3 in a table of the database. A key belongs to one tenant. However many requests
// miss the same key at once, it is loaded once. A level that is down makes the cache slower, and never fails a request.
//
// Several instances share L2 and L3. What an instance serves is never older than the last invalidation that was
// acknowledged before the request began, by whichever instance: package coherence says how, and why
// that is so.
package cache

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
	"github.com/redis/go-redis/v9"

	"github.com/policycortex/headroom/server/cache/clock"
	"github.com/policycortex/headroom/server/cache/coherence"
	"github.com/policycortex/headroom/server/cache/usage"
	"github.com/policycortex/headroom/server/store"
)

// Lifetimes of an entry, spread by a tenth to either side so that entries made together do not all expire together.
// What is changed is invalidated; lifetimes are for what changes without anybody's saying so. What was found missing is
// remembered in L1 only, and just long enough to blunt a flood.
const (
	firstL1TTL  = time.Minute
	l2TTL       = 30 * time.Minute
	l3TTL       = time.Hour
	notFoundTTL = 2 * time.Second
	// transitTTL is for what only L2 is to keep, and may not have yet: writing to it is not waited for.
	transitTTL = 2 * time.Second
	// staleWindow follows the lifetime in L1: in it an entry is served once more while it is loaded anew.
	staleWindow = 30 * time.Second
)

// loadTimeout bounds a load, which goes on after the request that began it has left.
const loadTimeout = 30 * time.Second

// ErrNotFound is returned by a load function to say that there is nothing under a key, and by [Cache.Get] then.
var ErrNotFound = errors.New("not found")

// Level says where a value came from.
type Level uint8

// The levels, from the nearest.
const (
	L1   Level = iota // this process
	L2                // the cache server
	L3                // the table in the database
	Miss              // none: the load function was called
)

// String returns "l1", "l2", "l3" or "miss".
func (l Level) String() string { return [...]string{"l1", "l2", "l3", "miss"}[l] }

// Options says what a cache is made of.
type Options struct {
	// L2URL is a redis:// or rediss:// URL.
	L2URL string
	// L1Bytes bounds L1 by the bytes of its keys and values and an estimate of what keeping them costs.
	L1Bytes int64
	// L1MinBytes and L1MaxBytes are the bounds in which L1 adapts its size, beginning with L1Bytes. 0 is half and twice
	// L1Bytes; all three alike fix it.
	L1MinBytes, L1MaxBytes int64
	// Store has L3, and says where the primary's log is. It stays the caller's to close, after the cache. Without one
	// there is no L3, and every load sees everything: there is no replica.
	Store *store.Store
	// Logger is told when a level fails, at most once in ten seconds.
	Logger *slog.Logger
}

// LoadFunc makes the value for a key that no level has, from a server that has everything up to after. It returns
// [ErrNotFound] when there is nothing. The context is not the request's: it ends after about 30 seconds or when the cache
// is closed. The value is the cache's from then on.
type LoadFunc func(ctx context.Context, key Key, after store.LSN) ([]byte, error)

// Cache is safe for concurrent use.
type Cache struct {
	l1         *otter.Cache[Key, *Entry]
	l2         *level2
	l3         *level3
	bus        *coherence.Bus
	flights    flights
	loaders    loaders
	counts     counts
	usage      usage.Tracker
	latency    [Miss + 1]usage.Histogram // of requests by what served them, in nanoseconds
	windows    windows
	prefetch   prefetcher
	warming    atomic.Pointer[Warming]
	complaints complaints

	opened     time.Time
	settling   chan struct{} // a token for each entry that is being settled
	goroutines goroutines
	closing    context.Context
	close      context.CancelFunc
	closed     sync.Once
}

// Open makes a cache. It does not wait for L2 to answer: until [Cache.Join] returns, every Get is a load.
func Open(o Options) (*Cache, error) {
	address, err := redis.ParseURL(o.L2URL)
	if err != nil {
		return nil, fmt.Errorf("parse cache URL: %w", err)
	}
	if o.L1Bytes <= 0 {
		return nil, fmt.Errorf("open cache: L1 has %d bytes; give it at least a few megabytes", o.L1Bytes)
	}
	smallest, largest := cmp.Or(o.L1MinBytes, o.L1Bytes/2), cmp.Or(o.L1MaxBytes, 2*o.L1Bytes)
	if smallest < 0 || smallest > o.L1Bytes || largest < o.L1Bytes {
		return nil, fmt.Errorf("open cache: L1 has %d bytes, which is not between the bounds of %d and %d", o.L1Bytes, smallest, largest)
	}
	c := &Cache{settling: make(chan struct{}, 2), opened: time.Now()}
	c.loaders.jobs = make(chan loadJob)
	c.usage.Start(o.L1Bytes, smallest, largest, firstL1TTL)
	c.l1, err = otter.New(&otter.Options[Key, *Entry]{
		MaximumWeight:    uint64(o.L1Bytes),
		Weigher:          weigh,
		ExpiryCalculator: otter.ExpiryWritingFunc(l1Lifetime),
		OnAtomicDeletion: c.removed,
	})
	if err != nil {
		return nil, fmt.Errorf("make L1 cache: %w", err)
	}
	c.complaints.logger = o.Logger
	c.closing, c.close = context.WithCancel(context.Background())
	c.l2 = newLevel2(c)
	c.l3 = openLevel3(c, o.Store)
	c.bus = coherence.Open(coherence.Options{
		Address: address, Store: o.Store, Logger: o.Logger, Forget: c.l1.InvalidateAll, Drop: c.dropPattern,
		Failed: func(operation string, err error) { c.l2.failed(1, operation, err) },
	})
	for _, keep := range []func(){c.keepAdapting, func() { c.bus.KeepSettling(c.closing) }} {
		c.goroutines.begin()
		go func() {
			defer c.goroutines.end()
			keep()
		}()
	}
	return c, nil
}

// Close ends the loads under way, writes what is queued for L2 and L3 for at most a second, and lets L2 go. Get must not
// be called after it. A second call waits for the first, and does nothing.
func (c *Cache) Close() {
	c.closed.Do(func() {
		c.close()
		c.goroutines.wait()
		c.l2.close()
		c.l3.close()
		c.bus.Close()
		c.l1.StopAllGoroutines()
	})
}

// Join waits until this instance has joined the others and may serve from L1 and L2.
func (c *Cache) Join(ctx context.Context) error { return c.bus.Join(ctx) }

// Ping asks L2 for an answer.
func (c *Cache) Ping(ctx context.Context) error { return c.bus.Ping(ctx) }

// entryOverhead is about what otter keeps for an entry beside its value and query: node, key, hash table slot, policy;
// and the entry's own fields and header values.
const entryOverhead = 512

func weigh(key Key, e *Entry) uint32 {
	return uint32(entryOverhead + len(key.Query) + len(e.Body) + len(e.Gzip))
}

func l1Lifetime(entry otter.Entry[Key, *Entry]) time.Duration {
	return max(entry.Value.stale-clock.Now(), 1)
}

// jitter spreads d evenly over 0.9 d to 1.1 d.
func jitter(d time.Duration) time.Duration {
	return d - d/10 + rand.N(d/5)
}

// Get returns the value under key and the level it came from, calling load when no level has it. A caller whose ctx
// ends gets that error at once; the load goes on for the others.
//
// Every call is counted once in each level that it reached: see [Stats].
func (c *Cache) Get(ctx context.Context, key Key, load LoadFunc) (*Entry, Level, error) {
	draw := rand.Uint32() // decides where the request is counted and what is sampled of it
	began := latencyFrom(draw)
	e, ok := c.l1.GetIfPresent(key)
	if !ok {
		return c.getShared(ctx, &key, draw, load)
	}
	at := clock.Now()
	if at >= e.stale || !c.bus.Trusted(at) || !e.valid() { // in this order: see package coherence
		return c.getShared(ctx, &key, draw, load)
	}
	c.counts.l1Hits.add(draw)
	c.usage.Hit(&key, e.hash, draw)
	if began != 0 {
		c.latency[L1].Record(uint64(clock.Now() - began))
	}
	if at >= e.fresh {
		c.counts.stale.Add(1)
		c.refresh(ctx, key, e, load)
	}
	if e.missing() {
		return nil, L1, ErrNotFound
	}
	if e.prefetched != nil && !e.prefetched.ended.Load() {
		c.lookAhead(&key, e)
	}
	if !e.settled.Load() {
		c.settle(key, e)
	}
	return e, L1, nil
}
