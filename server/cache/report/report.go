// Package report defines what a cache reports about its own performance, and the advice that follows from it. It
// measures nothing itself.
package report

import (
	"time"

	"github.com/policycortex/headroom/server/cache/usage"
)

// Report is the performance of a cache since it was opened. A field without data is null, not 0.
type Report struct {
	At            time.Time `json:"at"`
	UptimeSeconds float64   `json:"uptime_seconds"`
	// Requests counts all calls of Get. OverallHitRate is the share of them that any level served, 0 to 1.
	Requests       uint64   `json:"requests"`
	OverallHitRate *float64 `json:"overall_hit_rate"`
	Levels         struct {
		L1 Level `json:"l1"`
		L2 Level `json:"l2"`
		L3 Level `json:"l3"`
	} `json:"levels"`
	// LoadLatency is how long the requests took that no level served.
	LoadLatency *usage.Latency `json:"load_latency"`
	Activity
	Reaccess *usage.Reaccess `json:"reaccess"` // null until an interval was measured

	// RequestsByHour counts by the hour of the day, UTC. PeakHours are those with more than 1.5 times the average.
	RequestsByHour [24]uint64 `json:"requests_by_hour_utc"`
	PeakHours      []int      `json:"peak_hours_utc"`
	// KeyPatterns are the most frequent forms of keys, from a sample of the requests.
	KeyPatterns []usage.KeyPattern `json:"key_patterns"`
	// SizeDistribution counts the loaded values by their size.
	SizeDistribution []usage.SizeClass `json:"size_distribution"`
	// Breakers are the states of the circuit breakers by level: closed, open or half-open; empty without that level.
	Breakers        map[string]string `json:"breakers"`
	Recommendations []Recommendation  `json:"recommendations"`
}

// Activity is what a cache did besides serving requests, and its present settings.
type Activity struct {
	L1            L1          `json:"l1_size"`
	Evictions     uint64      `json:"evictions"`     // entries that L1 had no room for
	Expirations   uint64      `json:"expirations"`   // entries in L1 whose lifetime was over
	Invalidations uint64      `json:"invalidations"` // scopes that were invalidated through this instance
	Prefetch      Prefetch    `json:"prefetch"`
	Compression   Compression `json:"compression"`
	Warming       *Warming    `json:"warming"` // null when nothing was to be warmed
	// TTLs are the present lifetimes by class of query.
	TTLs map[string]TTL `json:"ttls"`
}

// TTL is how long values of a class are kept by each level, in seconds.
type TTL struct {
	L1Seconds float64  `json:"l1_seconds"` // adapts, and is at most what is set
	L2Seconds float64  `json:"l2_seconds"`
	L3Seconds *float64 `json:"l3_seconds"` // null: L3 does not keep them
}

// Level is one level of the cache.
type Level struct {
	Hits   uint64 `json:"hits"`   // requests that it served
	Misses uint64 `json:"misses"` // requests that reached it and went on
	Errors uint64 `json:"errors"` // operations that failed or were dropped
	// HitRate is the share of the requests that reached the level and that it served, 0 to 1.
	HitRate *float64 `json:"hit_rate"`
	// Latency is that of the requests that the level served; in L1, of a sample of one in 64.
	Latency *usage.Latency `json:"latency"`
}

// L1 is the size of L1, in bytes, and how it adapts.
type L1 struct {
	Bytes         uint64  `json:"bytes"` // in use, with an estimate of the overhead of an entry
	MaxBytes      uint64  `json:"max_bytes"`
	SmallestBytes uint64  `json:"smallest_bytes"` // the bounds of MaxBytes
	LargestBytes  uint64  `json:"largest_bytes"`
	Entries       int     `json:"entries"`
	TTLSeconds    float64 `json:"ttl_seconds"`
	LastDecision  string  `json:"last_decision"` // on the size; empty before the first
}

// Compression counts the values for L2 and L3 that were long enough to be compressed.
type Compression struct {
	BytesBefore uint64   `json:"bytes_before"`
	BytesAfter  uint64   `json:"bytes_after"`
	Ratio       *float64 `json:"ratio"` // before / after
}

// Prefetch says what prefetching achieved.
type Prefetch struct {
	Relation
	// Dropped counts what was not prefetched because the queue was full or requests kept the database busy.
	Dropped    uint64              `json:"dropped"`
	ByRelation map[string]Relation `json:"by_relation"` // next_page, items, successor
}

// Relation counts the values that were prefetched because of one relation between keys.
type Relation struct {
	Prefetched uint64 `json:"prefetched"`
	Used       uint64 `json:"used"`   // requested while they were in L1
	Lost       uint64 `json:"lost"`   // expired, evicted or invalidated before that
	Failed     uint64 `json:"failed"` // could not be loaded, or did not exist
	// Effectiveness is Used / Prefetched; null when nothing was prefetched. A value that is neither used nor lost yet
	// counts against it.
	Effectiveness *float64 `json:"effectiveness"`
}

// Warming counts the entries of a warming plan.
type Warming struct {
	Total  int `json:"total"`
	Loaded int `json:"loaded"` // made from their source
	Kept   int `json:"kept"`   // found in a level
	Failed int `json:"failed"` // did not exist, or their load failed
	// Running reports whether the plan is being worked on. Seconds is how long that has taken, pauses not counted.
	Running bool    `json:"running"`
	Seconds float64 `json:"seconds"`
}

// Done reports whether every entry was tried.
func (w Warming) Done() bool { return w.Loaded+w.Kept+w.Failed == w.Total }

// Share returns a / (a+b), rounded to four digits, or nil when both are 0.
func Share(a, b uint64) *float64 {
	if a+b == 0 {
		return nil
	}
	return new(usage.Rounded(float64(a) / float64(a+b)))
}

// CompressionOf makes the counts of a report, with the ratio if there is one.
func CompressionOf(before, after uint64) Compression {
	c := Compression{BytesBefore: before, BytesAfter: after}
	if after > 0 {
		c.Ratio = new(usage.Rounded(float64(before) / float64(after)))
	}
	return c
}

// PrefetchOf sums up the relations and computes their effectiveness.
func PrefetchOf(byRelation map[string]Relation, dropped uint64) Prefetch {
	all := Prefetch{Dropped: dropped, ByRelation: byRelation}
	for name, r := range byRelation {
		all.Prefetched += r.Prefetched
		all.Used += r.Used
		all.Lost += r.Lost
		all.Failed += r.Failed
		r.setEffectiveness()
		byRelation[name] = r
	}
	all.setEffectiveness()
	return all
}

func (r *Relation) setEffectiveness() {
	if r.Prefetched > 0 {
		r.Effectiveness = new(usage.Rounded(float64(r.Used) / float64(r.Prefetched)))
	}
}
