// Package usage tracks how the keys of a cache are used. From that it decides which levels keep a value, how long and
// how much L1 keeps, and which key is likely to be requested next. It does not know the levels themselves.
package usage

import (
	"math"
	"time"

	"github.com/policycortex/headroom/server/cache/clock"
	"github.com/policycortex/headroom/server/cache/key"
)

// Tracker records the use of a cache, for its decisions and its reports. It samples hits in L1 (one in hitsSampled,
// with its weight) and records everything slower in full. It is safe for concurrent use.
type Tracker struct {
	accesses  *accessTable
	kinds     [key.Kinds]kindUse
	intervals intervals
	shapes    shapes
	hours     hours
	sizes     Histogram // of what was loaded, in bytes
	adaptive  adaptive

	Evictions     Counter // entries that L1 had no room for
	Expirations   Counter // entries of L1 whose lifetime was over
	Invalidations Counter // scopes
}

const (
	// hitsSampled is a power of two: one in so many hits in L1 is recorded.
	hitsSampled = 8
	// accessTableBits makes a table for 65,536 keys: one megabyte.
	accessTableBits = 14
	// kindPrior is the initial number of reads of a kind: until writes are seen, a kind counts as read.
	kindPrior = 10
)

// kindUse counts reads and writes of a kind over about the last hour.
type kindUse struct{ reads, writes Counter }

func (u *kindUse) ratio() float64 {
	return ReadWriteRatio(kindPrior+float64(u.reads.Load()), float64(u.writes.Load()))
}

// forget decays the counts by the time passed.
func (u *kindUse) forget(passed time.Duration) {
	share := 1 - math.Exp(-passed.Seconds()/ratioTime.Seconds())
	for _, c := range []*Counter{&u.reads, &u.writes} {
		c.Add(-uint64(share * float64(c.Load())))
	}
}

// Start initializes the tracker for an L1 of size bytes that adapts between smallest and largest, with an initial
// lifetime of ttl. Call it once, before anything else.
func (t *Tracker) Start(size, smallest, largest int64, ttl time.Duration) {
	t.accesses = newAccessTable(accessTableBits)
	t.adaptive.start(size, smallest, largest, ttl)
}

// Hit records that L1 served the key with this hash. draw is a random number.
func (t *Tracker) Hit(k *key.Key, hash uint64, draw uint32) {
	if inIntervals(hash) {
		t.intervals.accessed(hash, clock.Now, draw>>16%intervalAccesses == 0)
	}
	if draw%hitsSampled == 0 {
		t.note(k, hash, clock.Now(), hitsSampled)
	}
}

// Missed records that L1 did not serve a request, at a time of [clock.Now].
func (t *Tracker) Missed(k *key.Key, hash uint64, at time.Duration, draw uint32) {
	t.note(k, hash, at, 1)
	if inIntervals(hash) {
		t.intervals.accessed(hash, clock.Now, draw>>16%intervalAccesses == 0)
	}
}

func (t *Tracker) note(k *key.Key, hash uint64, at time.Duration, weight uint32) {
	t.accesses.read(hash, at, weight)
	t.kinds[k.Kind].reads.Add(uint64(weight))
	t.shapes.record(k, uint64(weight))
}

// Wrote records a change of what a scope names.
func (t *Tracker) Wrote(s *key.Scope) {
	t.Invalidations.Add(1)
	t.kinds[s.Kind].writes.Add(1)
	t.accesses.write(s.Hash(), clock.Now())
}

// pattern returns the access pattern of a key whose value has size bytes. Writes of collections are recorded by their
// scope.
func (t *Tracker) pattern(k *key.Key, hash uint64, size int) AccessPattern {
	at := clock.Now()
	use, _ := t.accesses.look(hash, at)
	writes := use.writes
	if s := k.Scope(); s.Hash() != hash {
		scope, _ := t.accesses.look(s.Hash(), at)
		writes = scope.writes
	}
	return AccessPattern{
		Frequency:      max(use.frequency-1, 0), // without the access that caused this load
		Recency:        at - use.last,
		Size:           size,
		ReadWriteRatio: withPrior(use.reads, writes, t.kinds[k.Kind].ratio()),
	}
}

// Place decides which levels keep a value of size bytes that was just loaded.
func (t *Tracker) Place(k *key.Key, hash uint64, size int) Placement {
	t.sizes.Record(uint64(size))
	return t.pattern(k, hash, size).place()
}
