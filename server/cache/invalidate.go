package cache

import (
	"context"

	"github.com/policycortex/headroom/server/cache/coherence"
	"github.com/policycortex/headroom/server/store"
)

// ErrUnacknowledged is returned by [Cache.Invalidate] and [Cache.InvalidatePattern] when not every instance is known to
// have applied the invalidation. Invalidate is repeated by itself when contact with L2 returns; InvalidatePattern has
// to be called again.
var ErrUnacknowledged = coherence.ErrUnacknowledged

// Invalidate makes everything that was loaded for keys of the scopes unreachable: see [coherence.Bus.Invalidate].
func (c *Cache) Invalidate(ctx context.Context, after store.LSN, scopes ...Scope) error {
	c.noteWrites(scopes)
	return c.bus.Invalidate(ctx, after, scopes...)
}

// InvalidateInDoubt is [Cache.Invalidate] for a failed change that may have been made: see
// [coherence.Bus.InvalidateInDoubt].
func (c *Cache) InvalidateInDoubt(ctx context.Context, scopes ...Scope) error {
	c.noteWrites(scopes)
	return c.bus.InvalidateInDoubt(ctx, scopes...)
}

func (c *Cache) noteWrites(scopes []Scope) {
	for i := range scopes {
		c.usage.Wrote(&scopes[i])
	}
}

// RequiredLSN returns the LSN that an uncached read of the scopes must see: see [coherence.Bus.RequiredLSN].
func (c *Cache) RequiredLSN(scopes ...Scope) store.LSN { return c.bus.RequiredLSN(scopes...) }
