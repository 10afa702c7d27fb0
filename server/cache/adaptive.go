package cache

import (
	"sync/atomic"
	"time"

	"github.com/policycortex/headroom/server/cache/usage"
)

// adaptInterval is the time between decisions about L1.
const adaptInterval = time.Minute

// keepAdapting decides once per adaptInterval, until the cache is closed.
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

// adapt decides on the size of L1 and the lifetime in it, and begins a new window.
func (c *Cache) adapt(at time.Time) {
	stats := c.Stats()
	c.windows.turn(stats.Overall)
	sizeBefore, ttlBefore := c.l1.GetMaximum(), c.usage.TTL()
	size, changed := c.usage.Adapt(at, stats.L1.Hits, stats.L1.Misses)
	if changed {
		c.l1.SetMaximum(size)
	}
	tell := c.adapted.Load()
	if ttl := c.usage.TTL(); tell != nil && (changed || ttl != ttlBefore) {
		(*tell)(Adaptation{
			At: at, SizeBefore: sizeBefore, Size: c.l1.GetMaximum(), TTLBefore: ttlBefore, TTL: ttl,
		})
	}
}

// OnAdapted has told called with what the cache changes in L1 by itself, about once a minute.
func (c *Cache) OnAdapted(told func(Adaptation)) { c.adapted.Store(&told) }

// Adaptation is what the cache has changed in L1 by itself: its size in bytes, and the lifetime in it.
type Adaptation struct {
	At               time.Time
	SizeBefore, Size uint64
	TTLBefore, TTL   time.Duration
}

// LimitL1 sets the largest size that L1 may have, in bytes. L1 gets that size now, and adapts from there: it becomes
// smaller again when less is enough. It returns the size that was allowed before.
func (c *Cache) LimitL1(largest int64) (before int64) {
	was := c.usage.Limit(uint64(largest))
	c.l1.SetMaximum(uint64(largest))
	return int64(was)
}

// SetL1TTL sets the lifetime in L1 of what is stored from now on. It adapts from there.
func (c *Cache) SetL1TTL(ttl time.Duration) { c.usage.SetTTL(ttl) }

// LongestL1TTL is the longest lifetime in L1.
const LongestL1TTL = usage.LongestTTL

// windows holds the overall counts at the beginnings of the last two windows.
type windows struct {
	last   *LevelStats                // only keepAdapting uses it
	before atomic.Pointer[LevelStats] // nil before there have been two
}

func (w *windows) turn(overall LevelStats) {
	w.before.Store(w.last)
	w.last = &overall
}

// hitRate returns the overall hit rate of the last complete window and the time since, 0 to 1.
func (c *Cache) hitRate() float64 {
	s := c.Stats().Overall
	if before := c.windows.before.Load(); before != nil {
		s.Hits -= before.Hits
		s.Misses -= before.Misses
	}
	if s.Hits+s.Misses == 0 {
		return 0
	}
	return float64(s.Hits) / float64(s.Hits+s.Misses)
}
