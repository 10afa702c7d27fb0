package cache

import (
	"sync/atomic"
	"time"
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
	if size, changed := c.usage.Adapt(at, stats.L1.Hits, stats.L1.Misses); changed {
		c.l1.SetMaximum(size)
	}
}

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
