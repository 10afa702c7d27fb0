package cache

import "time"

// What the external tests may see.

func Jitter(d time.Duration) time.Duration { return jitter(d) }

func (c *Cache) L2Name(key Key) string { return c.l2Name(&key, c.stripes.of(key.scope()).epoch.Load()) }

// L1Weight is what L1 holds, in bytes, once it has evicted what is too much.
func (c *Cache) L1Weight() uint64 {
	c.l1.CleanUp()
	return c.l1.WeightedSize()
}

// ForgetL1 removes an entry from L1.
func (c *Cache) ForgetL1(key Key) { c.l1.Invalidate(key) }
