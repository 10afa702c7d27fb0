package usage

import (
	"math"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// accessTable estimates how often and when keys were used, in a table of fixed size with 16 bytes per key, without
// locks or allocations:
//
//   - A key is known by a hash of 64 bits, of which 32 and the place in the table are kept. Two keys that agree in them
//     are taken for one: about one pair in 2^32 for each pair in a set.
//   - Four cells make a set and fill a cache line. A new key takes the cell of its set that was used least. Counts are
//     forgotten over time, so that cells do come free.
//   - Counts have a resolution of 1/16 and are rounded at random, up or down, so that the rounding has no bias.
//   - Callers may record one access in n, chosen at random, with weight n: the expectation stays the same.
//   - Of two goroutines that take the same cell at the same instant, one may lose its access.
type accessTable struct {
	sets []cellSet
	mask uint64
}

type cellSet [4]cell

// cell holds in identity the second of the last access (high half) and the fingerprint (low half, never 0 in a used
// cell), and in counts the packed counts of accesses.
type cell struct{ identity, counts atomic.Uint64 }

const (
	// frequencyTime is the time constant of the frequency. One minute makes the decayed count of accesses the accesses
	// per minute.
	frequencyTime = time.Minute
	// ratioTime is the time constant of reads and writes. Writes are rare, so it is much longer.
	ratioTime = time.Hour
)

// newAccessTable makes a table for 4 << bits keys.
func newAccessTable(bits int) *accessTable {
	return &accessTable{sets: make([]cellSet, 1<<bits), mask: 1<<bits - 1}
}

// usage is what a cell records: accesses per minute, and reads and writes in about the last hour.
type usage struct {
	frequency, reads, writes float64
	last                     time.Duration // in the time of [clock.Now]
}

// read records reads of the key with this hash at a time of [clock.Now], and write records a write.
func (t *accessTable) read(hash uint64, now time.Duration, reads uint32) {
	t.record(hash, now, pack(reads<<countFraction, reads<<countFraction, 0))
}

func (t *accessTable) write(hash uint64, now time.Duration) {
	t.record(hash, now, pack(0, 0, 1<<countFraction))
}

func (t *accessTable) record(hash uint64, now time.Duration, add packedCounts) {
	fingerprint, second := split(hash, now)
	set := &t.sets[hash&t.mask]
	for i := range set {
		if identity := set[i].identity.Load(); uint32(identity) == fingerprint {
			set[i].touch(identity, second, add)
			return
		}
	}
	victim := set.leastUsed(second)
	old, former := victim.identity.Load(), packedCounts(victim.counts.Load())
	if victim.identity.CompareAndSwap(old, uint64(second)<<32|uint64(fingerprint)) {
		victim.replace(former, add)
	}
}

// look returns the usage of a key; ok is false when none is recorded.
func (t *accessTable) look(hash uint64, now time.Duration) (u usage, ok bool) {
	fingerprint, second := split(hash, now)
	set := &t.sets[hash&t.mask]
	for i := range set {
		identity := set[i].identity.Load()
		if uint32(identity) != fingerprint {
			continue
		}
		last := uint32(identity >> 32)
		u = packedCounts(set[i].counts.Load()).after(seconds(last, second))
		u.last = time.Duration(last) * time.Second
		return u, true
	}
	return usage{}, false
}

func split(hash uint64, now time.Duration) (fingerprint, second uint32) {
	return uint32(hash>>32) | 1, uint32(now / time.Second)
}

// seconds returns the time from one second to another, or 0 when another goroutine was ahead.
func seconds(from, to uint32) uint32 {
	if to <= from {
		return 0
	}
	return to - from
}

// touch decays the counts by the time since the last access and adds. Only the goroutine that advances the second
// decays them, so it happens once.
func (c *cell) touch(identity uint64, second uint32, add packedCounts) {
	passed := seconds(uint32(identity>>32), second)
	if passed > 0 && !c.identity.CompareAndSwap(identity, uint64(second)<<32|identity&math.MaxUint32) {
		passed = 0
	}
	for {
		old := packedCounts(c.counts.Load())
		sum := old
		if passed > 0 {
			sum = old.after(passed).pack()
		}
		if c.counts.CompareAndSwap(uint64(old), uint64(sum.plus(add))) {
			return
		}
	}
}

// replace subtracts the counts of the cell's former key, but not what others have added for the new key since.
func (c *cell) replace(former, add packedCounts) {
	for {
		present := packedCounts(c.counts.Load())
		if c.counts.CompareAndSwap(uint64(present), uint64(present.minus(former).plus(add))) {
			return
		}
	}
}

func (s *cellSet) leastUsed(second uint32) *cell {
	least, fewest := &s[0], math.Inf(1)
	for i := range s {
		identity := s[i].identity.Load()
		if identity == 0 {
			return &s[i]
		}
		u := packedCounts(s[i].counts.Load()).after(seconds(uint32(identity>>32), second))
		if n := u.reads + u.writes; n < fewest {
			least, fewest = &s[i], n
		}
	}
	return least
}

// packedCounts are three counts with 4 bits of fraction: frequency in 20 bits, reads and writes in 22 each. Counts
// saturate at their maximum.
type packedCounts uint64

const (
	countFraction = 4
	frequencyMax  = 1<<20 - 1
	historyMax    = 1<<22 - 1
)

func pack(frequency, reads, writes uint32) packedCounts {
	return packedCounts(frequency)<<44 | packedCounts(reads)<<22 | packedCounts(writes)
}

func (p packedCounts) unpack() (frequency, reads, writes uint32) {
	return uint32(p >> 44), uint32(p>>22) & historyMax, uint32(p) & historyMax
}

func (p packedCounts) plus(q packedCounts) packedCounts {
	f, r, w := p.unpack()
	g, s, v := q.unpack()
	return pack(min(f+g, frequencyMax), min(r+s, historyMax), min(w+v, historyMax))
}

// minus stops at 0, because the counts may have decayed.
func (p packedCounts) minus(q packedCounts) packedCounts {
	f, r, w := p.unpack()
	g, s, v := q.unpack()
	return pack(f-min(f, g), r-min(r, s), w-min(w, v))
}

// after returns the counts after the given number of seconds of decay.
func (p packedCounts) after(passed uint32) usage {
	f, r, w := p.unpack()
	recent, history := 1.0, 1.0
	if passed > 0 {
		recent = math.Exp(-float64(passed) / frequencyTime.Seconds())
		history = math.Exp(-float64(passed) / ratioTime.Seconds())
	}
	const one = 1 << countFraction
	return usage{
		frequency: float64(f) * recent / one,
		reads:     float64(r) * history / one,
		writes:    float64(w) * history / one,
	}
}

func (u usage) pack() packedCounts {
	return pack(roundAtRandom(u.frequency), roundAtRandom(u.reads), roundAtRandom(u.writes))
}

// roundAtRandom returns the fixed-point form of a count, rounded up with the probability of its remainder.
func roundAtRandom(count float64) uint32 {
	scaled := count * (1 << countFraction)
	whole := math.Floor(scaled)
	if rand.Float64() < scaled-whole {
		whole++
	}
	return uint32(whole)
}
