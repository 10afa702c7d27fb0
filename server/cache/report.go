package cache

import (
	"time"

	"github.com/policycortex/headroom/server/cache/usage"
)

// Report is what a cache knows of its own performance, since it was opened. Where there is no data a field is null, not 0.
type Report struct {
	At            time.Time `json:"at"`
	UptimeSeconds float64   `json:"uptime_seconds"`
	// Requests are all calls of Get. OverallHitRate is the share of them that any level served, 0 to 1.
	Requests       uint64   `json:"requests"`
	OverallHitRate *float64 `json:"overall_hit_rate"`
	Levels         struct {
		L1 LevelReport `json:"l1"`
		L2 LevelReport `json:"l2"`
		L3 LevelReport `json:"l3"`
	} `json:"levels"`
	// LoadLatency is how long requests took that no level served.
	LoadLatency *usage.Latency `json:"load_latency"`
	Work
	Reaccess *usage.Reaccess `json:"reaccess"` // null until an interval was measured

	// RequestsByHour counts by the hour of the day, UTC. PeakHours are those with more than 1.5 times the average.
	RequestsByHour [24]uint64 `json:"requests_by_hour_utc"`
	PeakHours      []int      `json:"peak_hours_utc"`
	// KeyPatterns are the most frequent forms of keys, from a sample of the requests.
	KeyPatterns []usage.KeyPattern `json:"key_patterns"`
	// SizeDistribution is that of the values that were loaded.
	SizeDistribution []usage.SizeClass `json:"size_distribution"`
	Breakers         map[string]string `json:"breakers"` // by level: see [Cache.BreakerStates]
	Recommendations  []Recommendation  `json:"recommendations"`
}

// Work is what a cache did beside serving, and how it is set now.
type Work struct {
	L1            L1Report          `json:"l1_size"`
	Evictions     uint64            `json:"evictions"`     // entries that L1 had no room for
	Expirations   uint64            `json:"expirations"`   // entries in L1 whose lifetime was over
	Invalidations uint64            `json:"invalidations"` // scopes that were invalidated through this instance
	Prefetch      PrefetchReport    `json:"prefetch"`
	Compression   CompressionReport `json:"compression"`
	Warming       *WarmingProgress  `json:"warming"` // null when nothing was to be warmed
}

// LevelReport is about one level.
type LevelReport struct {
	Hits   uint64 `json:"hits"`   // requests that it served
	Misses uint64 `json:"misses"` // requests that reached it and went on
	Errors uint64 `json:"errors"` // operations that failed or were dropped
	// HitRate is the share that it served of the requests that reached it, 0 to 1.
	HitRate *float64 `json:"hit_rate"`
	// Latency is that of the requests that it served: for L1 of a sample, one in 64.
	Latency *usage.Latency `json:"latency"`
}

// L1Report says how big L1 is, in bytes, and how it adapts.
type L1Report struct {
	Bytes         uint64  `json:"bytes"` // in use, with an estimate of what keeping entries costs
	MaxBytes      uint64  `json:"max_bytes"`
	SmallestBytes uint64  `json:"smallest_bytes"` // the bounds of MaxBytes
	LargestBytes  uint64  `json:"largest_bytes"`
	Entries       int     `json:"entries"`
	TTLSeconds    float64 `json:"ttl_seconds"`
	LastDecision  string  `json:"last_decision"` // on the size; empty before the first
}

// CompressionReport is about the values for L2 and L3 that were long enough to be compressed.
type CompressionReport struct {
	BytesBefore uint64   `json:"bytes_before"`
	BytesAfter  uint64   `json:"bytes_after"`
	Ratio       *float64 `json:"ratio"` // before / after
}

// keyPatternsReported is how many forms of keys a report lists.
const keyPatternsReported = 20

// Report takes a report. It costs about a hundred microseconds.
func (c *Cache) Report() Report {
	stats, at := c.Stats(), time.Now()
	r := Report{
		At:            at.UTC(),
		UptimeSeconds: at.Sub(c.opened).Seconds(),
		Requests:      stats.L1.Hits + stats.L1.Misses,
		LoadLatency:   c.latency[Miss].Latency(),
		Work:          c.Work(),
		Reaccess:      c.usage.Reaccess(),

		KeyPatterns:      c.usage.KeyPatterns(keyPatternsReported),
		SizeDistribution: c.usage.Sizes(),
		Breakers:         map[string]string{},
	}
	r.RequestsByHour, r.PeakHours = c.usage.ByHour(at, stats.L1.Hits, stats.L1.Misses)
	r.Breakers["l2"], r.Breakers["l3"] = c.BreakerStates()
	r.OverallHitRate = share(stats.Overall.Hits, stats.Overall.Misses)
	r.Levels.L1 = levelOf(stats.L1, &c.latency[L1])
	r.Levels.L2 = levelOf(stats.L2, &c.latency[L2])
	r.Levels.L3 = levelOf(stats.L3, &c.latency[L3])
	r.Recommendations = recommend(&r)
	return r
}

// Work returns what the cache did beside serving. It costs some microseconds.
func (c *Cache) Work() Work {
	stats := c.Stats()
	return Work{
		L1:            c.l1Report(),
		Evictions:     c.usage.Evictions.Load(),
		Expirations:   c.usage.Expirations.Load(),
		Invalidations: c.usage.Invalidations.Load(),
		Prefetch:      c.prefetch.report(),
		Compression:   compressionOf(stats.BytesBefore, stats.BytesAfter),
		Warming:       c.Warming(),
	}
}

func (c *Cache) l1Report() L1Report {
	smallest, largest, decision := c.usage.Bounds()
	return L1Report{
		Bytes: c.l1.WeightedSize(), MaxBytes: c.l1.GetMaximum(), Entries: c.l1.EstimatedSize(),
		SmallestBytes: smallest, LargestBytes: largest,
		TTLSeconds: c.usage.TTL().Seconds(), LastDecision: decision,
	}
}

// share is a / (a+b), or nil when both are 0.
func share(a, b uint64) *float64 {
	if a+b == 0 {
		return nil
	}
	return new(usage.Rounded(float64(a) / float64(a+b)))
}

func levelOf(s LevelStats, latency *usage.Histogram) LevelReport {
	return LevelReport{
		Hits: s.Hits, Misses: s.Misses, Errors: s.Errors,
		HitRate: share(s.Hits, s.Misses), Latency: latency.Latency(),
	}
}

func compressionOf(before, after uint64) CompressionReport {
	r := CompressionReport{BytesBefore: before, BytesAfter: after}
	if after > 0 {
		r.Ratio = new(usage.Rounded(float64(before) / float64(after)))
	}
	return r
}
