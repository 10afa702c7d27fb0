package cache

import (
	"context"
	"errors"
	"time"

	"github.com/policycortex/headroom/server/cache/clock"
)

// ahead describes a flight that no request began: it loads a value before anybody requests it.
type ahead struct {
	prefetched *prefetchMark // nil for warming
	l2TTL      time.Duration // 0 for the default
}

// ErrNotKept is returned by [Cache.LoadAhead] while L2 cannot be reached.
var ErrNotKept = errors.New("L2 cannot be reached, so the value would not be stored")

// loadAhead brings a value into L1 from the nearest level that has it, and into L2 if no level has it. It does not
// count as a request. Without the lease nothing could be stored, so nothing is loaded. brought is false when L1 had the
// value or a request was already loading it.
func (c *Cache) loadAhead(ctx context.Context, key *Key, load LoadFunc, a *ahead) (brought bool, from Level,
	err error,
) {
	at, hash := clock.Now(), key.Hash()
	if !c.bus.Trusted(at) {
		return false, Miss, ErrNotKept
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
