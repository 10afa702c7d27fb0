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

// Epoch is the epoch of a stripe in L2.
type Epoch struct {
	random uint64    // 0 for none: no value has that tag
	After  store.LSN // the LSN that loads must see for their values to be tagged with this epoch
}

// formatEpoch makes the text of a new epoch: a random number other than 0, so that no epoch ever returns, and the LSN
// that loads must see. An instance may read a new epoch before it receives the message about it.
func formatEpoch(after store.LSN) string {
	return strconv.FormatUint(rand.Uint64()|1, 36) + ":" + strconv.FormatUint(uint64(after), 10)
}

// ParseEpoch returns the zero Epoch for a malformed text.
func ParseEpoch(s string) Epoch {
	number, after, _ := strings.Cut(s, ":")
	random, err := strconv.ParseUint(number, 36, 64)
	lsn, malformed := strconv.ParseUint(after, 10, 64)
	if err != nil || malformed != nil {
		return Epoch{}
	}
	return Epoch{random: random, After: store.LSN(lsn)}
}

// Tag returns the random number that values are tagged with; 0 for no epoch.
func (e Epoch) Tag() uint64 { return e.random }

// knownEpochs are the epochs in L2 that were read during a session. Each is valid while its stripe keeps the epoch in
// this instance that it had before the epoch was read: see the documentation of the package.
type knownEpochs [stripeCount / epochBlock]atomic.Pointer[knownBlock]

type knownBlock struct {
	mu sync.Mutex
	of [epochBlock]knownEpoch
}

type knownEpoch struct {
	at uint64 // the stripe's epoch in this instance
	Epoch
}

// recall returns the epoch of a stripe in L2 if it is known for the epoch at in this instance.
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

// learn remembers the epoch in L2 of a stripe that had the epoch at in this instance before it was read.
func (k *knownEpochs) learn(stripe uint16, at uint64, epoch Epoch) {
	if epoch.random == 0 {
		return
	}
	slot := &k[stripe/epochBlock]
	block := slot.Load()
	if block == nil {
		slot.CompareAndSwap(nil, new(knownBlock))
		block = slot.Load()
	}
	block.mu.Lock()
	defer block.mu.Unlock()
	if known := &block.of[stripe%epochBlock]; at >= known.at {
		*known = knownEpoch{at: at, Epoch: epoch}
	}
}

// epochLife is how long L2 keeps the epoch of a stripe that nobody invalidates. Losing it only costs loads.
const epochLife = 24 * time.Hour

// epochBlock is how many stripes get their epochs together. One at a time, nearly every request to a cold cache would
// pay for one. stripeCount is a multiple of it.
const epochBlock = 256

// BeginEpoch begins an epoch for a stripe that has none in L2: it was never used, was evicted, or could not be written
// when it was last invalidated. Neighbours without an epoch get one too. Of two concurrent callers one wins, and both
// get its epoch. The epoch is empty when none could be begun; then values are not stored.
func (b *Bus) BeginEpoch(t *Session, stripe uint16) (string, error) {
	first := stripe - stripe%epochBlock
	begin := &b.beginning[first/epochBlock]
	begin.Lock()
	defer begin.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), 2*t.timeout)
	defer cancel()
	name := t.EpochName(stripe)
	if epoch, err := t.Client.Get(ctx, name).Result(); !errors.Is(err, redis.Nil) {
		return epoch, err // another request has begun it
	}
	after, err := b.primaryLSN(ctx)
	if err != nil {
		return "", nil // a miss whose value is not stored; the load will report what is wrong with the primary
	}
	p := t.Client.Pipeline()
	var proposals [epochBlock]proposal
	for i := range proposals {
		proposals[i].send(ctx, p, t.EpochName(first+uint16(i)), after, &b.Stripes[first+uint16(i)])
	}
	get := p.Get(ctx, name)
	p.Exec(ctx) // each command has its own error
	for i := range proposals {
		if err := proposals[i].set.Err(); err != nil && !IsReply(err) {
			return "", err
		}
		if proposals[i].set.Val() {
			t.known.learn(first+uint16(i), proposals[i].at, proposals[i].epoch)
		}
	}
	if errors.Is(get.Err(), redis.Nil) {
		return "", nil // most likely L2 is out of memory
	}
	return get.Val(), get.Err()
}

// proposal is an epoch that L2 takes if the stripe has none.
type proposal struct {
	at    uint64 // the stripe's epoch in this instance before that
	epoch Epoch
	set   *redis.BoolCmd
}

func (n *proposal) send(ctx context.Context, p redis.Pipeliner, name string, after store.LSN, s *Stripe) {
	text := formatEpoch(after)
	n.at, n.epoch = s.epoch.Load(), ParseEpoch(text)
	n.set = p.SetNX(ctx, name, text, epochLife)
}
