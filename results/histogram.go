package results

import (
	"errors"
	"io"
	"iter"
	"math"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"

	"github.com/policycortex/headroom/results/stats"
)

// The range of every histogram of this package: whole microseconds up to one hour, to three significant digits, so
// that a value read back is at most 0.1 % above the one recorded.
const (
	lowestMicros  = 1
	highestMicros = int64(time.Hour / time.Microsecond)
	digits        = 3
)

// Histogram counts durations in an HdrHistogram (Gil Tene, http://hdrhistogram.org) of microseconds. It is not safe for
// concurrent use. Values read from it are milliseconds, the unit of thresholds and reports.
type Histogram struct{ counts *hdr.Histogram }

// NewHistogram returns an empty histogram; it takes about 190 kB whatever is recorded.
func NewHistogram() *Histogram {
	return &Histogram{hdr.New(lowestMicros, highestMicros, digits)}
}

// Record counts d once. Negative durations count as zero and those beyond an hour as an hour: no duration is lost.
func (h *Histogram) Record(d time.Duration) {
	micros := min(max(d.Microseconds(), 0), highestMicros)
	// Within the range that New was given, RecordValue cannot fail.
	_ = h.counts.RecordValue(micros)
}

// Reset forgets all that was counted and keeps the memory.
func (h *Histogram) Reset() { h.counts.Reset() }

// Count is the number of durations recorded.
func (h *Histogram) Count() int64 { return h.counts.TotalCount() }

// Merge adds what o counted; o may have another range, but none of its values may lie beyond this one's.
func (h *Histogram) Merge(o *Histogram) error {
	return dropped(h.counts.Merge(o.counts))
}

// Minus returns what h counted and earlier had not, for two snapshots of the same growing histogram. It fails when a
// count went down: then they are not of one life of one server.
func (h *Histogram) Minus(earlier *Histogram) (*Histogram, error) {
	now, before := h.counts.Export(), earlier.counts.Export()
	if now.LowestTrackableValue != before.LowestTrackableValue || now.SignificantFigures != before.SignificantFigures ||
		len(now.Counts) != len(before.Counts) {
		return nil, errors.New("histogram snapshots of different ranges")
	}
	for i, n := range before.Counts {
		now.Counts[i] -= n
		if now.Counts[i] < 0 {
			return nil, errors.New("a histogram count went down between two snapshots: the server was restarted")
		}
	}
	return &Histogram{hdr.Import(now)}, nil
}

// Percentile returns, in milliseconds, the smallest value that at least p percent of the durations do not exceed; 0
// when empty. The library alone would round the rank to the nearest one: of 31 durations it takes the 29th for their
// P95, which two of them, 6.5 percent, exceed.
func (h *Histogram) Percentile(p float64) float64 {
	n := h.Count()
	if n == 0 {
		return 0
	}
	return millis(h.counts.ValueAtPercentile(100 * float64(stats.Rank(p, n)) / float64(n)))
}

// Min returns the smallest duration in milliseconds; 0 when empty.
func (h *Histogram) Min() float64 { return millis(h.counts.Min()) }

// Max returns the largest duration in milliseconds; 0 when empty.
func (h *Histogram) Max() float64 { return millis(h.counts.Max()) }

// Mean returns the arithmetic mean in milliseconds; 0 when empty.
func (h *Histogram) Mean() float64 {
	if h.Count() == 0 {
		return 0
	}
	return h.counts.Mean() / 1000
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
	for _, b := range h.counts.CumulativeDistributionWithTicks(5) {
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
		for _, bar := range h.counts.Distribution() {
			if !yield(millis(bar.To), bar.Count) {
				return
			}
		}
	}
}

func millis(micros int64) float64 { return float64(micros) / 1000 }

// WritePercentiles writes the distribution in the text format of HdrHistogram's outputPercentileDistribution, which its
// plotters read: value in milliseconds, percentile as a share, count up to it, and 1/(1-percentile).
func (h *Histogram) WritePercentiles(w io.Writer) error {
	const ticksPerHalfDistance, microsInMilli = 5, 1000
	_, err := h.counts.PercentilesPrint(w, ticksPerHalfDistance, microsInMilli)
	return err
}
