package cache

import (
	"math"
	"time"
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
	LoadLatency *Latency `json:"load_latency"`
	Work
	Reaccess *ReaccessReport `json:"reaccess"` // null until an interval was measured

	// RequestsByHour counts by the hour of the day, UTC. PeakHours are those with more than 1.5 times the average.
	RequestsByHour [24]uint64 `json:"requests_by_hour_utc"`
	PeakHours      []int      `json:"peak_hours_utc"`
	// KeyPatterns are the most frequent forms of keys, from a sample of the requests.
	KeyPatterns []KeyPattern `json:"key_patterns"`
	// SizeDistribution is that of the values that were loaded.
	SizeDistribution []SizeClass       `json:"size_distribution"`
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
	Latency *Latency `json:"latency"`
}

// Latency is in microseconds; quantiles are right to 1/16.
type Latency struct {
	Count  uint64  `json:"count"`
	MeanUS float64 `json:"mean_us"`
	P50US  float64 `json:"p50_us"`
	P95US  float64 `json:"p95_us"`
	P99US  float64 `json:"p99_us"`
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

// ReaccessReport is about the time between two accesses to a key that follow each other, from a sample.
type ReaccessReport struct {
	Intervals   uint64  `json:"intervals"`
	MeanSeconds float64 `json:"mean_seconds"`
	P50Seconds  float64 `json:"p50_seconds"`
	P95Seconds  float64 `json:"p95_seconds"`
}

// SizeClass counts values of less than Below bytes and not less than the class before; null is the last class.
type SizeClass struct {
	Below  *uint64 `json:"below_bytes"`
	Values uint64  `json:"values"`
}

// keyPatternsReported is how many forms of keys a report lists.
const keyPatternsReported = 20

// Report takes a report. It costs about a hundred microseconds.
func (c *Cache) Report() Report {
	n, stats, at := &c.insight, c.Stats(), time.Now()
	n.hours.note(stats.L1.Hits+stats.L1.Misses, at)
	r := Report{
		At:            at.UTC(),
		UptimeSeconds: at.Sub(c.opened).Seconds(),
		Requests:      stats.L1.Hits + stats.L1.Misses,
		LoadLatency:   latencyOf(n.latency[Miss].read()),
		Work:          c.Work(),
		Reaccess:      reaccessOf(n.intervals.seen.read()),

		RequestsByHour:   n.hours.read(),
		KeyPatterns:      n.shapes.most(keyPatternsReported),
		SizeDistribution: sizesOf(n.sizes.read()),
		Breakers:         map[string]string{},
	}
	r.Breakers["l2"], r.Breakers["l3"] = c.BreakerStates()
	r.OverallHitRate = share(stats.Overall.Hits, stats.Overall.Misses)
	r.PeakHours = peaks(r.RequestsByHour)
	r.Levels.L1 = levelOf(stats.L1, &n.latency[L1])
	r.Levels.L2 = levelOf(stats.L2, &n.latency[L2])
	r.Levels.L3 = levelOf(stats.L3, &n.latency[L3])
	r.Recommendations = recommend(&r)
	return r
}

// Work returns what the cache did beside serving. It costs some microseconds.
func (c *Cache) Work() Work {
	stats := c.Stats()
	return Work{
		L1:            c.l1Report(),
		Evictions:     c.insight.evictions.Load(),
		Expirations:   c.insight.expirations.Load(),
		Invalidations: c.insight.invalidations.Load(),
		Prefetch:      c.prefetch.report(),
		Compression:   compressionOf(stats.BytesBefore, stats.BytesAfter),
		Warming:       c.Warming(),
	}
}

func (c *Cache) l1Report() L1Report {
	a := &c.adaptive
	a.mu.Lock()
	defer a.mu.Unlock()
	return L1Report{
		Bytes: c.l1.WeightedSize(), MaxBytes: c.l1.GetMaximum(), Entries: c.l1.EstimatedSize(),
		SmallestBytes: a.sizer.smallest, LargestBytes: a.sizer.largest,
		TTLSeconds: a.l1TTL().Seconds(), LastDecision: a.decision,
	}
}

// share is a / (a+b), or nil when both are 0.
func share(a, b uint64) *float64 {
	if a+b == 0 {
		return nil
	}
	return new(rounded(float64(a) / float64(a+b)))
}

// rounded keeps four digits after the point: the rest of a ratio is noise.
func rounded(v float64) float64 { return math.Round(v*1e4) / 1e4 }

func levelOf(s LevelStats, latency *histogram) LevelReport {
	return LevelReport{
		Hits: s.Hits, Misses: s.Misses, Errors: s.Errors,
		HitRate: share(s.Hits, s.Misses), Latency: latencyOf(latency.read()),
	}
}

func latencyOf(d *distribution) *Latency {
	if d.count == 0 {
		return nil
	}
	us := func(ns float64) float64 { return math.Round(ns/10) / 100 }
	return &Latency{
		Count: d.count, MeanUS: us(d.mean()),
		P50US: us(d.quantile(0.5)), P95US: us(d.quantile(0.95)), P99US: us(d.quantile(0.99)),
	}
}

func compressionOf(before, after uint64) CompressionReport {
	r := CompressionReport{BytesBefore: before, BytesAfter: after}
	if after > 0 {
		r.Ratio = new(rounded(float64(before) / float64(after)))
	}
	return r
}

func reaccessOf(d *distribution) *ReaccessReport {
	if d.count == 0 {
		return nil
	}
	seconds := func(us float64) float64 { return rounded(us / 1e6) }
	return &ReaccessReport{
		Intervals: d.count, MeanSeconds: seconds(d.mean()),
		P50Seconds: seconds(d.quantile(0.5)), P95Seconds: seconds(d.quantile(0.95)),
	}
}

// sizeBounds are powers of two, so each is the beginning of a bucket.
var sizeBounds = [...]uint64{256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20}

// sizesOf sorts values into classes; nil when there are none.
func sizesOf(d *distribution) []SizeClass {
	if d.count == 0 {
		return nil
	}
	classes := make([]SizeClass, 0, len(sizeBounds)+1)
	from := 0
	for _, bound := range sizeBounds {
		class := SizeClass{Below: new(bound)}
		for ; from < bucketOf(bound); from++ {
			class.Values += d.buckets[from]
		}
		classes = append(classes, class)
	}
	last := SizeClass{}
	for _, n := range d.buckets[from:] {
		last.Values += n
	}
	return append(classes, last)
}
