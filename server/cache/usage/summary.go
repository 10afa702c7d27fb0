package usage

import (
	"math"
	"time"
)

// Latency is in microseconds; its quantiles are accurate to 1/16.
type Latency struct {
	Count  uint64  `json:"count"`
	MeanUS float64 `json:"mean_us"`
	P50US  float64 `json:"p50_us"`
	P95US  float64 `json:"p95_us"`
	P99US  float64 `json:"p99_us"`
}

// Reaccess is the time between consecutive accesses to a key, from a sample.
type Reaccess struct {
	Intervals   uint64  `json:"intervals"`
	MeanSeconds float64 `json:"mean_seconds"`
	P50Seconds  float64 `json:"p50_seconds"`
	P95Seconds  float64 `json:"p95_seconds"`
}

// SizeClass counts values smaller than Below bytes and not in a smaller class; Below is null in the last class.
type SizeClass struct {
	Below  *uint64 `json:"below_bytes"`
	Values uint64  `json:"values"`
}

// Latency summarizes a histogram of nanoseconds; nil when it is empty.
func (h *Histogram) Latency() *Latency {
	d := h.Read()
	if d.Count == 0 {
		return nil
	}
	us := func(ns float64) float64 { return math.Round(ns/10) / 100 }
	return &Latency{
		Count: d.Count, MeanUS: us(d.Mean()),
		P50US: us(d.Quantile(0.5)), P95US: us(d.Quantile(0.95)), P99US: us(d.Quantile(0.99)),
	}
}

// Reaccess summarizes the times between consecutive accesses to a key; nil until one was measured.
func (t *Tracker) Reaccess() *Reaccess {
	d := t.intervals.seen.Read()
	if d.Count == 0 {
		return nil
	}
	seconds := func(us float64) float64 { return Rounded(us / 1e6) }
	return &Reaccess{
		Intervals: d.Count, MeanSeconds: seconds(d.Mean()),
		P50Seconds: seconds(d.Quantile(0.5)), P95Seconds: seconds(d.Quantile(0.95)),
	}
}

// sizeBounds are powers of two, so that each begins a bucket.
var sizeBounds = [...]uint64{256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20}

// Sizes counts the loaded values by class of size; nil when there are none.
func (t *Tracker) Sizes() []SizeClass {
	d := t.sizes.Read()
	if d.Count == 0 {
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

// Rounded rounds to four decimals; further digits of a ratio are noise.
func Rounded(v float64) float64 { return math.Round(v*1e4) / 1e4 }

// ByHour returns the requests by the hour of the day, UTC, and the hours with more than 1.5 times the average. hits and
// misses are L1's totals since it was opened.
func (t *Tracker) ByHour(at time.Time, hits, misses uint64) (requests [24]uint64, peak []int) {
	t.hours.note(hits+misses, at)
	requests = t.hours.read()
	return requests, peaks(requests)
}

// KeyPatterns returns the n most frequent forms of keys, from a sample of the requests.
func (t *Tracker) KeyPatterns(n int) []KeyPattern { return t.shapes.most(n) }
