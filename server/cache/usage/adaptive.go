package usage

import (
	"sync"
	"sync/atomic"
	"time"
)

// adaptive is what a cache adapts: the size of L1 (see [sizer]) and the lifetime in it (see nextTTL).
type adaptive struct {
	ttl atomic.Int64 // nanoseconds

	mu        sync.Mutex // guards the fields below; taken once per window and per report
	sizer     sizer
	decision  string
	intervals *Distribution // up to the last decision on the lifetime
	window    l1Window      // totals at the last decision on the size
	at        time.Time
}

func (a *adaptive) start(size, smallest, largest int64, ttl time.Duration) {
	a.ttl.Store(int64(ttl))
	a.sizer = newSizer(uint64(size), uint64(smallest), uint64(largest))
	a.at = time.Now()
}

// Limit sets the largest size of L1, in bytes, which becomes its size. It returns the largest size before.
func (t *Tracker) Limit(largest uint64) (before uint64) {
	a := &t.adaptive
	a.mu.Lock()
	defer a.mu.Unlock()
	before = a.sizer.largest
	a.sizer = newSizer(largest, min(a.sizer.smallest, largest), largest)
	return before
}

// SetTTL sets the lifetime in L1, from which it adapts.
func (t *Tracker) SetTTL(ttl time.Duration) { t.adaptive.ttl.Store(int64(ttl)) }

// TTL returns the current lifetime in L1.
func (t *Tracker) TTL() time.Duration { return time.Duration(t.adaptive.ttl.Load()) }

// Adapt decides on size and lifetime after a window of about a minute. hits and misses are L1's totals since it was
// opened. It returns the size that L1 should have, in bytes; changed is false when that is the current one.
func (t *Tracker) Adapt(at time.Time, hits, misses uint64) (size uint64, changed bool) {
	a := &t.adaptive
	a.mu.Lock()
	defer a.mu.Unlock()
	t.hours.note(hits+misses, at)
	for i := range t.kinds {
		t.kinds[i].forget(at.Sub(a.at))
	}
	a.at = at

	total := l1Window{hits: hits, misses: misses, evictions: t.Evictions.Load()}
	before := a.sizer.size
	a.sizer, a.decision = a.sizer.decide(l1Window{
		hits: total.hits - a.window.hits, misses: total.misses - a.window.misses,
		evictions: total.evictions - a.window.evictions,
	})
	a.window = total

	seen := t.intervals.seen.Read()
	if fresh := seen.since(a.intervals); fresh.Count >= minIntervals {
		a.ttl.Store(int64(nextTTL(t.TTL(), fresh)))
		a.intervals = seen
	}
	return a.sizer.size, a.sizer.size != before
}

// Bounds returns the bounds of L1's size, in bytes, and the last decision on it in a few words; empty before the first.
func (t *Tracker) Bounds() (smallest, largest uint64, decision string) {
	a := &t.adaptive
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.sizer.smallest, a.sizer.largest, a.decision
}
