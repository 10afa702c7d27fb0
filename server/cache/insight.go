package cache

import (
	"math"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/maypok86/otter/v2"
)

// insight is what the cache knows of its own use: what it decides by, and what it reports. A hit in L1 is noted by a
// sample (one in hitsSampled, with its weight), everything that takes longer is noted in full.
type insight struct {
	accesses  *accessTable
	kinds     [kinds]kindUse
	intervals intervals
	shapes    shapes
	hours     hours
	latency   [Miss + 1]histogram // in nanoseconds
	sizes     histogram           // of what was loaded, in bytes

	evictions     counter // entries that L1 had no room for
	expirations   counter
	invalidations counter // scopes
}

const (
	// hitsSampled and latencySampled are powers of two: one in so many hits in L1 is noted.
	hitsSampled    = 8
	latencySampled = 64
	// accessTableBits makes a table for 65,536 keys: one megabyte.
	accessTableBits = 14
	// kindPrior is how many reads a kind of key is begun with: until it is known to be written, it is taken to be read.
	kindPrior = 10
)

// kindUse counts reads and writes of a kind over about the last hour.
type kindUse struct{ reads, writes counter }

func (u *kindUse) ratio() float64 {
	return ReadWriteRatio(kindPrior+float64(u.reads.Load()), float64(u.writes.Load()))
}

// forget lets a time pass over the counts.
func (u *kindUse) forget(passed time.Duration) {
	share := 1 - math.Exp(-passed.Seconds()/ratioTime.Seconds())
	for _, c := range []*counter{&u.reads, &u.writes} {
		c.Add(-uint64(share * float64(c.Load())))
	}
}

func newInsight() insight { return insight{accesses: newAccessTable(accessTableBits)} }

// hash is that of the scope for a key without a query, so that an item's reads and writes meet in one cell.
func (k *Key) hash() uint64 {
	s := k.scope()
	h := s.hash()
	if k.Query == "" {
		return h
	}
	return h ^ xxhash.Sum64String(k.Query)
}

// hit notes that L1 served an entry. draw is a random number; began is when the request came if its latency is wanted
// (see latencySampled), else 0.
func (n *insight) hit(key *Key, e *Entry, draw uint32, began time.Duration) {
	if inIntervals(e.hash) {
		n.intervals.accessed(e.hash, now, draw>>16%intervalAccesses == 0)
	}
	if draw%hitsSampled == 0 {
		n.sampledHit(key, e.hash, began)
	}
}

// began returns the time if a request with this draw is one whose latency is noted even if it is a hit, else 0.
func (n *insight) began(draw uint32) time.Duration {
	if draw%latencySampled != 0 {
		return 0
	}
	return now()
}

func (n *insight) sampledHit(key *Key, hash uint64, began time.Duration) {
	at := now()
	n.note(key, hash, at, hitsSampled)
	if began != 0 {
		n.latency[L1].record(uint64(at - began))
	}
}

// missed notes that L1 did not serve a request, and returns when that was.
func (n *insight) missed(key *Key, hash uint64, draw uint32) time.Duration {
	at := now()
	n.note(key, hash, at, 1)
	if inIntervals(hash) {
		n.intervals.accessed(hash, now, draw>>16%intervalAccesses == 0)
	}
	return at
}

func (n *insight) note(key *Key, hash uint64, at time.Duration, weight uint32) {
	n.accesses.read(hash, at, weight)
	n.kinds[key.Kind].reads.Add(uint64(weight))
	n.shapes.record(key, uint64(weight))
}

// served notes how long a request took that L1 did not serve.
func (n *insight) served(by Level, since time.Duration) {
	n.latency[by].record(uint64(now() - since))
}

// wrote notes that what a scope names was changed.
func (n *insight) wrote(s *Scope) {
	n.invalidations.Add(1)
	n.kinds[s.Kind].writes.Add(1)
	n.accesses.write(s.hash(), now())
}

// pattern is what is known of a key whose value has size bytes. Collections are written by their scope.
func (n *insight) pattern(key *Key, hash uint64, size int) AccessPattern {
	at := now()
	use, _ := n.accesses.look(hash, at)
	writes := use.writes
	if s := key.scope(); s.hash() != hash {
		scope, _ := n.accesses.look(s.hash(), at)
		writes = scope.writes
	}
	return AccessPattern{
		Frequency:      max(use.frequency-1, 0), // without the access that the value is loaded for
		Recency:        at - use.last,
		Size:           size,
		ReadWriteRatio: withPrior(use.reads, writes, n.kinds[key.Kind].ratio()),
	}
}

// place decides which levels keep a value that was just loaded.
func (n *insight) place(key *Key, hash uint64, size int) placement {
	n.sizes.record(uint64(size))
	return n.pattern(key, hash, size).place()
}

// removed notes why an entry left L1.
func (c *Cache) removed(event otter.DeletionEvent[Key, *Entry]) {
	switch event.Cause {
	case otter.CauseOverflow:
		c.insight.evictions.Add(1)
	case otter.CauseExpiration:
		c.insight.expirations.Add(1)
	}
	if mark := event.Value.prefetched; mark != nil {
		c.prefetch.outcome(mark, false)
	}
}
