package cache

import (
	"sync"
	"sync/atomic"
	"time"
)

// adaptInterval is the window in which L1 is judged.
const adaptInterval = time.Minute

// adaptive is what the cache changes of itself: the size of L1 (see [sizer]) and the lifetime in it (see nextTTL).
type adaptive struct {
	ttl     atomic.Int64               // nanoseconds
	overall atomic.Pointer[LevelStats] // totals at the beginning of the window before this one

	mu        sync.Mutex // of what follows: once in adaptInterval, and for a report
	sizer     sizer
	decision  string
	intervals *distribution // up to the last decision on the lifetime
	window    l1Window      // totals at the last decision on the size
	at        time.Time
	totals    *LevelStats // overall, at the last decision
}

func (a *adaptive) start(size, smallest, largest int64) {
	a.ttl.Store(int64(firstL1TTL))
	a.sizer = newSizer(uint64(size), uint64(smallest), uint64(largest))
	a.at = time.Now()
}

// l1TTL is the present lifetime in L1.
func (a *adaptive) l1TTL() time.Duration { return time.Duration(a.ttl.Load()) }

// keepAdapting decides once in adaptInterval, until the cache is closed.
func (c *Cache) keepAdapting() {
	ticker := time.NewTicker(adaptInterval)
	defer ticker.Stop()
	for {
		select {
		case <-c.closing.Done():
			return
		case at := <-ticker.C:
			c.adapt(at)
		}
	}
}

// adapt is one decision on everything.
func (c *Cache) adapt(at time.Time) {
	a := &c.adaptive
	a.mu.Lock()
	defer a.mu.Unlock()
	stats := c.Stats()
	c.insight.hours.note(stats.L1.Hits+stats.L1.Misses, at)
	for i := range c.insight.kinds {
		c.insight.kinds[i].forget(at.Sub(a.at))
	}
	a.at = at
	a.overall.Store(a.totals)
	a.totals = &stats.Overall

	total := l1Window{hits: stats.L1.Hits, misses: stats.L1.Misses, evictions: c.insight.evictions.Load()}
	before := a.sizer.size
	a.sizer, a.decision = a.sizer.decide(l1Window{
		hits: total.hits - a.window.hits, misses: total.misses - a.window.misses, evictions: total.evictions - a.window.evictions,
	})
	a.window = total
	if a.sizer.size != before {
		c.l1.SetMaximum(a.sizer.size)
	}

	seen := c.insight.intervals.seen.read()
	if fresh := seen.since(a.intervals); fresh.count >= minIntervals {
		a.ttl.Store(int64(nextTTL(a.l1TTL(), fresh)))
		a.intervals = seen
	}
}
