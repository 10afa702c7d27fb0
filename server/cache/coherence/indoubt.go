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
	// settleInterval is how often the primary is asked whether failed changes can still be made. settleTimeout bounds
	// each answer.
	settleInterval = 100 * time.Millisecond
	settleTimeout  = time.Second
)

// inDoubt are the stripes of failed changes that the primary may still make.
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

// InvalidateInDoubt is [Bus.Invalidate] for a change that failed but may have been made: a primary that was frozen
// makes the changes it had received when it resumes. If the primary cannot rule that out at once, InvalidateInDoubt
// returns an error with the reason, and the scopes are invalidated again when the primary can.
func (b *Bus) InvalidateInDoubt(ctx context.Context, scopes ...key.Scope) error {
	if len(scopes) == 0 {
		return nil
	}
	after, unsettled := b.settled(ctx)
	err := b.Invalidate(ctx, after, scopes...)
	if unsettled != nil {
		b.inDoubt.add(b.stripesOf(scopes))
		return fmt.Errorf("the primary may still make the change: %w", unsettled)
	}
	return err
}

// settled returns the LSN of [store.Store.Settled].
func (b *Bus) settled(ctx context.Context) (store.LSN, error) {
	if b.options.Store == nil {
		return 0, nil
	}
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	return b.options.Store.Settled(ctx)
}

// KeepSettling repeats the invalidations of failed changes once the primary has settled them, until ctx ends.
func (b *Bus) KeepSettling(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.inDoubt.added:
		}
		stripes := b.inDoubt.take() // before asking the primary: its answer does not cover what is added later
		after, err := b.settled(ctx)
		for err != nil {
			select {
			case <-ctx.Done():
				return
			case <-time.After(settleInterval):
			}
			after, err = b.settled(ctx)
		}
		for chunk := range slices.Chunk(stripes, maxStripes) {
			if err := b.invalidate(ctx, after, chunk); err != nil {
				b.logger.Warn("another instance may serve values from before a failed change", "error", err)
			}
		}
	}
}
