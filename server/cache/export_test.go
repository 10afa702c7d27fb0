package cache

import "time"

// What the external tests may see.

func Jitter(d time.Duration) time.Duration { return jitter(d) }

func (k Key) L2Name() string { return k.l2Name() }

// L1Weight is what L1 holds, in bytes, once it has evicted what is too much.
func (c *Cache) L1Weight() uint64 {
	c.l1.CleanUp()
	return c.l1.WeightedSize()
}

// ForgetL1 removes an entry from L1.
func (c *Cache) ForgetL1(key Key) { c.l1.Invalidate(key) }
