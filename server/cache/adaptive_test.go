package cache

import (
	"testing"
	"time"

	"github.com/maypok86/otter/v2"
)

// adaptingCache is a cache without its levels: what decides on L1 needs only the counts.
func adaptingCache(t *testing.T) *Cache {
	t.Helper()
	c := &Cache{}
	c.usage.Start(1<<20, 1<<19, 1<<21, firstL1TTL)
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
	for range 2 {
		c.counts.l1Hits[0].Add(500)
		c.counts.l1Misses.Add(1500)
		c.usage.Evictions.Add(100)
		at = at.Add(time.Minute)
		c.adapt(at)
	}
	if got := c.l1.GetMaximum(); got != 1<<20*12/10 {
		t.Errorf("L1 has %d bytes after two bad windows, want 1.2 times %d", got, 1<<20)
	}
	if r := c.l1Report(); r.MaxBytes != c.l1.GetMaximum() || r.LastDecision != "grow" || r.SmallestBytes != 1<<19 ||
		r.LargestBytes != 1<<21 {
		t.Errorf("the report says %+v", r)
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
