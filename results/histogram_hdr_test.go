package results

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// TestHistogramIsHdr: whatever is recorded, merged, reset and recorded again, a histogram has the figures that the one
// of HdrHistogram's library has, which counts every bucket from the start.
func TestHistogramIsHdr(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	shapes := map[string]func() time.Duration{
		"narrow": func() time.Duration { return 1500*time.Microsecond + time.Duration(random.IntN(400_000)) },
		"wide":   func() time.Duration { return min(time.Hour, time.Duration(math.Exp(30*random.Float64()))) },
		"usual": func() time.Duration {
			return time.Duration(5e6 * math.Exp(0.7*random.NormFloat64()))
		},
		"edges": func() time.Duration {
			edges := []time.Duration{0, time.Microsecond, 2047e3, 2048e3, 2049e3, time.Hour - 1, time.Hour}
			return edges[random.IntN(len(edges))]
		},
	}
	for name, shape := range shapes {
		t.Run(name, func(t *testing.T) {
			sum, wantSum := NewHistogram(), hdr.New(lowestMicros, highestMicros, digits)
			again := NewHistogram()
			for _, n := range []int{1, 2, 31, 1000, maxListed, maxListed + 1, 20_000, 3, 0, 500} {
				again.Reset()
				want := hdr.New(lowestMicros, highestMicros, digits)
				for range n {
					d := shape()
					again.Record(d)
					err := want.RecordValue(d.Microseconds())
					if err != nil {
						t.Fatal(err)
					}
				}
				holdSame(t, again, want)
				err := sum.Merge(again)
				if err != nil {
					t.Fatal(err)
				}
				wantSum.Merge(want)
				holdSame(t, sum, wantSum)
			}
		})
	}
}

// holdSame fails when a figure of two histograms differs.
func holdSame(t *testing.T, got *Histogram, want *hdr.Histogram) {
	t.Helper()
	if got.Count() != want.TotalCount() || got.Min() != millis(want.Min()) || got.Max() != millis(want.Max()) ||
		got.Mean() != want.Mean()/1000 {
		t.Fatalf("count %d, min %v, max %v, mean %v; want %d, %v, %v, %v", got.Count(), got.Min(), got.Max(),
			got.Mean(), want.TotalCount(), millis(want.Min()), millis(want.Max()), want.Mean()/1000)
	}
	if !got.dense().Equals(want) {
		t.Fatal("the counts differ")
	}
	for rank := int64(1); rank <= want.TotalCount(); rank += 1 + want.TotalCount()/500 {
		p := 100 * float64(rank) / float64(want.TotalCount())
		if value := got.Percentile(p); value != millis(want.ValueAtPercentile(p)) {
			t.Fatalf("P%v is %v, want %v", p, value, millis(want.ValueAtPercentile(p)))
		}
	}
	var bars, wantBars [][2]float64
	for value, count := range got.Buckets() {
		bars = append(bars, [2]float64{value, float64(count)})
	}
	for _, bar := range want.Distribution() {
		wantBars = append(wantBars, [2]float64{millis(bar.To), float64(bar.Count)})
	}
	if !slices.Equal(bars, wantBars) {
		t.Fatalf("%d buckets differ from %d", len(bars), len(wantBars))
	}
	back, err := ofDense(want)
	if err != nil || !back.dense().Equals(want) {
		t.Fatalf("what the library counted becomes something else: %v", err)
	}
}

// TestHistogramOfAnotherRange: counts of another range are taken over, but for those that do not fit.
func TestHistogramOfAnotherRange(t *testing.T) {
	minute := hdr.New(1, 60_000_000, 3) // as the reference server's
	day := hdr.New(1, 24*highestMicros, 3)
	for _, h := range []*hdr.Histogram{minute, day} {
		for _, micros := range []int64{1, 2047, 2048, 59_000_000} {
			if h.RecordValues(micros, 3) != nil {
				t.Fatal("a value is out of range")
			}
		}
		got, err := ofDense(h)
		if err != nil || got.Count() != 12 || got.Max() != millis(h.Max()) {
			t.Errorf("count %d, max %v, %v", got.Count(), got.Max(), err)
		}
	}
	if day.RecordValue(2*highestMicros) != nil {
		t.Fatal("a value is out of range")
	}
	if _, err := ofDense(day); err == nil {
		t.Error("two hours fit into one")
	}
}

// TestHistogramTooManyValues: counts that would overflow are an error, and nothing is added.
func TestHistogramTooManyValues(t *testing.T) {
	many := hdr.New(1, 1000, 3)
	if many.RecordValues(5, math.MaxInt64) != nil {
		t.Fatal("so many cannot be counted")
	}
	full, err := ofDense(many)
	if err != nil {
		t.Fatal(err)
	}
	if full.Merge(histogram(time.Second)) == nil || full.Count() != math.MaxInt64 || full.Max() != 0.005 {
		t.Errorf("count %d, max %v", full.Count(), full.Max())
	}
}

// TestHistogramMemory: a histogram takes memory by what it counted, and keeps it for the next second.
func TestHistogramMemory(t *testing.T) {
	size := func(h *Histogram) int { return 2*cap(h.listed) + 2*cap(h.pages) + 8*cap(h.counts) }
	h := NewHistogram()
	for n := range 100 {
		h.Record(time.Duration(n) * 50 * time.Microsecond)
	}
	if size(h) > 512 {
		t.Errorf("100 durations take %d bytes", size(h))
	}
	random := rand.New(rand.NewPCG(5, 6))
	for range 1_000_000 {
		h.Record(time.Duration(5e6 * math.Exp(0.7*random.NormFloat64())))
	}
	if size(h) > 110_000 {
		t.Errorf("a million durations from 0.2 to 100 ms take %d bytes", size(h))
	}
	allocated := testing.AllocsPerRun(5, func() {
		h.Reset()
		for range 10_000 {
			h.Record(time.Duration(5e6 * math.Exp(0.7*random.NormFloat64())))
		}
	})
	if allocated > 0 {
		t.Errorf("a histogram that is used again allocates %v times", allocated)
	}
}
