package cache

import (
	"bufio"
	"context"
	"strconv"
	"strings"
)

// Removals counts entries that left L1, by cause, since Open.
type Removals struct {
	Size, Lifetime, Invalidation uint64
}

// Removals returns why entries left L1. An entry that an invalidation made useless counts when it is replaced.
func (c *Cache) Removals() Removals {
	return Removals{
		Size: c.usage.Evictions.Load(), Lifetime: c.usage.Expirations.Load(),
		Invalidation: c.counts.invalidated.Load(),
	}
}

// SharedRemovals are the counts of a cache server since it was started, for all its clients.
type SharedRemovals struct {
	Size     uint64 // keys for which it had no memory
	Lifetime uint64 // keys whose lifetime was over
}

// SharedRemovals asks the cache server, which takes a round trip. ok is false while there is no contact with it, and if
// it does not tell.
func (c *Cache) SharedRemovals(ctx context.Context) (r SharedRemovals, ok bool) {
	t := c.bus.Serving()
	if t == nil {
		return r, false
	}
	info, err := t.Client.Info(ctx, "stats").Result()
	if err != nil {
		return r, false
	}
	found := 0
	for lines := bufio.NewScanner(strings.NewReader(info)); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), ":")
		n, err := strconv.ParseUint(strings.TrimSpace(value), 10, 64)
		switch {
		case err != nil:
		case name == "evicted_keys":
			r.Size = n
			found++
		case name == "expired_keys":
			r.Lifetime = n
			found++
		}
	}
	return r, found == 2
}
