package coherence

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/policycortex/headroom/server/cache/key"
	"github.com/policycortex/headroom/server/store"
)

const (
	// settleInterval is how often the primary is asked whether changes that failed may be made yet, settleTimeout how long
	// it has for its answer.
	settleInterval = 100 * time.Millisecond
	settleTimeout  = time.Second
)

// inDoubt are the stripes of changes that failed, and may be made yet.
type inDoubt struct {
	mu      sync.Mutex
	stripes map[uint16]struct{}
	added   chan struct{}
}

func (u *inDoubt) add(stripes []uint16) {
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

func (u *inDoubt) take() []uint16 {
	u.mu.Lock()
	defer u.mu.Unlock()
	taken := slices.Collect(maps.Keys(u.stripes))
	u.stripes = nil
	return taken
}

// InvalidateInDoubt is [Bus.Invalidate] for a change that failed: it may have been made without our having heard of it.
// Unless the primary says at once that it cannot be made any more, the scopes are invalidated again when the primary
// says so, and the error tells why: a primary that was frozen makes what it was sent before when it goes on.
func (b *Bus) InvalidateInDoubt(ctx context.Context, scopes ...key.Scope) error {
	if len(scopes) == 0 {
		return nil
	}
	after, unsettled := b.settled(ctx)
	err := b.Invalidate(ctx, after, scopes...)
	if unsettled != nil {
		b.inDoubt.add(b.stripesOf(scopes))
		return fmt.Errorf("the change may be made yet: %w", unsettled)
	}
	return err
}

// settled returns the position of [store.Store.Settled].
func (b *Bus) settled(ctx context.Context) (store.LSN, error) {
	if b.options.Store == nil {
		return 0, nil
	}
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	return b.options.Store.Settled(ctx)
}

// KeepSettling invalidates again what changes that failed may have made old, until ctx ends.
func (b *Bus) KeepSettling(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.inDoubt.added:
		}
		stripes := b.inDoubt.take() // before the primary is asked: of what is added later it may say less
		after, err := b.settled(ctx)
		for err != nil {
			select {
			case <-ctx.Done():
				return
			case <-time.After(settleInterval):
			}
			after, err = b.settled(ctx)
		}
		for part := range slices.Chunk(stripes, 4096) {
			if err := b.invalidate(ctx, after, part); err != nil {
				b.logger.Warn("another instance may serve what was cached before a change that failed", "error", err)
			}
		}
	}
}
