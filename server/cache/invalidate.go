package cache

import (
	"context"

	"github.com/policycortex/headroom/server/cache/coherence"
	"github.com/policycortex/headroom/server/store"
)

// ErrUnacknowledged is returned by [Cache.Invalidate] and [Cache.InvalidatePattern] when it could not be made sure of
// that every instance has taken notice. It is made up for when contact with L2 is back.
var ErrUnacknowledged = coherence.ErrUnacknowledged

// Invalidate makes what was loaded for keys of the scopes unreachable, as [coherence.Bus.Invalidate] says.
func (c *Cache) Invalidate(ctx context.Context, after store.LSN, scopes ...Scope) error {
	c.noteWrites(scopes)
	return c.bus.Invalidate(ctx, after, scopes...)
}

// InvalidateInDoubt is [Cache.Invalidate] for a change that failed, and may have been made: see
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

// RequiredLSN is what a read that is not cached must see of the scopes: see [coherence.Bus.RequiredLSN].
func (c *Cache) RequiredLSN(scopes ...Scope) store.LSN { return c.bus.RequiredLSN(scopes...) }
