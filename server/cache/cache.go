// Package cache keeps ready-to-send responses at three levels: L1 in this process, L2 in a server that speaks the Redis
// protocol (Dragonfly, Redis, Valkey), and L3 in a table of the database. A key belongs to one tenant. Concurrent
// misses of a key share one load. A level that is down makes the cache slower but never fails a request.
//
// Several instances share L2 and L3. An instance never serves a value older than the last invalidation, by any
// instance, that was acknowledged before the request began. Package coherence explains how and proves why.
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
	"github.com/policycortex/headroom/server/cache/codec"
	"github.com/policycortex/headroom/server/cache/coherence"
	"github.com/policycortex/headroom/server/cache/usage"
	"github.com/policycortex/headroom/server/store"
)

// Lifetimes of an entry, spread by a tenth to either side so that entries made together do not expire together. Changes
// are invalidated; lifetimes limit the age of what changes without an invalidation. A missing value is remembered in L1
// only, just long enough to dampen a flood of requests.
const (
	firstL1TTL  = time.Minute
	l2TTL       = 30 * time.Minute
	l3TTL       = time.Hour
	notFoundTTL = 2 * time.Second
	// transitTTL is for values that only L2 should keep but may not have yet, because writes to L2 are asynchronous.
	transitTTL = 2 * time.Second
	// staleWindow follows the lifetime in L1: within it an entry is still served while it is reloaded.
	staleWindow = 30 * time.Second
)

// loadTimeout bounds a load, which continues after its request has left.
const loadTimeout = 30 * time.Second

// ErrNotFound is returned by a load function when nothing exists under a key, and then by [Cache.Get].
var ErrNotFound = errors.New("not found")

// Level is where a value came from.
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

// Options configure a cache.
type Options struct {
	// L2URL is a redis:// or rediss:// URL.
	L2URL string
	// L2IsFar says that L2 is in another region, so that a value is read sooner from the database: only invalidations
	// go through L2, and every read of it counts as a miss.
	L2IsFar bool
	// L1Bytes is the initial size of L1, in bytes of keys and values plus an estimate of their overhead. It is
	// required.
	L1Bytes int64
	// L1MinBytes and L1MaxBytes bound the size of L1, which adapts; 0 means half and twice L1Bytes. Three equal values
	// fix the size.
	L1MinBytes, L1MaxBytes int64
	// L1TTL is the first lifetime in L1, which adapts too; 0 means a minute.
	L1TTL time.Duration
	// TTLs bound how long a value is kept, by its class.
	TTLs TTLs
	// PrefetchThreshold is the overall hit rate, above 0 and at most 1, from which prefetching is tried; 0 means 0.8.
	PrefetchThreshold float64
	// CompressionThreshold is the size in bytes above which bodies are compressed; 0 means 1024.
	CompressionThreshold int
	// Store has L3 and reports the primary's LSN. The caller closes it after the cache. Without a store there is no L3,
	// and loads are assumed to see every change, as without a replica.
	Store *store.Store
	// Logger logs failures of each level, at most once in ten seconds; nil means no log.
	Logger *slog.Logger
}

// LoadFunc makes the value for a key that no level has, from a server that has replayed after. It returns [ErrNotFound]
// when nothing exists under the key. Its context is not the request's: it ends after about 30 seconds or when the cache
// is closed. The returned slice belongs to the cache.
type LoadFunc func(ctx context.Context, key Key, after store.LSN) ([]byte, error)

// Cache is safe for concurrent use.
type Cache struct {
	l1         *otter.Cache[Key, *Entry]
	l2         *level2
	l3         *level3
	bus        *coherence.Bus
	flights    flights
	loaders    loaders
	ttls       TTLs
	compress   int // bodies that are larger
	counts     counts
	usage      usage.Tracker
	latency    [Miss + 1]usage.Histogram // of requests by what served them, in nanoseconds
	windows    windows
	prefetch   prefetcher
	adapted    atomic.Pointer[func(Adaptation)] // nil: nobody is told
	warming    atomic.Pointer[Warming]
	complaints complaints

	opened     time.Time
	settling   chan struct{} // a token for each entry that is being settled
	goroutines goroutines
	closing    context.Context
	close      context.CancelFunc
	closed     sync.Once
}

// Open makes a cache. It does not wait for L2: until [Cache.Join] returns, every Get is a load. It returns an error for
// a malformed URL or for impossible sizes.
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
		return nil, fmt.Errorf("open cache: L1 has %d bytes, which is not between the bounds of %d and %d", o.L1Bytes,
			smallest, largest)
	}
	c := &Cache{settling: make(chan struct{}, 2), opened: time.Now()}
	c.loaders.jobs = make(chan loadJob)
	c.ttls, c.compress = o.TTLs, cmp.Or(o.CompressionThreshold, codec.CompressionThreshold)
	c.prefetch.threshold = cmp.Or(o.PrefetchThreshold, DefaultPrefetchThreshold)
	c.usage.Start(o.L1Bytes, smallest, largest, cmp.Or(o.L1TTL, firstL1TTL))
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
	c.l2 = newLevel2(c, o.L2IsFar)
	c.l3 = openLevel3(c, o.Store)
	c.bus = coherence.Open(coherence.Options{
		Address: address, Far: o.L2IsFar, Store: o.Store, Logger: o.Logger,
		Forget: c.l1.InvalidateAll, Drop: c.dropPattern,
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

// Close cancels running loads, spends at most a second on writing what is queued for L2 and L3, and disconnects from
// L2. Do not call Get afterwards. A second call only waits for the first.
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

// Join waits until this instance has joined the others and may serve from L1 and L2. It returns an error when ctx ends
// first.
func (c *Cache) Join(ctx context.Context) error { return c.bus.Join(ctx) }

// Ping asks L2 for an answer.
func (c *Cache) Ping(ctx context.Context) error { return c.bus.Ping(ctx) }

// entryOverhead estimates the bytes of an entry besides its value and query: otter's node, key, hash table slot and
// policy, and the entry's own fields and header values.
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

// Get returns the value under key and the level it came from. It calls load when no level has the value. A caller whose
// ctx ends gets its error at once, and the load continues for other callers.
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
