package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/maypok86/otter/v2"

	"github.com/policycortex/headroom/server/cache/clock"
	"github.com/policycortex/headroom/server/cache/codec"
	"github.com/policycortex/headroom/server/store"
)

// getShared joins the flight for key, or begins it. The request that begins a flight asks L2 itself, which takes a few
// hundred milliseconds at most. A loader does the rest, because that continues when the request leaves.
func (c *Cache) getShared(ctx context.Context, key *Key, draw uint32, load LoadFunc) (*Entry, Level, error) {
	c.counts.l1Misses.Add(1)
	hash := key.Hash()
	began := clock.Now()
	c.usage.Missed(key, hash, began, draw)
	f, begin := c.flights.join(key, &c.bus.Stripes, hash, c.bus.Trusted(clock.Now()))
	if begin {
		c.begin(ctx, f, load)
	}
	e, level, err := c.wait(ctx, f, began)
	if err == nil && (begin || e.prefetched != nil) {
		c.lookAhead(key, e)
	}
	return e, level, err
}

// begin takes a flight to L2 and passes the rest to a loader.
func (c *Cache) begin(ctx context.Context, f *flight, load LoadFunc) {
	var read l2Result
	if f.trusted {
		read = c.readL2(ctx, f)
		if read.hit {
			e := c.storedEntry(f, &read.value)
			c.setL1(f, e)
			c.flights.end(f, e, L2, nil)
			return
		}
	}
	c.loadLater(loadJob{request: ctx, flight: f, tag: read.tag, load: load})
}

// fetch asks L3 and then load. It turns a panic into an error, because no request handler would recover it here.
func (c *Cache) fetch(ctx context.Context, f *flight, tag l2Tag, load LoadFunc) (entry *Entry, level Level, err error) {
	defer func() {
		if p := recover(); p != nil {
			entry, level, err = nil, Miss, fmt.Errorf("load panicked: %v", p)
		}
	}()
	if err := c.flights.await(ctx, f); err != nil {
		return nil, Miss, err
	}
	after := store.OnPrimary
	if f.trusted {
		after = max(c.bus.StripeLSN(f.stripe), tag.After)
	}
	read := c.readL3(ctx, f, after)
	if read.hit {
		e := c.storedEntry(f, &read.value)
		c.setL1(f, e)
		c.l2.setLater(f, tag, e.Body, read.value.Hash, time.Until(read.value.Expires))
		return e, L3, nil
	}
	body, err := load(ctx, f.key, max(after, read.position))
	switch {
	case errors.Is(err, ErrNotFound):
		c.setL1(f, newEntry(nil, 0, f, notFoundTTL, 0, c.compress))
		return nil, Miss, ErrNotFound
	case err != nil:
		return nil, Miss, err
	}
	return c.keep(f, tag, read, body), Miss, nil
}

// keep stores a loaded body at the levels that the policy chooses.
func (c *Cache) keep(f *flight, tag l2Tag, read l3Result, body []byte) *Entry {
	if body == nil {
		body = []byte{}
	}
	if cap(body) > len(body)+len(body)/8 { // the spare room of an encoder would stay as long as the entry, uncounted
		body = bytes.Clone(body)
	}
	hash := xxhash.Sum64(body)
	where, ttlInL2 := c.usage.Place(&f.key, f.hash, len(body)), c.ttls.in(classOf(&f.key), l2TTL)
	if f.ahead != nil {
		where.L1, where.L2 = true, true
		if asked := f.ahead.l2TTL; asked > 0 {
			ttlInL2 = min(asked, c.ttls.in(classOf(&f.key), asked))
		}
	}
	ttl, window := c.lifetime(&f.key)
	if !where.L1 && !(where.L2 && c.l2.far) {
		ttl = min(transitTTL, ttl)
	}
	e := newEntry(body, hash, f, ttl, window, c.compress)
	c.setL1(f, e)
	if where.L2 {
		c.l2.setLater(f, tag, body, hash, ttlInL2)
	}
	if where.L3 {
		c.l3.setLater(&f.key, read.version, body, hash)
	}
	return e
}

// storedEntry makes an entry of a value from a shared level.
func (c *Cache) storedEntry(f *flight, v *codec.Value) *Entry {
	ttl, window := c.lifetime(&f.key)
	return newEntry(v.Body, v.Hash, f, max(min(ttl, time.Until(v.Expires)), 0), window, c.compress)
}

// setL1 stores an entry in L1, unless it has been invalidated already.
func (c *Cache) setL1(f *flight, e *Entry) {
	if f.trusted && e.valid() {
		c.l1.Set(f.key, e)
	}
}

// refresh reloads an expired entry in the background. If that fails, the entry is served until the end of staleWindow,
// and then it is a miss.
func (c *Cache) refresh(ctx context.Context, key Key, e *Entry, load LoadFunc) {
	if !e.refreshing.CompareAndSwap(false, true) || !c.goroutines.begin() {
		return
	}
	c.counts.refreshes.Add(1)
	go func() {
		defer c.goroutines.end()
		if f, begin := c.flights.join(&key, &c.bus.Stripes, e.hash, c.bus.Trusted(clock.Now())); begin {
			c.begin(context.WithoutCancel(ctx), f, load)
		}
	}()
}

// settle runs in the background after the first hit in L1. An entry that is requested again deserves its full lifetime
// there, whatever the policy decided when it was loaded, and compressing once for all clients that accept gzip. An
// entry that is requested once does not. While several others are being settled, it waits for another hit.
func (c *Cache) settle(key Key, e *Entry) {
	if !e.settled.CompareAndSwap(false, true) {
		return
	}
	select {
	case c.settling <- struct{}{}:
	default:
		e.settled.Store(false)
		return
	}
	if !c.goroutines.begin() {
		return
	}
	go func() {
		defer c.goroutines.end()
		defer func() { <-c.settling }()
		ttl, window := c.lifetime(&key)
		if e.stale != e.fresh || c.ttls[classOf(&key)] != 0 { // which counts from when it was loaded
			ttl = 0
		}
		settled := e.settle(ttl, window, c.compress)
		if settled.Gzip != nil {
			c.counts.gzipBefore.Add(uint64(len(settled.Body)))
			c.counts.gzipAfter.Add(uint64(len(settled.Gzip)))
		}
		c.l1.ComputeIfPresent(key, func(old *Entry) (*Entry, otter.ComputeOp) {
			if old != e {
				return nil, otter.CancelOp
			}
			return settled, otter.WriteOp
		})
	}()
}
