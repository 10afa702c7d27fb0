package coherence

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/policycortex/headroom/server/store"
)

// Epoch is that of a stripe in L2.
type Epoch struct {
	random uint64    // 0 for none: nothing is tagged with that
	After  store.LSN // what loads must see whose values are tagged with it: the position of the invalidation that began it
}

// formatEpoch makes an epoch: a random number, so that an epoch never comes back, which is not 0, and the position that loads
// must see whose values are tagged with it. An instance may read a new epoch before the message about it has come.
func formatEpoch(after store.LSN) string {
	return strconv.FormatUint(rand.Uint64()|1, 36) + ":" + strconv.FormatUint(uint64(after), 10)
}

// ParseEpoch returns the zero value for what is no epoch.
func ParseEpoch(s string) Epoch {
	number, position, _ := strings.Cut(s, ":")
	random, err := strconv.ParseUint(number, 36, 64)
	lsn, malformed := strconv.ParseUint(position, 10, 64)
	if err != nil || malformed != nil {
		return Epoch{}
	}
	return Epoch{random: random, After: store.LSN(lsn)}
}

// Tag is what values are tagged with: a random number; 0 for none.
func (e Epoch) Tag() uint64 { return e.random }

// knownEpochs are the epochs in L2 that were read during a session. Each counts for as long as its stripe has the epoch in this
// instance that it had before that reading: see the documentation of the package.
type knownEpochs [stripeCount / epochBlock]atomic.Pointer[knownBlock]

type knownBlock struct {
	mu sync.Mutex
	of [epochBlock]knownEpoch
}

type knownEpoch struct {
	at uint64 // the stripe's epoch in this instance
	Epoch
}

// recall returns the epoch of a stripe in L2, if it is known for the present epoch in this instance.
func (k *knownEpochs) recall(stripe uint16, at uint64) (Epoch, bool) {
	block := k[stripe/epochBlock].Load()
	if block == nil {
		return Epoch{}, false
	}
	block.mu.Lock()
	defer block.mu.Unlock()
	known := block.of[stripe%epochBlock]
	return known.Epoch, known.random != 0 && known.at == at
}

// learn remembers the epoch in L2 of a stripe that had the epoch at in this instance before the reading.
func (k *knownEpochs) learn(stripe uint16, at uint64, epoch Epoch) {
	if epoch.random == 0 {
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
		*known = knownEpoch{at: at, Epoch: epoch}
	}
}

// epochLife is how long L2 keeps the epoch of a stripe that nobody invalidates. Losing it costs loads, nothing else.
const epochLife = 24 * time.Hour

// epochBlock is how many stripes get their epochs together: one at a time, a cold cache would pay for one with nearly every
// request. stripeCount is a multiple of it.
const epochBlock = 256

// BeginEpoch begins an epoch for a stripe that has none: it was never used, was evicted, or could not be written when it
// was last invalidated. Its neighbours that have none get one too. Of two that begin one, one wins and both get that.
func (b *Bus) BeginEpoch(t *Session, stripe uint16) (string, error) {
	first := stripe - stripe%epochBlock
	begin := &b.beginning[first/epochBlock]
	begin.Lock()
	defer begin.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), 2*Timeout)
	defer cancel()
	name := t.EpochName(stripe)
	if epoch, err := t.Client.Get(ctx, name).Result(); !errors.Is(err, redis.Nil) {
		return epoch, err // another request, which came first, has seen to it
	}
	position, err := b.primaryLSN(ctx)
	if err != nil {
		return "", nil // a miss, and the value will not be stored; the load will say what is wrong with the primary
	}
	p := t.Client.Pipeline()
	var begun [epochBlock]newEpoch
	for i := range begun {
		begun[i].begin(ctx, p, t.EpochName(first+uint16(i)), position, &b.Stripes[first+uint16(i)])
	}
	get := p.Get(ctx, name)
	p.Exec(ctx) // the commands have their errors
	for i := range begun {
		if err := begun[i].set.Err(); err != nil && !IsReply(err) {
			return "", err
		}
		if begun[i].set.Val() {
			t.known.learn(first+uint16(i), begun[i].at, begun[i].epoch)
		}
	}
	if errors.Is(get.Err(), redis.Nil) {
		return "", nil // out of memory, most likely
	}
	return get.Val(), get.Err()
}

// newEpoch is an epoch that is set in L2 if there is none.
type newEpoch struct {
	at    uint64 // the stripe's epoch in this instance before that
	epoch Epoch
	set   *redis.BoolCmd
}

func (n *newEpoch) begin(ctx context.Context, p redis.Pipeliner, name string, after store.LSN, s *Stripe) {
	text := formatEpoch(after)
	n.at, n.epoch = s.epoch.Load(), ParseEpoch(text)
	n.set = p.SetNX(ctx, name, text, epochLife)
}
