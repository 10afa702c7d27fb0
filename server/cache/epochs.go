package cache

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/policycortex/headroom/server/store"
)

// l2Epoch is the epoch of a stripe in L2.
type l2Epoch struct {
	epoch uint64    // 0 for none: nothing is tagged with that
	after store.LSN // what loads must see whose values are tagged with it: the position of the invalidation that began it
}

// formatEpoch makes an epoch: a random number, so that an epoch never comes back, which is not 0, and the position that loads
// must see whose values are tagged with it. An instance may read a new epoch before the message about it has come.
func formatEpoch(after store.LSN) string {
	return strconv.FormatUint(rand.Uint64()|1, 36) + ":" + strconv.FormatUint(uint64(after), 10)
}

// parseEpoch returns the zero value for what is no epoch.
func parseEpoch(s string) l2Epoch {
	random, position, _ := strings.Cut(s, ":")
	epoch, err := strconv.ParseUint(random, 36, 64)
	lsn, malformed := strconv.ParseUint(position, 10, 64)
	if err != nil || malformed != nil {
		return l2Epoch{}
	}
	return l2Epoch{epoch: epoch, after: store.LSN(lsn)}
}

// marks says whether a stored value is tagged with this epoch.
func (e l2Epoch) marks(stored string) bool {
	at, ok := storedEpoch(stored)
	return ok && e.epoch != 0 && at == e.epoch
}

// knownEpochs are the epochs in L2 that were read during a term. Each counts for as long as its stripe has the epoch in this
// instance that it had before that reading: see bus.go.
type knownEpochs [stripeCount / epochBlock]atomic.Pointer[knownBlock]

type knownBlock struct {
	mu sync.Mutex
	of [epochBlock]knownEpoch
}

type knownEpoch struct {
	at uint64 // the stripe's epoch in this instance
	l2Epoch
}

// recall returns the epoch of a stripe in L2, if it is known for the present epoch in this instance.
func (k *knownEpochs) recall(stripe uint16, at uint64) (l2Epoch, bool) {
	block := k[stripe/epochBlock].Load()
	if block == nil {
		return l2Epoch{}, false
	}
	block.mu.Lock()
	defer block.mu.Unlock()
	known := block.of[stripe%epochBlock]
	return known.l2Epoch, known.epoch != 0 && known.at == at
}

// learn remembers the epoch in L2 of a stripe that had the epoch at in this instance before the reading.
func (k *knownEpochs) learn(stripe uint16, at uint64, epoch l2Epoch) {
	if epoch.epoch == 0 {
		return
	}
	place := &k[stripe/epochBlock]
	block := place.Load()
	if block == nil {
		place.CompareAndSwap(nil, new(knownBlock))
		block = place.Load()
	}
	block.mu.Lock()
	defer block.mu.Unlock()
	if known := &block.of[stripe%epochBlock]; at >= known.at {
		*known = knownEpoch{at: at, l2Epoch: epoch}
	}
}
