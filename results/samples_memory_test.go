package results

import (
	"fmt"
	"runtime"
	"testing"
)

// TestMemoryOfSamples: what a run keeps of each second's account of the server and of its own health is bounded.
func TestMemoryOfSamples(t *testing.T) { // not in parallel: it measures the heap
	const seconds = 2000
	account := func(n int) Snapshot {
		s, err := ParseSnapshot(fmt.Appendf(nil, `{"version": 1, "cache": {"l1": {"hits": %d}, "l2": {"hits": 2},
			"l3": {"misses": 3}, "overall": {"hits": 4}}, "replica": {"healthy": true, "lag_ms": 1.5, "pool": {}},
			"db_pool": {}, "breakers": {"l2": "closed", "l3": "closed", "primary": "closed", "replica": "closed"},
			"cache_work": {"evictions": 5}, "process": {"rss_bytes": 6}}`, n))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	samples, health := make([]Sample, 0, seconds), make([]HealthSecond, 0, seconds)
	start := liveBytes()
	before := account(0)
	for n := range seconds {
		now := account(n + 1)
		samples = append(samples, NewSample(float64(n), before, now))
		now.Breakers = samples[n].Breakers
		before = now
	}
	ofSamples := liveBytes()
	for n := range seconds {
		v := func() *float64 { return new(float64(n)) }
		c := func() *int64 { return new(int64(n)) }
		health = append(health, HealthSecond{
			System: v(), Others: v(), Stolen: v(), Waited: v(), SysWaited: v(), Resent: c(), Files: c(), Ports: c(),
			Footprint: &Footprint{Memory: 1},
		})
	}
	end := liveBytes()
	perSample, perHealth := int64(ofSamples-start)/seconds, int64(end-ofSamples)/seconds // and their slices
	runtime.KeepAlive(samples)
	runtime.KeepAlive(health)
	t.Logf("%d bytes a second of samples, %d of health, and %d in their lists", perSample, perHealth, 56+144)
	if perSample > 900 || perHealth > 250 {
		t.Errorf("a second takes %d bytes of samples and %d of health", perSample, perHealth)
	}
}
