package cache

import (
	"testing"
	"time"

	"github.com/maypok86/otter/v2"
)

// adaptingCache is a cache without its levels: what decides on L1 needs only the counts.
func adaptingCache(t *testing.T) *Cache {
	t.Helper()
	c := &Cache{insight: newInsight()}
	c.adaptive.start(1<<20, 1<<19, 1<<21)
	var err error
	c.l1, err = otter.New(&otter.Options[Key, *Entry]{MaximumWeight: 1 << 20, Weigher: weigh})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAdaptAppliesItsDecisions(t *testing.T) {
	c := adaptingCache(t)
	at := time.Date(2026, 5, 1, 10, 0, 0, 0, time.UTC)
	window := func(hits, misses, evictions uint64) {
		c.counts.l1Hits[0].Add(hits)
		c.counts.l1Misses.Add(misses)
		c.insight.evictions.Add(evictions)
		at = at.Add(time.Minute)
		c.adapt(at)
	}
	window(500, 1500, 100)
	window(500, 1500, 100)
	if got := c.l1.GetMaximum(); got != 1<<20*12/10 {
		t.Errorf("L1 has %d bytes after two bad windows, want 1.2 times %d", got, 1<<20)
	}
	if r := c.l1Report(); r.MaxBytes != c.l1.GetMaximum() || r.LastDecision != "grow" || r.SmallestBytes != 1<<19 || r.LargestBytes != 1<<21 {
		t.Errorf("the report says %+v", r)
	}
	if hours := c.insight.hours.read(); hours[10] != 4000 {
		t.Errorf("4000 requests at ten were counted as %v", hours)
	}
}

func TestAdaptFollowsTheIntervals(t *testing.T) {
	c := adaptingCache(t)
	for range minIntervals {
		c.insight.intervals.seen.record(uint64((2 * time.Second).Microseconds()))
	}
	c.adapt(time.Now())
	first := c.adaptive.l1TTL()
	if first < 95*time.Second || first > 106*time.Second {
		t.Errorf("with two seconds between accesses the lifetime is %s, want a hundred", first)
	}
	for range minIntervals - 1 { // too few more to change anything
		c.insight.intervals.seen.record(1)
	}
	c.adapt(time.Now())
	if got := c.adaptive.l1TTL(); got != first {
		t.Errorf("%d intervals changed the lifetime to %s", minIntervals-1, got)
	}
	c.insight.intervals.seen.record(1)
	c.adapt(time.Now())
	if got := c.adaptive.l1TTL(); got != first/2 {
		t.Errorf("the lifetime became %s, want half of %s at most at a time", got, first)
	}
}

func TestHitRateIsThatOfTheLastWindows(t *testing.T) {
	c := adaptingCache(t)
	if rate := c.hitRate(); rate != 0 {
		t.Errorf("hit rate %g without requests", rate)
	}
	c.counts.l1Misses.Add(1000)
	c.counts.l3Misses.Add(1000)
	c.adapt(time.Now())
	c.adapt(time.Now())
	c.counts.l1Hits[0].Add(90)
	c.counts.l1Misses.Add(10)
	c.counts.l3Misses.Add(10)
	if rate := c.hitRate(); rate != 0.9 {
		t.Errorf("hit rate %g, want 0.9: the thousand misses are two windows ago", rate)
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
			v.accessed(k.hash, clock, draw()>>16%intervalAccesses == 0)
			if k.n++; k.n%4 == 0 {
				k.next = at + 5*time.Second
			} else {
				k.next = at + time.Second
			}
		}
	}
	d := v.seen.read()
	if d.count < 2000 || d.mean() < 1.9e6 || d.mean() > 2.1e6 {
		t.Errorf("%d intervals with a mean of %.2f s, want 2 s", d.count, d.mean()/1e6)
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
	if d := v.seen.read(); d.count == 0 {
		t.Error("the other key was never measured")
	}
}
