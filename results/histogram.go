package results

import (
	"errors"
	"io"
	"iter"
	"math"
	"slices"
	"time"

	"github.com/policycortex/headroom/results/stats"
)

// The range of every histogram of this package: whole microseconds up to one hour, to three significant digits, so
// that a value read back is at most 0.1 % above the one recorded.
const (
	lowestMicros  = 1
	highestMicros = int64(time.Hour / time.Microsecond)
	digits        = 3
)

// Histogram counts durations in the buckets of an HdrHistogram (Gil Tene, http://hdrhistogram.org) of microseconds. It
// is not safe for concurrent use, but for reading. Values read from it are milliseconds, the unit of thresholds and
// reports. The zero value is empty.
//
// There are 23,221 buckets, and most histograms of a run use a few hundred of them: those of one second, one loop and
// one request. A histogram therefore begins as a list of the buckets that its durations fell into, two bytes for each.
// When the list would be longer than the counts, it counts, in pages of neighbouring buckets.
type Histogram struct {
	count       int64
	first, last int      // the outermost buckets that are not empty, where count > 0
	listed      []uint16 // the bucket of each duration, until it counts
	paged       bool     // it counts
	pages       []uint16 // where the counts of each page of buckets are, from 1 in units of pages; 0: there are none
	counts      []int64
}

const (
	maxListed   = 4096 // durations, in 8 kB: about as much as the counts of so many take
	pageBuckets = 64
	lastBucket  = 23220 // that of an hour
)

// noCounts are those of a page of which nothing is counted yet.
var noCounts [pageBuckets]int64

// NewHistogram returns an empty histogram. It takes memory as it counts different durations: up to 8 kB while they are
// few, and later 8 bytes for each of the buckets near those that are in use, at most 190 kB.
func NewHistogram() *Histogram { return &Histogram{} }

// Record counts d once. Negative durations count as zero and those beyond an hour as an hour: no duration is lost.
func (h *Histogram) Record(d time.Duration) {
	h.add(bucketOf(min(max(d.Microseconds(), 0), highestMicros)), 1)
}

// add counts a bucket n times.
func (h *Histogram) add(bucket int, n int64) {
	if h.count == 0 {
		h.first, h.last = bucket, bucket
	}
	h.first, h.last = min(h.first, bucket), max(h.last, bucket)
	h.count += n
	if !h.paged {
		if n == 1 && len(h.listed) < maxListed {
			h.listed = append(h.listed, uint16(bucket))
			return
		}
		h.startCounting()
	}
	h.addPaged(bucket, n)
}

func (h *Histogram) addPaged(bucket int, n int64) {
	page := bucket / pageBuckets
	if h.pages[page] == 0 {
		h.counts = append(h.counts, noCounts[:]...)
		h.pages[page] = uint16(len(h.counts) / pageBuckets)
	}
	h.counts[(int(h.pages[page])-1)*pageBuckets+bucket%pageBuckets] += n
}

// startCounting turns the list into counts.
func (h *Histogram) startCounting() {
	h.paged, h.pages = true, make([]uint16, lastBucket/pageBuckets+1)
	for _, bucket := range h.listed {
		h.addPaged(int(bucket), 1)
	}
	h.listed = nil
}

// Reset forgets all that was counted and keeps the memory, for about as many durations as before.
func (h *Histogram) Reset() {
	h.count, h.listed, h.counts = 0, h.listed[:0], h.counts[:0]
	clear(h.pages)
}

// Count is the number of durations recorded.
func (h *Histogram) Count() int64 { return h.count }

// Merge adds what o counted. It fails when there are more durations than can be counted, of which none is added then.
func (h *Histogram) Merge(o *Histogram) error {
	if h.count > math.MaxInt64-o.count {
		return errors.New("merge histograms: more values than can be counted")
	}
	for _, bucket := range o.listed { // in any order
		h.add(int(bucket), 1)
	}
	for page, at := range o.pages {
		if at == 0 {
			continue
		}
		for i, n := range o.counts[(int(at)-1)*pageBuckets : int(at)*pageBuckets] {
			if n > 0 {
				h.add(page*pageBuckets+i, n)
			}
		}
	}
	return nil
}

// each visits the buckets that are not empty, in ascending order.
func (h *Histogram) each(visit func(bucket int, count int64) bool) {
	sorted := slices.Clone(h.listed) // others may read it at the same time
	slices.Sort(sorted)
	for len(sorted) > 0 {
		bucket, n := sorted[0], 1
		for n < len(sorted) && sorted[n] == bucket {
			n++
		}
		sorted = sorted[n:]
		if !visit(int(bucket), int64(n)) {
			return
		}
	}
	for page, at := range h.pages {
		if at == 0 {
			continue
		}
		for i, n := range h.counts[(int(at)-1)*pageBuckets : int(at)*pageBuckets] {
			if n > 0 && !visit(page*pageBuckets+i, n) {
				return
			}
		}
	}
}

// countOf is how often a bucket of a histogram that counts was counted.
func (h *Histogram) countOf(bucket int) int64 {
	at := int(h.pages[bucket/pageBuckets])
	if at == 0 {
		return 0
	}
	return h.counts[(at-1)*pageBuckets+bucket%pageBuckets]
}

// Minus returns what h counted and earlier had not, for two snapshots of the same growing histogram. It fails when a
// count went down: then they are not of one life of one server.
func (h *Histogram) Minus(earlier *Histogram) (*Histogram, error) {
	before := Histogram{}
	before.startCounting()
	err := before.Merge(earlier)
	if err != nil {
		return nil, err
	}
	delta := NewHistogram()
	h.each(func(bucket int, count int64) bool {
		known := before.countOf(bucket)
		before.count -= min(known, count)
		if count > known {
			delta.add(bucket, count-known)
		}
		return true
	})
	if before.count > 0 {
		return nil, errors.New("a histogram count went down between two snapshots: the server was restarted")
	}
	return delta, nil
}

// Percentile returns, in milliseconds, the smallest value that at least p percent of the durations do not exceed; 0
// when empty.
func (h *Histogram) Percentile(p float64) float64 {
	if h.count == 0 {
		return 0
	}
	left, found := stats.Rank(p, h.count), 0
	h.each(func(bucket int, count int64) bool {
		found = bucket
		left -= count
		return left > 0
	})
	return millis(greatestOf(found))
}

// Min returns the smallest duration in milliseconds; 0 when empty.
func (h *Histogram) Min() float64 {
	if h.count == 0 {
		return 0
	}
	return millis(leastOf(h.first))
}

// Max returns the largest duration in milliseconds; 0 when empty.
func (h *Histogram) Max() float64 {
	if h.count == 0 {
		return 0
	}
	return millis(greatestOf(h.last))
}

// Mean returns the arithmetic mean in milliseconds; 0 when empty.
func (h *Histogram) Mean() float64 {
	mean := 0.0
	h.each(func(bucket int, count int64) bool {
		least := leastOf(bucket)
		middle := least + (leastOf(bucket+1)-least)/2
		mean += float64(count) * float64(middle) / float64(h.count)
		return true
	})
	return mean / 1000
}

// CurvePoint is a point of a distribution: Percentile percent of the durations took at most Millis.
type CurvePoint struct {
	Percentile float64 `json:"percentile"` // 0 to below 100
	Nines      float64 `json:"nines"`      // -log10(1 - Percentile/100): 1 is P90, 2 is P99, 3 is P99.9
	Millis     float64 `json:"ms"`
}

// Curve returns the distribution for a "nines" axis, five points a halving of the remaining tail, up to the last
// percentile that the number of samples can tell from the maximum (one sample beyond it).
func (h *Histogram) Curve() []CurvePoint {
	n := h.Count()
	if n == 0 {
		return nil
	}
	var curve []CurvePoint
	for _, b := range h.dense().CumulativeDistributionWithTicks(5) {
		if tail := 1 - b.Quantile/100; tail > 0 && tail*float64(n) >= 1 {
			curve = append(curve, CurvePoint{b.Quantile, -math.Log10(tail), millis(b.ValueAt)})
		}
	}
	tail := 1 / float64(n)
	return append(curve, CurvePoint{100 * (1 - tail), -math.Log10(tail), h.Max()})
}

// Buckets are all durations that the histogram tells apart, from 0 to the longest that was counted, in ascending order,
// in milliseconds, each with how often it was counted, which may be 0.
func (h *Histogram) Buckets() iter.Seq2[float64, int64] {
	return func(yield func(float64, int64) bool) {
		next := 0
		h.each(func(bucket int, count int64) bool {
			for ; next < bucket; next++ {
				if !yield(millis(greatestOf(next)), 0) {
					return false
				}
			}
			next++
			return yield(millis(greatestOf(bucket)), count)
		})
	}
}

func millis(micros int64) float64 { return float64(micros) / 1000 }

// WritePercentiles writes the distribution in the text format of HdrHistogram's outputPercentileDistribution, which its
// plotters read: value in milliseconds, percentile as a share, count up to it, and 1/(1-percentile).
func (h *Histogram) WritePercentiles(w io.Writer) error {
	const ticksPerHalfDistance, microsInMilli = 5, 1000
	_, err := h.dense().PercentilesPrint(w, ticksPerHalfDistance, microsInMilli)
	return err
}
