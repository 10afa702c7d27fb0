package cache

import (
	"time"

	"github.com/maypok86/otter/v2"
	"github.com/sony/gobreaker/v2"

	"github.com/policycortex/headroom/server/cache/clock"
	"github.com/policycortex/headroom/server/cache/codec"
	"github.com/policycortex/headroom/server/cache/usage"
)

// spread is a counter for the hottest path. Each addition goes to one of several counters at random, so that processors
// do not contend for one cache line.
type spread [8]usage.Counter

func (s *spread) add(draw uint32) { s[draw>>29].Add(1) }

func (s *spread) Load() uint64 {
	sum := uint64(0)
	for i := range s {
		sum += s[i].Load()
	}
	return sum
}

// latencySampled is a power of two: the latency of one in so many hits in L1 is recorded.
const latencySampled = 64

// latencyFrom returns the time if a request with this draw is sampled for latency, and otherwise 0.
func latencyFrom(draw uint32) time.Duration {
	if draw%latencySampled != 0 {
		return 0
	}
	return clock.Now()
}

// removed counts why an entry left L1.
func (c *Cache) removed(event otter.DeletionEvent[Key, *Entry]) {
	switch event.Cause {
	case otter.CauseOverflow:
		c.usage.Evictions.Add(1)
	case otter.CauseExpiration:
		c.usage.Expirations.Add(1)
	case otter.CauseInvalidation:
		c.counts.invalidated.Add(1)
	case otter.CauseReplacement:
		if !event.Value.valid() {
			c.counts.invalidated.Add(1)
		}
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
	bytesBefore, bytesAfter    usage.Counter // of bodies for L2 and L3
	gzipBefore, gzipAfter      usage.Counter // of bodies for responses
	invalidated                usage.Counter // entries of L1
}

// LevelStats counts the operations of a level since Open.
type LevelStats struct {
	// Hits counts the requests that the level served, Misses those that reached it but were not served by it.
	Hits, Misses uint64
	// Errors counts reads and writes that failed or were dropped. A failed read also counts as a miss.
	Errors uint64
}

// Stats counts requests by the level that served them. A request that waited for another's load counts as if it had
// loaded the value itself. A request that left before the value came is a miss. A remembered "not found" is a hit. So,
// when no request is in progress,
//
//	L2.Hits + L2.Misses == L1.Misses and L3.Hits + L3.Misses == L2.Misses
//
// (single resources are never in L3 and count as misses there), and Overall counts each request once. (The sum of the
// levels' misses would count one request several times.)
type Stats struct {
	L1, L2, L3, Overall LevelStats
	// Stale counts hits in L1 on expired entries, Refreshes the loads that they began.
	Stale, Refreshes uint64
	// BytesBefore and BytesAfter are the total sizes of the bodies that were compressed for L2 and L3.
	BytesBefore, BytesAfter uint64
	// GzipBefore and GzipAfter are those of the bodies that were compressed for responses, once for all clients.
	GzipBefore, GzipAfter uint64
}

// Stats returns the current counts.
func (c *Cache) Stats() Stats {
	n := &c.counts
	var s Stats
	// Later levels are read first. A request that is counted meanwhile may then be missing at a later level, but is
	// never counted there without being counted at the earlier one.
	s.L3 = LevelStats{Hits: n.l3Hits.Load(), Misses: n.l3Misses.Load(), Errors: n.l3Errors.Load()}
	s.L2 = LevelStats{Hits: n.l2Hits.Load(), Misses: n.l2Misses.Load(), Errors: n.l2Errors.Load()}
	s.L1 = LevelStats{Hits: n.l1Hits.Load(), Misses: n.l1Misses.Load()}
	s.Overall = LevelStats{
		Hits: s.L1.Hits + s.L2.Hits + s.L3.Hits, Misses: s.L3.Misses,
		Errors: s.L2.Errors + s.L3.Errors,
	}
	s.Stale, s.Refreshes = n.stale.Load(), n.refreshes.Load()
	s.BytesBefore, s.BytesAfter = n.bytesBefore.Load(), n.bytesAfter.Load()
	s.GzipBefore, s.GzipAfter = n.gzipBefore.Load(), n.gzipAfter.Load()
	return s
}

// BreakerStates returns whether each shared level is used: closed while it is, open while it is not, half-open while it
// is being tried. l3 is empty without L3.
//
// The state of L2 combines two things. Without contact (see package coherence) it is open, and while this instance
// rejoins it is half-open. With contact it is the state of a circuit breaker, for an L2 that fails reads or writes. A
// dead server is noticed by the loss of contact first, since nothing is asked of it that the breaker could count.
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

// served counts a request that L1 did not serve, and that was counted there already.
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
