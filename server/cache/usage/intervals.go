package usage

import (
	"sync/atomic"
	"time"
)

// intervals measures the time between consecutive accesses to a key, by a sample in which long and short intervals are
// equally likely: the keys are chosen by their hash, one in intervalKeys (as SHARDS does, Waldspurger et al., FAST
// '15), and of their intervals those that begin at an access chosen at random, one in intervalAccesses. A key that is
// not accessed again has no interval, so the sample describes only keys that return.
type intervals struct {
	seen  Histogram // in microseconds
	slots [intervalSlots]intervalSlot
}

const (
	intervalKeys     = 8
	intervalAccesses = 8
	intervalSlots    = 4096
)

// intervalSlot is a key whose current interval is being measured. since is when it began, in microseconds, or 0.
type intervalSlot struct{ hash, since atomic.Uint64 }

func inIntervals(hash uint64) bool { return hash>>20%intervalKeys == 0 }

// accessed ends the interval being measured, or begins one if this access is sampled. It reads the clock only when
// needed.
func (v *intervals) accessed(hash uint64, now func() time.Duration, drawn bool) {
	slot := &v.slots[hash>>24%intervalSlots]
	since := slot.since.Load()
	if since == 0 && !drawn {
		return
	}
	at := max(uint64(now().Microseconds()), 1)
	if since != 0 && slot.hash.Load() == hash {
		if slot.since.CompareAndSwap(since, 0) {
			v.seen.Record(at - min(since, at))
		}
		return
	}
	// Another key keeps the slot until its next access, or until its interval is too long to matter.
	if drawn && (since == 0 || at > since+uint64(2*maxL1TTL.Microseconds())) {
		slot.hash.Store(hash)
		slot.since.Store(at)
	}
}
