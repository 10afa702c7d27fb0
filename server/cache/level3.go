package cache

import (
	"context"
	"errors"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/policycortex/headroom/server/cache/codec"
	"github.com/policycortex/headroom/server/cache/glob"
	"github.com/policycortex/headroom/server/store"
)

// level3 is the table cache_entries. It has values that are expensive to compute, for all instances, and survives the
// loss of L2. It never has single resources or policies, whose own rows are as cheap to read.
//
// The SELECT that reads a value checks that it is valid: its version is the tenant's, which every transaction that
// changes the tenant's data increments, on a server that has replayed what the caller must see. So nothing has to be
// invalidated, and no lease is needed. A value is stored under the version that was read before it was computed, from a
// server no further ahead than the one that it was computed from. Expired values are not valid; the server's
// maintenance deletes them.
type level3 struct {
	cache   *Cache
	store   *store.Store
	breaker *gobreaker.TwoStepCircuitBreaker[struct{}]
	queue   chan store.CacheEntry
	closing chan struct{}
	ended   chan struct{}
}

// l3Result is a value, or what is needed to store one afterwards.
type l3Result struct {
	value    codec.Value
	hit      bool
	version  int64     // of the tenant; 0 means do not store
	position store.LSN // at or before which the server read the version
}

const (
	l3Queue = 256
	// l3Timeout is short because computing the value takes only a few milliseconds.
	l3Timeout = 250 * time.Millisecond
)

func openLevel3(c *Cache, s *store.Store) *level3 {
	l := &level3{
		cache: c, store: s, breaker: newBreaker("L3"), queue: make(chan store.CacheEntry, l3Queue),
		closing: make(chan struct{}), ended: make(chan struct{}),
	}
	if s == nil {
		close(l.ended)
		return l
	}
	go l.write()
	return l
}

// expensive reports whether computing a value takes more than reading one key of an index. A compliance summary does
// not, and its refresh increments no tenant's version, so L3 could not tell that it is old.
func expensive(k Kind) bool { return k != Resource && k != Policy && k != Compliance }

// maxL3Query is the longest query of a key in L3, in bytes: an index of Postgres takes names of 2,704. Longer ones
// would be refused, and such refusals would open the breaker.
const maxL3Query = 2500

// has reports whether a key may be in L3.
func (l *level3) has(key *Key) bool {
	return l.store != nil && expensive(key.Kind) && len(key.Query) <= maxL3Query
}

// get reads a value that is valid at an LSN.
func (l *level3) get(ctx context.Context, key *Key, after store.LSN) l3Result {
	if !l.has(key) {
		return l3Result{}
	}
	done, err := l.breaker.Allow()
	if err != nil {
		l.cache.counts.l3Errors.Add(1)
		return l3Result{}
	}
	ctx, cancel := context.WithTimeout(ctx, l3Timeout)
	defer cancel()
	read, err := l.store.ReadCacheEntry(ctx, key.Tenant, key.Name(), after)
	done(err)
	if err != nil {
		l.failed("read", err)
		return l3Result{}
	}
	result := l3Result{version: read.Version, position: read.LSN}
	if read.Value == nil {
		return result
	}
	result.value, err = codec.Decode(read.Value)
	if err != nil {
		l.failed("decode", err)
		return result
	}
	result.hit = true
	return result
}

// setLater queues a value, or drops it when the queue is full.
func (l *level3) setLater(key *Key, version int64, body []byte, hash uint64) {
	if version == 0 || !l.has(key) {
		return
	}
	ttl := l.cache.ttls.in(classOf(key), l3TTL)
	value, saved := codec.Append(nil, body, l.cache.compress, hash, 0, ttl)
	l.cache.counts.compressed(saved)
	e := store.CacheEntry{
		Key: key.Name(), Tenant: key.Tenant, Version: version, Lifetime: jitter(ttl), Value: value,
	}
	select {
	case l.queue <- e:
	default:
		l.failed("write", errors.New("the queue of values to write is full; some values are not stored"))
	}
}

func (l *level3) write() {
	defer close(l.ended)
	for {
		select {
		case e := <-l.queue:
			l.writeOne(e)
		case <-l.closing:
			for range len(l.queue) {
				l.writeOne(<-l.queue)
			}
			return
		}
	}
}

func (l *level3) writeOne(e store.CacheEntry) {
	done, err := l.breaker.Allow()
	if err != nil {
		l.cache.counts.l3Errors.Add(1)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	err = l.store.WriteCacheEntry(ctx, e)
	done(err)
	if err != nil {
		l.failed("write", err)
	}
}

// remove deletes the rows whose keys match.
func (l *level3) remove(ctx context.Context, g *glob.Pattern) (removed int, position store.LSN, err error) {
	if l.store == nil {
		return 0, 0, nil
	}
	return l.store.DeleteCacheEntries(ctx, g.Prefix(), func(key string) bool { return g.Match(codec.BytesOf(key)) })
}

func (l *level3) failed(what string, err error) {
	if errors.Is(err, context.Canceled) {
		return // the cache is being closed
	}
	l.cache.counts.l3Errors.Add(1)
	l.cache.complaints.about(L3, what, err)
}

// close writes what is queued and stops the writer.
func (l *level3) close() {
	close(l.closing)
	<-l.ended
}
