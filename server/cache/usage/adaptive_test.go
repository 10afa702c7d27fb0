package usage

import (
	"math/rand/v2"
	"testing"
	"time"
)

func tracking() *Tracker {
	t := &Tracker{}
	t.Start(1<<20, 1<<19, 1<<21, time.Minute)
	return t
}

func TestAdaptDecides(t *testing.T) {
	u := tracking()
	at := time.Date(2026, 5, 1, 10, 0, 0, 0, time.UTC)
	hits, misses := uint64(0), uint64(0)
	window := func(h, m, evictions uint64) (uint64, bool) {
		hits, misses = hits+h, misses+m
		u.Evictions.Add(evictions)
		at = at.Add(time.Minute)
		return u.Adapt(at, hits, misses)
	}
	if size, changed := window(500, 1500, 100); changed {
		t.Errorf("one bad window changed the size to %d", size)
	}
	if size, changed := window(500, 1500, 100); !changed || size != 1<<20*12/10 {
		t.Errorf("L1 gets %d bytes after two bad windows, want 1.2 times %d", size, 1<<20)
	}
	if smallest, largest, decision := u.Bounds(); decision != "grow" || smallest != 1<<19 || largest != 1<<21 {
		t.Errorf("the bounds are %d and %d, the decision %q", smallest, largest, decision)
	}
	if hours := u.hours.read(); hours[10] != 4000 {
		t.Errorf("4000 requests at ten were counted as %v", hours)
	}
}

func TestAdaptFollowsTheIntervals(t *testing.T) {
	u := tracking()
	for range minIntervals {
		u.intervals.seen.Record(uint64((2 * time.Second).Microseconds()))
	}
	u.Adapt(time.Now(), 0, 0)
	first := u.TTL()
	if first < 95*time.Second || first > 106*time.Second {
		t.Errorf("with two seconds between accesses the lifetime is %s, want a hundred", first)
	}
	for range minIntervals - 1 { // too few more to change anything
		u.intervals.seen.Record(1)
	}
	u.Adapt(time.Now(), 0, 0)
	if got := u.TTL(); got != first {
		t.Errorf("%d intervals changed the lifetime to %s", minIntervals-1, got)
	}
	u.intervals.seen.Record(1)
	u.Adapt(time.Now(), 0, 0)
	if got := u.TTL(); got != first/2 {
		t.Errorf("the lifetime became %s, want half of %s at most at a time", got, first)
	}
}

// The intervals that are sampled must have the distribution of all.
func TestIntervalsAreUnbiased(t *testing.T) {
	var v intervals
	at := time.Duration(0)
	clock := func() time.Duration { return at }
	// Three intervals of a second and one of five, for 64 keys whose accesses begin at different moments.
	type key struct {
		hash uint64
		next time.Duration
		n    int
	}
	var keys []key
	for i := range uint64(64) {
		keys = append(keys, key{hash: i << 24, next: time.Duration(i) * 17 * time.Millisecond})
	}
	for ; at < 30*time.Minute; at += time.Millisecond {
		for i := range keys {
			k := &keys[i]
			if k.next > at {
				continue
			}
			v.accessed(k.hash, clock, rand.Uint32()>>16%intervalAccesses == 0)
			k.n++
			if k.n%4 == 0 {
				k.next = at + 5*time.Second
			} else {
				k.next = at + time.Second
			}
		}
	}
	d := v.seen.Read()
	if d.Count < 2000 || d.Mean() < 1.9e6 || d.Mean() > 2.1e6 {
		t.Errorf("%d intervals with a mean of %.2f s, want 2 s", d.Count, d.Mean()/1e6)
	}
}

// A key that is not accessed again does not hold its place for ever.
func TestIntervalsOfKeysThatStayAway(t *testing.T) {
	var v intervals
	at := time.Second
	clock := func() time.Duration { return at }
	v.accessed(1<<60, clock, true)
	for i := range 10 {
		at += maxL1TTL / 2
		v.accessed(2<<60, clock, i%2 == 0)
	}
	if d := v.seen.Read(); d.Count == 0 {
		t.Error("the other key was never measured")
	}
}
