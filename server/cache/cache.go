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
	"path"
	"strconv"
	"sync"
	"time"

	"github.com/maypok86/otter/v2"
	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/singleflight"

	"github.com/policycortex/headroom/server/store"
)

// Lifetimes of an entry. The first two are spread by a tenth to either side, so that entries made together do not all
// expire together. What was found missing is remembered in L1 only, and just long enough to blunt a flood.
const (
	l1TTL       = time.Minute
	l2TTL       = 30 * time.Minute
	notFoundTTL = 2 * time.Second
	// transitTTL is for what only L2 is to keep, and may not have yet: writing to it is not waited for.
	transitTTL = 2 * time.Second
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
	// Logger is told when L2 fails, at most once in ten seconds.
	Logger *slog.Logger
}

// LoadFunc makes the value for a key that no level has, from a server that has everything up to after. It returns
// [ErrNotFound] when there is nothing. The context is not the request's: it ends after 30 seconds or when the cache is
// closed. The value is the cache's from then on.
type LoadFunc func(ctx context.Context, key Key, after store.LSN) ([]byte, error)

// Cache is safe for concurrent use.
type Cache struct {
	l1      *otter.Cache[Key, *Entry]
	l2      *level2
	flights singleflight.Group
	counts  counts
	insight insight

	stripes stripes
	born    uint64

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
	c := &Cache{insight: newInsight()}
	c.l1, err = otter.New(&otter.Options[Key, *Entry]{
		MaximumWeight:    uint64(o.L1Bytes),
		Weigher:          weigh,
		ExpiryCalculator: otter.ExpiryWritingFunc(l1Lifetime),
		OnAtomicDeletion: c.insight.removed,
	})
	if err != nil {
		return nil, fmt.Errorf("make L1 cache: %w", err)
	}
	c.closing, c.close = context.WithCancel(context.Background())
	// Lists that an earlier process left in L2 are not reached: it may have died between a change and its invalidation.
	c.born = rand.Uint64()
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

func weigh(key Key, e *Entry) uint32 {
	return uint32(entryOverhead + len(key.Query) + len(e.Body) + len(e.Gzip))
}

func l1Lifetime(entry otter.Entry[Key, *Entry]) time.Duration {
	if entry.Value.missing() {
		return notFoundTTL
	}
	if entry.Value.transit {
		return transitTTL
	}
	return jitter(l1TTL)
}

// jitter spreads d evenly over 0.9 d to 1.1 d.
func jitter(d time.Duration) time.Duration {
	return d - d/10 + rand.N(d/5)
}

// flight is the result of one load, shared by everyone who waited for it.
type flight struct {
	entry *Entry
	level Level
}

// Get returns the value under key and the level it came from, calling load when no level has it. A caller whose ctx
// ends gets that error at once; the load goes on for the others.
//
// Every call is counted once in each level that it reached: see [Stats].
func (c *Cache) Get(ctx context.Context, key Key, load LoadFunc) (*Entry, Level, error) {
	draw := rand.Uint32()
	began := c.insight.began(draw)
	e, ok := c.l1.GetIfPresent(key)
	if !ok || !e.valid() {
		return c.getShared(ctx, key, draw, load)
	}
	c.counts.l1Hits.Add(1)
	c.insight.hit(&key, e, draw, began)
	if e.missing() {
		return nil, L1, ErrNotFound
	}
	return e, L1, nil
}

// getShared joins the flight for key, or starts it. A flight has the epoch in its name, so that nobody joins one that
// an invalidation has made stale.
func (c *Cache) getShared(ctx context.Context, key Key, draw uint32, load LoadFunc) (*Entry, Level, error) {
	c.counts.l1Misses.Add(1)
	hash := key.hash()
	began := c.insight.missed(&key, hash, draw)
	s := c.stripes.of(key.scope())
	epoch := s.epoch.Load()
	name := c.l2Name(&key, epoch)
	result := c.flights.DoChan(name, func() (any, error) {
		c.loads.Add(1)
		defer c.loads.Done()
		return c.fetch(ctx, key, name, s, epoch, hash, load)
	})
	select {
	case <-ctx.Done():
		c.counts.l2Misses.Add(1)
		return nil, Miss, ctx.Err()
	case r := <-result:
		f := r.Val.(flight)
		c.insight.served(f.level, began)
		if f.level == L2 {
			c.counts.l2Hits.Add(1)
		} else {
			c.counts.l2Misses.Add(1)
		}
		return f.entry, f.level, r.Err
	}
}

// fetch asks L2 and then load, under a context that outlives the request. A panic becomes an error: singleflight would
// raise it again where nothing can recover it.
func (c *Cache) fetch(request context.Context, key Key, name string, s *stripe, epoch, hash uint64, load LoadFunc) (f flight, err error) {
	defer func() {
		if p := recover(); p != nil {
			f, err = flight{level: Miss}, fmt.Errorf("load panicked: %v", p)
		}
	}()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(request), loadTimeout)
	defer cancel()
	defer context.AfterFunc(c.closing, cancel)()

	if value := c.l2.get(ctx, name); value != nil {
		e := newEntry(value, s, epoch, hash)
		c.l1.Set(key, e)
		return flight{entry: e, level: L2}, nil
	}
	value, err := load(ctx, key, store.LSN(s.lsn.Load()))
	switch {
	case errors.Is(err, ErrNotFound):
		c.l1.Set(key, newEntry(nil, s, epoch, hash))
		return flight{level: Miss}, ErrNotFound
	case err != nil:
		return flight{level: Miss}, err
	}
	e := newEntry(value, s, epoch, hash)
	where := c.insight.place(&key, hash, len(value))
	e.transit = !where.l1
	c.l1.Set(key, e)
	if where.l2 {
		c.l2.setLater(name, value)
	}
	return flight{entry: e, level: Miss}, nil
}

// Invalidate makes what was loaded for keys of the scopes unreachable. Call it after a change is committed at the
// position after, and before it is acknowledged. When it returns, no instance serves anything older. An error says
// that this could not be made sure of: log it and go on, as the change is made.
func (c *Cache) Invalidate(_ context.Context, after store.LSN, scopes ...Scope) error {
	for _, scope := range scopes {
		c.stripes.of(scope).invalidate(after)
		c.insight.wrote(&scope)
	}
	return nil
}

// InvalidatePattern does so for all keys whose names match a glob pattern, and returns how many values were removed.
func (c *Cache) InvalidatePattern(_ context.Context, after store.LSN, pattern string) (removed int, err error) {
	for key := range c.l1.All() {
		match, err := path.Match(pattern, key.Name())
		if err != nil {
			return removed, fmt.Errorf("invalidate %q: %w", pattern, err)
		}
		if match {
			removed++
		}
	}
	for i := range c.stripes {
		c.stripes[i].invalidate(after)
	}
	return removed, nil
}

// formatVersion is part of every name in L2. Raise it when the form of the stored bytes changes.
const formatVersion = "2"

func (c *Cache) l2Name(key *Key, epoch uint64) string {
	if key.ID == ([16]byte{}) || epoch > 0 {
		epoch += c.born
	}
	return "headroom:" + formatVersion + ":" + strconv.FormatUint(epoch, 36) + ":" + key.Name()
}
