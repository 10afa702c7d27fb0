package report

import (
	"maps"
	"slices"
	"testing"

	"github.com/policycortex/headroom/server/cache/usage"
)

// quiet is a report that leads to no advice.
func quiet() *Report {
	r := &Report{Requests: 100_000, OverallHitRate: new(0.97), LoadLatency: &usage.Latency{Count: 3000, P50US: 900}}
	r.Levels.L1 = Level{Hits: 90_000, Misses: 10_000, HitRate: new(0.9)}
	r.Levels.L2 = Level{Hits: 7000, Misses: 3000, HitRate: new(0.7), Latency: &usage.Latency{Count: 7000, P50US: 80}}
	r.L1 = L1{Bytes: 60 << 20, MaxBytes: 64 << 20, SmallestBytes: 32 << 20, LargestBytes: 128 << 20, TTLSeconds: 60}
	r.Reaccess = &usage.Reaccess{Intervals: 1000, P50Seconds: 3}
	r.Prefetch = Prefetch{Relation: Relation{Prefetched: 1000, Used: 600, Lost: 300}}
	r.Compression = Compression{BytesBefore: 10 << 20, BytesAfter: 3 << 20, Ratio: new(3.3)}
	r.SizeDistribution = []usage.SizeClass{
		{Below: new(uint64(4096)), Values: 1000},
		{Below: new(uint64(65536)), Values: 500},
		{Below: new(uint64(262144)), Values: 10},
		{Values: 1},
	}
	r.KeyPatterns = []usage.KeyPattern{{Pattern: "*:resource:*", Requests: 80_000, Share: 0.8}}
	r.Breakers = map[string]string{"l2": "closed", "l3": "closed"}
	return r
}

func TestRecommendations(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*Report)
		want   []string
	}{
		"all is well": {func(*Report) {}, nil},
		"no data":     {func(r *Report) { *r = Report{} }, nil},
		"L1 is as large as it may be": {func(r *Report) {
			r.Levels.L1.HitRate, r.Evictions, r.L1.MaxBytes = new(0.7), 2000, 128<<20
		}, []string{"l1_too_small"}},
		"L1 can grow by itself": {func(r *Report) { r.Levels.L1.HitRate, r.Evictions = new(0.7), 2000 }, nil},
		"L1 evicts nothing":     {func(r *Report) { r.Levels.L1.HitRate, r.L1.MaxBytes = new(0.7), 128<<20 }, nil},
		"L1 was hardly asked": {func(r *Report) {
			r.Levels.L1 = Level{Hits: 70, Misses: 30, HitRate: new(0.7)}
			r.Evictions, r.L1.MaxBytes = 2000, 128<<20
		}, nil},
		"L1 stands empty": {
			func(r *Report) { r.Levels.L1.HitRate, r.L1.Bytes = new(0.99), 1<<20 },
			[]string{"l1_larger_than_needed"},
		},
		"keys come back late": {
			func(r *Report) { r.Reaccess.P50Seconds = 61 },
			[]string{"entries_expire_before_reaccess"},
		},
		"L2 fails":            {func(r *Report) { r.Levels.L2.Errors = 200 }, []string{"l2_fails"}},
		"L2 failed once":      {func(r *Report) { r.Levels.L2.Errors = 1 }, nil},
		"the breaker is open": {func(r *Report) { r.Breakers["l2"] = "open" }, []string{"l2_fails"}},
		"L2 is slow": {
			func(r *Report) { r.Levels.L2.Latency.P50US = 1000 },
			[]string{"l2_slower_than_loading"},
		},
		"L2 is empty": {func(r *Report) { r.Levels.L2.HitRate = new(0.01) }, []string{"l2_serves_little"}},
		"writes":      {func(r *Report) { r.Invalidations = 10_001 }, []string{"many_invalidations"}},
		"nobody wants it": {
			func(r *Report) { r.Prefetch.Used, r.Prefetch.Lost = 10, 900 },
			[]string{"prefetch_wasted"},
		},
		"random bytes": {
			func(r *Report) { r.Compression.Ratio = new(1.05) },
			[]string{"compression_does_not_pay"},
		},
		"random, but little": {func(r *Report) {
			r.Compression.Ratio, r.Compression.BytesBefore = new(1.05),
				1000
		}, nil},
		"large pages": {
			func(r *Report) { r.SizeDistribution[3].Values = 300 },
			[]string{"values_too_large"},
		},
		"few hits, no patterns": {
			func(r *Report) { r.OverallHitRate, r.KeyPatterns = new(0.5), nil },
			[]string{"few_hits"},
		},
		"few hits, all the same": {func(r *Report) { r.OverallHitRate = new(0.5) }, []string{"few_hits"}},
	} {
		r := quiet()
		test.change(r)
		var got []string
		for _, advice := range Recommend(r) {
			got = append(got, advice.Code)
			if advice.Text == "" || len(advice.Numbers) == 0 {
				t.Errorf("%s: %s has text %q and the numbers %v", name, advice.Code, advice.Text,
					slices.Collect(maps.Keys(advice.Numbers)))
			}
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: got %v, want %v", name, got, test.want)
		}
	}
}
