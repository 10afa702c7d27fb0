package usage

import (
	"math"
	"testing"
)

func TestHistogram(t *testing.T) {
	var h Histogram
	if d := h.Read(); d.Mean() != 0 || d.Quantile(0.5) != 0 {
		t.Errorf("an empty histogram has mean %g and median %g", d.Mean(), d.Quantile(0.5))
	}
	for v := range uint64(100_001) {
		h.Record(v)
	}
	d := h.Read()
	if d.Count != 100_001 || d.Mean() != 50_000 {
		t.Errorf("count %d, mean %g", d.Count, d.Mean())
	}
	for _, q := range []float64{0.0001, 0.01, 0.5, 0.95, 0.999} {
		if got, want := d.Quantile(q), q*100_000; math.Abs(got-want) > want/16+1 {
			t.Errorf("quantile %g is %g, want %g", q, got, want)
		}
	}
	h.Record(math.MaxUint64)
	h.Record(5)
	if w := h.Read().since(d); w.Count != 2 || w.Quantile(0.5) != 5 || w.Quantile(1) < maxValue*0.9 {
		t.Errorf("since then: count %d, median %g, greatest %g", w.Count, w.Quantile(0.5), w.Quantile(1))
	}
}

func TestEveryValueLiesNearItsBucket(t *testing.T) {
	last := 0
	for v := uint64(0); v < maxValue; v += 1 + v/50 {
		i := bucketOf(v)
		if i < last {
			t.Fatalf("%d is in bucket %d, after %d", v, i, last)
		}
		last = i
		if math.Abs(bucketMiddle(i)-float64(v)) > float64(v)/16 {
			t.Fatalf("%d is in bucket %d, which stands for %g", v, i, bucketMiddle(i))
		}
	}
	if last >= bucketCount {
		t.Errorf("bucket %d of %d", last, bucketCount)
	}
}
