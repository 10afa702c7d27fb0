package cache

import (
	"time"

	"github.com/policycortex/headroom/server/cache/clock"
	"github.com/policycortex/headroom/server/cache/coherence"
)

// What the external tests may see.

const (
	LeaseTime   = coherence.LeaseTime
	LeaseMargin = coherence.LeaseMargin
	StaleWindow = staleWindow
)

func Jitter(d time.Duration) time.Duration { return jitter(d) }

func L2Name(key Key) string { return valueName(&key) }

// EpochName is the name of the epoch of a key's scope.
func (c *Cache) EpochName(key Key) string {
	stripe, _ := c.bus.Stripes.Of(&key)
	return c.bus.Contact().EpochName(stripe)
}

// L1Weight is what L1 holds, in bytes, once it has evicted what is too much.
func (c *Cache) L1Weight() uint64 {
	c.l1.CleanUp()
	return c.l1.WeightedSize()
}

// ForgetL1 removes an entry from L1.
func (c *Cache) ForgetL1(key Key) { c.l1.Invalidate(key) }

// Age makes the entry under key past its lifetime, but not past the time in which it may be served.
func (c *Cache) Age(key Key) {
	if e, ok := c.l1.GetIfPresent(key); ok {
		e.fresh = clock.Now() - time.Millisecond
	}
}

// L1Entry is what L1 has under key, whether it may be served or not.
func (c *Cache) L1Entry(key Key) *Entry {
	e, _ := c.l1.GetIfPresent(key)
	return e
}

// Trusted says whether the instance has its lease.
func (c *Cache) Trusted() bool { return c.bus.Trusted(clock.Now()) }

// RunID says which server process the instance has contact with; "" without contact.
func (c *Cache) RunID() string {
	if t := c.bus.Contact(); t != nil {
		return t.Server()
	}
	return ""
}

// L1Lifetime is how long L1 will keep the entry under key.
func (c *Cache) L1Lifetime(key Key) time.Duration {
	e, _ := c.l1.GetEntryQuietly(key)
	return e.ExpiresAfter()
}
