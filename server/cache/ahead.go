package cache

import (
	"context"
	"errors"
	"time"

	"github.com/policycortex/headroom/server/cache/clock"
)

// ahead is what is special about a flight that no request began: it brings a value before anybody asks for it.
type ahead struct {
	prefetched *prefetchMark // nil when the value is being warmed
	l2TTL      time.Duration // 0 for the usual one
}

var errNotKept = errors.New("L2 is not in reach, so the value would not be kept")

// loadAhead brings a value into L1, from the nearest level that has it, and into L2 if no level has. It counts as no
// request. Without the lease nothing is kept, so nothing is loaded. brought is false when L1 had the value or a request
// was about to bring it.
func (c *Cache) loadAhead(ctx context.Context, key *Key, load LoadFunc, a *ahead) (brought bool, from Level, err error) {
	at, hash := clock.Now(), key.Hash()
	if !c.bus.Trusted(at) {
		return false, Miss, errNotKept
	}
	if found, ok := c.l1.GetEntryQuietly(*key); ok && at < found.Value.fresh && found.Value.valid() {
		if found.Value.missing() {
			return false, L1, ErrNotFound
		}
		return false, L1, nil
	}
	f, begin := c.flights.join(key, &c.bus.Stripes, hash, true)
	if begin {
		f.ahead = a
		c.begin(ctx, f, load)
	}
	select {
	case <-f.done:
		return begin, f.level, f.err
	case <-ctx.Done():
		return false, Miss, ctx.Err()
	}
}
