package cache

import "sync/atomic"

// counter has a cache line, and its neighbour, which processors fetch along, to itself.
type counter struct {
	atomic.Uint64
	_ [120]byte
}

type counts struct {
	l1Hits, l1Misses           counter
	l2Hits, l2Misses, l2Errors counter
}

// LevelStats counts what a level did, since Open.
type LevelStats struct {
	// Hits and Misses count requests: those that the level served, and those that reached it and went on.
	Hits, Misses uint64
	// Errors counts operations, reads and writes, that failed or were dropped. A failed read is a miss as well.
	Errors uint64
}

// Stats counts requests by the level that served them. A request that waited for another's load counts as if it had
// loaded itself; one that left before the value came is a miss. A remembered "not found" is a hit. So, when no request is under way,
//
//	L2.Hits + L2.Misses == L1.Misses
//
// and Overall says what share of the requests any level served. (Adding the hits and misses of the levels instead
// would count one request several times.)
type Stats struct{ L1, L2, Overall LevelStats }

// Stats returns the present counts.
func (c *Cache) Stats() Stats {
	var s Stats
	// The later level first: a request that is counted while these are read may then be missing at L2, but is never
	// there without being at L1.
	s.L2 = LevelStats{Hits: c.counts.l2Hits.Load(), Misses: c.counts.l2Misses.Load(), Errors: c.counts.l2Errors.Load()}
	s.L1 = LevelStats{Hits: c.counts.l1Hits.Load(), Misses: c.counts.l1Misses.Load()}
	s.Overall = LevelStats{Hits: s.L1.Hits + s.L2.Hits, Misses: s.L2.Misses, Errors: s.L2.Errors}
	return s
}
