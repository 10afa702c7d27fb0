package cache

import (
	"time"

	"github.com/maypok86/otter/v2"
	"github.com/sony/gobreaker/v2"

	"github.com/policycortex/headroom/server/cache/clock"
	"github.com/policycortex/headroom/server/cache/codec"
	"github.com/policycortex/headroom/server/cache/usage"
)

// spread is a counter for the hottest path: each addition takes one of several counters at random, so that many
// processors do not wait for one cache line.
type spread [8]usage.Counter

func (s *spread) add(draw uint32) { s[draw>>29].Add(1) }

func (s *spread) Load() uint64 {
	sum := uint64(0)
	for i := range s {
		sum += s[i].Load()
	}
	return sum
}

// latencySampled is a power of two: the latency of one hit in L1 in so many is noted.
const latencySampled = 64

// latencyFrom returns the time if a request with this draw is one whose latency is noted even if it is a hit, else 0.
func latencyFrom(draw uint32) time.Duration {
	if draw%latencySampled != 0 {
		return 0
	}
	return clock.Now()
}

// removed notes why an entry left L1.
func (c *Cache) removed(event otter.DeletionEvent[Key, *Entry]) {
	switch event.Cause {
	case otter.CauseOverflow:
		c.usage.Evictions.Add(1)
	case otter.CauseExpiration:
		c.usage.Expirations.Add(1)
	}
	if mark := event.Value.prefetched; mark != nil {
		c.prefetch.outcome(mark, false)
	}
}

type counts struct {
	l1Hits                     spread
	l1Misses                   usage.Counter
	l2Hits, l2Misses, l2Errors usage.Counter
	l3Hits, l3Misses, l3Errors usage.Counter
	stale, refreshes           usage.Counter
	bytesBefore, bytesAfter    usage.Counter
}

// LevelStats counts what a level did, since Open.
type LevelStats struct {
	// Hits and Misses count requests: those that the level served, and those that reached it and went on.
	Hits, Misses uint64
	// Errors counts operations, reads and writes, that failed or were dropped. A failed read is a miss as well.
	Errors uint64
}

// Stats counts requests by the level that served them. A request that waited for another's load counts as if it had
// loaded itself; one that left before the value came is a miss. A remembered "not found" is a hit. So, when no request
// is under way,
//
//	L2.Hits + L2.Misses == L1.Misses and L3.Hits + L3.Misses == L2.Misses
//
// (single resources are never in L3, and are misses there too) and Overall says what share of the requests any level
// served. (Adding the hits and misses of the levels instead would count one request several times.)
type Stats struct {
	L1, L2, L3, Overall LevelStats
	// Stale counts hits in L1 past the lifetime, Refreshes the loads that these began.
	Stale, Refreshes uint64
	// BytesBefore and BytesAfter add up the bodies for L2 and L3 that were compressed, before and after.
	BytesBefore, BytesAfter uint64
}

// Stats returns the present counts.
func (c *Cache) Stats() Stats {
	n := &c.counts
	var s Stats
	// The later level first: a request that is counted while these are read may then be missing at a later level, but
	// is never there without being at the earlier one.
	s.L3 = LevelStats{Hits: n.l3Hits.Load(), Misses: n.l3Misses.Load(), Errors: n.l3Errors.Load()}
	s.L2 = LevelStats{Hits: n.l2Hits.Load(), Misses: n.l2Misses.Load(), Errors: n.l2Errors.Load()}
	s.L1 = LevelStats{Hits: n.l1Hits.Load(), Misses: n.l1Misses.Load()}
	s.Overall = LevelStats{Hits: s.L1.Hits + s.L2.Hits + s.L3.Hits, Misses: s.L3.Misses, Errors: s.L2.Errors + s.L3.Errors}
	s.Stale, s.Refreshes = n.stale.Load(), n.refreshes.Load()
	s.BytesBefore, s.BytesAfter = n.bytesBefore.Load(), n.bytesAfter.Load()
	return s
}

// BreakerStates returns the state of what stands before each shared level: closed while it is asked, open while it is
// not, half-open while it is tried. l3 is empty where there is no L3.
//
// Before L2 stand two things: contact with it (see package coherence), which is open from the moment it is lost and half-open while
// this instance joins again, and a circuit breaker for the case that L2 keeps contact and fails reads or writes. A dead
// server is noticed by contact first: nothing is asked any more then that the breaker could count.
func (c *Cache) BreakerStates() (l2, l3 string) {
	if c.l3.store != nil {
		l3 = c.l3.breaker.State().String()
	}
	l2 = c.l2.breaker.State().String()
	switch {
	case c.bus.Contact() == nil:
		l2 = gobreaker.StateOpen.String()
	case c.bus.Serving() == nil:
		l2 = gobreaker.StateHalfOpen.String()
	}
	return l2, l3
}

// compressed counts a body that was compressed for L2 or L3.
func (n *counts) compressed(c codec.Compression) {
	if c.Before > 0 {
		n.bytesBefore.Add(uint64(c.Before))
		n.bytesAfter.Add(uint64(c.After))
	}
}

// served counts a request that L1 did not serve and that has been counted there.
func (n *counts) served(by Level) {
	if by == L2 {
		n.l2Hits.Add(1)
		return
	}
	n.l2Misses.Add(1)
	if by == L3 {
		n.l3Hits.Add(1)
		return
	}
	n.l3Misses.Add(1)
}
