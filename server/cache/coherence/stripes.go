package coherence

import (
	"sync/atomic"

	"github.com/policycortex/headroom/server/cache/key"
	"github.com/policycortex/headroom/server/store"
)

// stripeCount is fixed, because a request may name any tenant. Scopes that share a stripe invalidate each other's
// values, which costs a load but is never wrong.
const stripeCount = 1 << 16

// Stripe is what this instance knows about the invalidations of some scopes.
type Stripe struct {
	// epoch is raised by every invalidation. A value is served only while its stripe still has the epoch that was read
	// before the value was loaded.
	epoch atomic.Uint64
	// lsn is the highest LSN of an invalidation. It is raised before the epoch, so that whoever reads the epoch first
	// cannot read an older LSN than the epoch's.
	lsn atomic.Uint64
}

// Epoch returns the stripe's epoch in this instance: see the documentation of the package.
func (s *Stripe) Epoch() uint64 { return s.epoch.Load() }

// Raise makes what was loaded for the stripe unreachable in this instance.
func (s *Stripe) Raise() { s.epoch.Add(1) }

func (s *Stripe) invalidate(after store.LSN) {
	raise(&s.lsn, uint64(after))
	s.epoch.Add(1)
}

func raise(to *atomic.Uint64, value uint64) {
	for old := to.Load(); old < value; old = to.Load() {
		if to.CompareAndSwap(old, value) {
			return
		}
	}
}

// Stripes are all stripes of an instance.
type Stripes [stripeCount]Stripe

// Of returns the stripe that a key belongs to, and its index.
func (s *Stripes) Of(k *key.Key) (index uint16, stripe *Stripe) {
	scope := k.Scope()
	index = s.index(&scope)
	return index, &s[index]
}

func (s *Stripes) index(scope *key.Scope) uint16 { return uint16(scope.Hash()) }

// invalidateAll makes everything in L1 unreachable.
func (s *Stripes) invalidateAll() {
	for i := range s {
		s[i].epoch.Add(1)
	}
}
