// Package cache keeps ready-to-send answers at two levels: L1 in this process, L2 in a server that speaks the Redis
// protocol (Dragonfly, Redis, Valkey). A key belongs to one tenant. However many requests miss the same key at once, it
// is loaded once. An L2 that is down makes the cache slower, and never fails a request.
package cache

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/maypok86/otter/v2"
	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/singleflight"
)

// Lifetimes of an entry. The first two are spread by a tenth to either side, so that entries made together do not all
// expire together. What was found missing is remembered in L1 only, and just long enough to blunt a flood.
const (
	l1TTL       = time.Minute
	l2TTL       = 30 * time.Minute
	notFoundTTL = 2 * time.Second
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
	Miss              // neither: the load function was called
)

// String returns "l1", "l2" or "miss".
func (l Level) String() string { return [...]string{"l1", "l2", "miss"}[l] }

// Options says what a cache is made of.
type Options struct {
	// L2URL is a redis:// or rediss:// URL.
	L2URL string
	// L1Bytes bounds L1 by the bytes of its keys and values and an estimate of what keeping them costs.
	L1Bytes int64
	// Logger is told when L2 fails, at most once in ten seconds.
	Logger *slog.Logger
}

// LoadFunc makes the value for a key that no level has. It returns [ErrNotFound] when there is nothing. The context is
// not the request's: it ends after 30 seconds or when the cache is closed.
type LoadFunc func(context.Context, Key) ([]byte, error)

// Cache is safe for concurrent use.
type Cache struct {
	l1      *otter.Cache[Key, []byte]
	l2      *level2
	flights singleflight.Group
	counts  counts

	generations generations

	// closing ends the loads under way; loads counts them.
	closing context.Context
	close   context.CancelFunc
	loads   sync.WaitGroup
}

// Open makes a cache. It does not wait for L2 to answer: see [Cache.Ping].
func Open(o Options) (*Cache, error) {
	address, err := redis.ParseURL(o.L2URL)
	if err != nil {
		return nil, fmt.Errorf("parse cache URL: %w", err)
	}
	if o.L1Bytes <= 0 {
		return nil, fmt.Errorf("open cache: L1 has %d bytes; give it at least a few megabytes", o.L1Bytes)
	}
	l1, err := otter.New(&otter.Options[Key, []byte]{
		MaximumWeight:    uint64(o.L1Bytes),
		Weigher:          weigh,
		ExpiryCalculator: otter.ExpiryWritingFunc(l1Lifetime),
	})
	if err != nil {
		return nil, fmt.Errorf("make L1 cache: %w", err)
	}
	c := &Cache{l1: l1}
	c.closing, c.close = context.WithCancel(context.Background())
	c.generations.start()
	c.l2 = openLevel2(address, &c.counts, o.Logger)
	return c, nil
}

// Close ends the loads under way, writes what is queued for L2 for at most a second, and lets L2 go. No Get may begin
// after it.
func (c *Cache) Close() error {
	c.close()
	c.loads.Wait()
	c.l1.StopAllGoroutines()
	return c.l2.close()
}

// Ping asks L2 for an answer.
func (c *Cache) Ping(ctx context.Context) error { return c.l2.ping(ctx) }

// entryOverhead is about what otter keeps for an entry beside its value and query: node, key, hash table slot, policy.
const entryOverhead = 256

func weigh(key Key, value []byte) uint32 {
	return uint32(entryOverhead + len(key.Query) + len(value))
}

// l1Lifetime takes a nil value for "not found": that is how L1 stores it.
func l1Lifetime(entry otter.Entry[Key, []byte]) time.Duration {
	if entry.Value == nil {
		return notFoundTTL
	}
	return jitter(l1TTL)
}

// jitter spreads d evenly over 0.9 d to 1.1 d.
func jitter(d time.Duration) time.Duration {
	return d - d/10 + rand.N(d/5)
}

// flight is the result of one load, shared by everyone who waited for it.
type flight struct {
	value []byte
	level Level
}

// Get returns the value under key and the level it came from, calling load when no level has it. The value is shared:
// it must not be changed. A caller whose ctx ends gets that error at once; the load goes on for the others.
//
// Every call is counted once in each level that it reached: see [Stats].
func (c *Cache) Get(ctx context.Context, key Key, load LoadFunc) ([]byte, Level, error) {
	value, ok := c.l1.GetIfPresent(key)
	if !ok {
		return c.getShared(ctx, key, load)
	}
	c.counts.l1Hits.Add(1)
	if value == nil {
		return nil, L1, ErrNotFound
	}
	return value, L1, nil
}

// getShared joins the flight for key, or starts it.
func (c *Cache) getShared(ctx context.Context, key Key, load LoadFunc) ([]byte, Level, error) {
	c.counts.l1Misses.Add(1)
	name := key.l2Name()
	result := c.flights.DoChan(name, func() (any, error) {
		c.loads.Add(1)
		defer c.loads.Done()
		return c.fetch(ctx, key, name, load)
	})
	select {
	case <-ctx.Done():
		c.counts.l2Misses.Add(1)
		return nil, Miss, ctx.Err()
	case r := <-result:
		f := r.Val.(flight)
		if f.level == L2 {
			c.counts.l2Hits.Add(1)
		} else {
			c.counts.l2Misses.Add(1)
		}
		return f.value, f.level, r.Err
	}
}

// fetch asks L2 and then load, under a context that outlives the request. A panic becomes an error: singleflight would
// raise it again where nothing can recover it.
func (c *Cache) fetch(request context.Context, key Key, name string, load LoadFunc) (f flight, err error) {
	defer func() {
		if p := recover(); p != nil {
			f, err = flight{level: Miss}, fmt.Errorf("load panicked: %v", p)
		}
	}()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(request), loadTimeout)
	defer cancel()
	defer context.AfterFunc(c.closing, cancel)()

	if value := c.l2.get(ctx, name); value != nil {
		c.l1.Set(key, value)
		return flight{value: value, level: L2}, nil
	}
	value, err := load(ctx, key)
	switch {
	case errors.Is(err, ErrNotFound):
		c.l1.Set(key, nil)
		return flight{level: Miss}, ErrNotFound
	case err != nil:
		return flight{level: Miss}, err
	}
	c.l1.Set(key, value)
	c.l2.setLater(name, value)
	return flight{value: value, level: Miss}, nil
}
