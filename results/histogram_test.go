package results

import (
	"math"
	"testing"
	"time"
)

func histogram(values ...time.Duration) *Histogram {
	h := NewHistogram()
	for _, v := range values {
		h.Record(v)
	}
	return h
}

func near(a, b float64) bool { return math.Abs(a-b) <= 0.001*math.Max(math.Abs(a), math.Abs(b)) }

func TestHistogram(t *testing.T) {
	h := NewHistogram()
	for i := 1; i <= 1000; i++ {
		h.Record(time.Duration(i) * time.Millisecond)
	}
	for p, want := range map[float64]float64{50: 500, 95: 950, 99: 990, 99.9: 999, 100: 1000} {
		if got := h.Percentile(p); !near(got, want) {
			t.Errorf("Percentile(%v) = %v, want %v", p, got, want)
		}
	}
	if h.Count() != 1000 || !near(h.Mean(), 500.5) || !near(h.Min(), 1) || !near(h.Max(), 1000) {
		t.Errorf("count %d, mean %v, min %v, max %v", h.Count(), h.Mean(), h.Min(), h.Max())
	}
}

// At least p percent of the values are at or below the p-th percentile, and fewer below it, however few there are.
func TestPercentileOfFew(t *testing.T) {
	for _, p := range []float64{1, 50, 75, 90, 95, 99, 99.9} {
		h := NewHistogram()
		for n := 1; n <= 1500; n++ {
			h.Record(time.Duration(n) * time.Microsecond)
			if n%100 != 0 && n > 200 {
				continue
			}
			rank := 0 // by whole numbers: the least of which 1000 times are at least 10 p n
			for rank*1000 < int(math.Round(10*p))*n {
				rank++
			}
			if got := h.Percentile(p); got != float64(rank)/1000 {
				t.Fatalf("P%v of the %d durations 1, 2, ... µs is %v ms, want %d µs", p, n, got, rank)
			}
		}
	}
}

func TestHistogramLosesNothing(t *testing.T) {
	h := histogram(-time.Second, 0, 2*time.Hour)
	if h.Count() != 3 || h.Min() != 0 || !near(h.Max(), 3600e3) {
		t.Errorf("count %d, min %v, max %v", h.Count(), h.Min(), h.Max())
	}
	if empty := NewHistogram(); empty.Count() != 0 || empty.Mean() != 0 || empty.Percentile(50) != 0 ||
		empty.Max() != 0 || empty.Curve() != nil {
		t.Error("an empty histogram is not all zero")
	}
}

func TestHistogramMinus(t *testing.T) {
	before := histogram(time.Millisecond, 5*time.Millisecond)
	now := histogram(time.Millisecond, 5*time.Millisecond, 5*time.Millisecond, time.Second)
	delta, err := now.Minus(before)
	if err != nil {
		t.Fatal(err)
	}
	if delta.Count() != 2 || !near(delta.Min(), 5) || !near(delta.Max(), 1000) {
		t.Errorf("count %d, min %v, max %v", delta.Count(), delta.Min(), delta.Max())
	}
	if _, err := before.Minus(now); err == nil {
		t.Error("counts that went down made no error")
	}
}

func TestHistogramMerge(t *testing.T) {
	sum := histogram(time.Millisecond)
	if err := sum.Merge(histogram(2*time.Millisecond, 3*time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if sum.Count() != 3 || !near(sum.Max(), 3) {
		t.Errorf("count %d, max %v", sum.Count(), sum.Max())
	}
}

func TestCurve(t *testing.T) {
	h := NewHistogram()
	for i := 1; i <= 1000; i++ {
		h.Record(time.Duration(i) * time.Millisecond)
	}
	curve := h.Curve()
	last := CurvePoint{Percentile: -1}
	for _, p := range curve {
		if p.Percentile < last.Percentile || p.Millis < last.Millis || p.Nines < last.Nines {
			t.Fatalf("%+v comes after %+v", p, last)
		}
		if !near(p.Nines, -math.Log10(1-p.Percentile/100)) && p.Percentile > 0 {
			t.Errorf("%+v: wrong nines", p)
		}
		last = p
	}
	// One sample of 1000 is beyond P99.9: the curve says nothing of what lies further out.
	if !near(last.Percentile, 99.9) || !near(last.Millis, 1000) || len(curve) < 20 {
		t.Errorf("%d points, the last is %+v", len(curve), last)
	}
}

func BenchmarkHistogramRecord(b *testing.B) {
	h := NewHistogram()
	b.ReportAllocs()
	for i := range b.N {
		h.Record(time.Duration(i) * time.Microsecond)
	}
}
