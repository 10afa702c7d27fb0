package cache

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/policycortex/headroom/server/cache/glob"
	"github.com/policycortex/headroom/server/store"
)

// InvalidatePattern makes everything unreachable that was loaded for keys whose names match a Redis pattern, on all
// levels and in all instances. Names are <tenant>:<kind>:<id or query>: see [Key.Name]. Package glob describes
// patterns. removed counts the entries in this instance's L1, in L2 and in L3. After an error, call it again. It
// returns an error that wraps [glob.ErrPattern] for a malformed pattern. It visits every key of L1 and L2, so it is for
// operators; handlers of changes call [Cache.Invalidate].
//
// A pattern has no stripes, so these steps replace the epochs:
//
//  1. Rows are deleted from L3. From here on all loads must see the LSN after that.
//  2. L2 gets a new generation, a random number under one key. A script writes every value and compares the generation
//     with the one that the writer knew before it loaded the value, so earlier loads can no longer be written. The
//     generation contains the LSN, so that whoever knows one knows the other.
//  3. L2 is scanned, and matching keys are removed. SCAN returns the keys that exist from its beginning to its end;
//
// what was
//
//	   written since step 2 is new enough.
//	4. Every instance drops matching entries from L1, raises the stripes of matching flights, which may have read L2
//
// before
//
//	step 3, and acknowledges. This is a message on the bus, with the guarantees of package coherence.
//
// A read after step 4 finds nothing old in L1, L2 or L3.
func (c *Cache) InvalidatePattern(ctx context.Context, after store.LSN, pattern string) (removed int, err error) {
	g, err := glob.Compile(pattern)
	if err != nil {
		return 0, err
	}
	fromL3, position, l3err := c.l3.remove(ctx, g)
	after = max(after, position)
	c.bus.RaiseFloor(after)
	removed = fromL3 + c.drop(g)

	t := c.bus.Contact()
	if t == nil {
		return removed, errors.Join(fmt.Errorf("%w: no contact with L2", ErrUnacknowledged), l3err)
	}
	if err := t.NewGeneration(ctx, after); err != nil {
		return removed, errors.Join(fmt.Errorf("begin a generation in L2: %w", err), l3err)
	}
	fromL2, err := removeFromL2(ctx, t.Client, g)
	removed += fromL2
	if err != nil {
		return removed, errors.Join(fmt.Errorf("remove from L2: %w", err), l3err)
	}
	return removed, errors.Join(c.bus.PublishDrop(ctx, t, after, pattern), l3err)
}

// dropPattern is drop for a pattern from another instance. A malformed pattern matches nothing.
func (c *Cache) dropPattern(pattern string) {
	if g, err := glob.Compile(pattern); err == nil {
		c.drop(g)
	}
}

// drop removes what matches from L1 and invalidates matching flights. Flights come first: a flight that has ended by
// then has stored its entry in L1.
func (c *Cache) drop(g *glob.Pattern) (removed int) {
	name := make([]byte, 0, 512)
	c.flights.each(func(f *flight) {
		name = f.key.AppendName(name[:0])
		if g.Match(name) {
			f.stripe.Raise()
		}
	})
	for key := range c.l1.Keys() {
		name = key.AppendName(name[:0])
		if g.Match(name) {
			if _, was := c.l1.Invalidate(key); was {
				removed++
			}
		}
	}
	return removed
}

// scanCount is how many keys Redis visits per answer. (Dragonfly takes it as the number of matches to return.)
const scanCount = 1000

// removeFromL2 scans L2 and unlinks what matches.
func removeFromL2(ctx context.Context, client *redis.Client, g *glob.Pattern) (removed int, err error) {
	for cursor := uint64(0); ; {
		step, cancel := context.WithTimeout(ctx, time.Second)
		names, next, err := client.Scan(step, cursor, valuePrefix+g.String(), scanCount).Result()
		if err == nil && len(names) > 0 {
			var n int64
			n, err = client.Unlink(step, names...).Result()
			removed += int(n)
		}
		cancel()
		if err != nil {
			return removed, err
		}
		if next == 0 {
			return removed, nil
		}
		cursor = next
	}
}
