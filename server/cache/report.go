package cache

import (
	"time"

	"github.com/policycortex/headroom/server/cache/report"
	"github.com/policycortex/headroom/server/cache/usage"
)

// keyPatternsReported is how many forms of keys a report lists.
const keyPatternsReported = 20

// Report reports on the cache's performance since it was opened. It takes about a hundred microseconds.
func (c *Cache) Report() report.Report {
	stats, at := c.Stats(), time.Now()
	r := report.Report{
		At:            at.UTC(),
		UptimeSeconds: at.Sub(c.opened).Seconds(),
		Requests:      stats.L1.Hits + stats.L1.Misses,
		LoadLatency:   c.latency[Miss].Latency(),
		Activity:      c.Activity(),
		Reaccess:      c.usage.Reaccess(),

		KeyPatterns:      c.usage.KeyPatterns(keyPatternsReported),
		SizeDistribution: c.usage.Sizes(),
		Breakers:         map[string]string{},
	}
	r.RequestsByHour, r.PeakHours = c.usage.ByHour(at, stats.L1.Hits, stats.L1.Misses)
	r.Breakers["l2"], r.Breakers["l3"] = c.BreakerStates()
	r.OverallHitRate = report.Share(stats.Overall.Hits, stats.Overall.Misses)
	r.Levels.L1 = levelOf(stats.L1, &c.latency[L1])
	r.Levels.L2 = levelOf(stats.L2, &c.latency[L2])
	r.Levels.L3 = levelOf(stats.L3, &c.latency[L3])
	r.Recommendations = report.Recommend(&r)
	return r
}

// Activity returns what the cache did besides serving requests. It takes a few microseconds.
func (c *Cache) Activity() report.Activity {
	stats := c.Stats()
	return report.Activity{
		L1:            c.l1Report(),
		Evictions:     c.usage.Evictions.Load(),
		Expirations:   c.usage.Expirations.Load(),
		Invalidations: c.usage.Invalidations.Load(),
		Prefetch:      c.prefetch.report(),
		Compression:   report.CompressionOf(stats.BytesBefore, stats.BytesAfter),
		Warming:       c.Warming(),
		TTLs:          c.ttlReports(),
	}
}

func (c *Cache) l1Report() report.L1 {
	smallest, largest, decision := c.usage.Bounds()
	return report.L1{
		Bytes: c.l1.WeightedSize(), MaxBytes: c.l1.GetMaximum(), Entries: c.l1.EstimatedSize(),
		SmallestBytes: smallest, LargestBytes: largest,
		TTLSeconds: c.usage.TTL().Seconds(), LastDecision: decision,
	}
}

func levelOf(s LevelStats, latency *usage.Histogram) report.Level {
	return report.Level{
		Hits: s.Hits, Misses: s.Misses, Errors: s.Errors,
		HitRate: report.Share(s.Hits, s.Misses), Latency: latency.Latency(),
	}
}
