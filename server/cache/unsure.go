package cache

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/policycortex/headroom/server/store"
)

const (
	// settleInterval is how often the primary is asked whether changes that failed may be made yet, settleTimeout how long
	// it has for its answer.
	settleInterval = 100 * time.Millisecond
	settleTimeout  = time.Second
)

// unsure are the stripes of changes that failed, and may be made yet.
type unsure struct {
	mu      sync.Mutex
	stripes map[uint16]struct{}
	added   chan struct{}
}

func (u *unsure) add(stripes []uint16) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.stripes == nil {
		u.stripes = map[uint16]struct{}{}
	}
	for _, s := range stripes {
		u.stripes[s] = struct{}{}
	}
	select {
	case u.added <- struct{}{}:
	default:
	}
}

func (u *unsure) take() []uint16 {
	u.mu.Lock()
	defer u.mu.Unlock()
	taken := slices.Collect(maps.Keys(u.stripes))
	u.stripes = nil
	return taken
}

// InvalidateUnsure is [Cache.Invalidate] for a change that failed: it may have been made without our having heard of it.
// Unless the primary says at once that it cannot be made any more, the scopes are invalidated again when the primary
// says so, and the error tells why: a primary that was frozen makes what it was sent before when it goes on.
func (c *Cache) InvalidateUnsure(ctx context.Context, scopes ...Scope) error {
	if len(scopes) == 0 {
		return nil
	}
	after, unsettled := c.settled(ctx)
	err := c.Invalidate(ctx, after, scopes...)
	if unsettled != nil {
		c.unsure.add(c.stripesOf(scopes))
		return fmt.Errorf("the change may be made yet: %w", unsettled)
	}
	return err
}

// settled returns the position of [store.Store.Settled].
func (c *Cache) settled(ctx context.Context) (store.LSN, error) {
	if c.bus.store == nil {
		return 0, nil
	}
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	return c.bus.store.Settled(ctx)
}

// keepSettling invalidates again what changes that failed may have made old, until the cache is closed.
func (c *Cache) keepSettling() {
	for {
		select {
		case <-c.closing.Done():
			return
		case <-c.unsure.added:
		}
		stripes := c.unsure.take() // before the primary is asked: of what is added later it may say less
		after, err := c.settled(c.closing)
		for err != nil {
			select {
			case <-c.closing.Done():
				return
			case <-time.After(settleInterval):
			}
			after, err = c.settled(c.closing)
		}
		for part := range slices.Chunk(stripes, 4096) {
			if err := c.invalidate(c.closing, after, part); err != nil {
				c.bus.logger.Warn("another instance may serve what was cached before a change that failed", "error", err)
			}
		}
	}
}
