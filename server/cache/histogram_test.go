package cache

import (
	"math"
	"testing"
)

func TestHistogram(t *testing.T) {
	var h histogram
	if d := h.read(); d.mean() != 0 || d.quantile(0.5) != 0 {
		t.Errorf("an empty histogram has mean %g and median %g", d.mean(), d.quantile(0.5))
	}
	for v := range uint64(100_001) {
		h.record(v)
	}
	d := h.read()
	if d.count != 100_001 || d.mean() != 50_000 {
		t.Errorf("count %d, mean %g", d.count, d.mean())
	}
	for _, q := range []float64{0.0001, 0.01, 0.5, 0.95, 0.999} {
		if got, want := d.quantile(q), q*100_000; math.Abs(got-want) > want/16+1 {
			t.Errorf("quantile %g is %g, want %g", q, got, want)
		}
	}
	h.record(math.MaxUint64)
	h.record(5)
	if w := h.read().since(d); w.count != 2 || w.quantile(0.5) != 5 || w.quantile(1) < maxValue*0.9 {
		t.Errorf("since then: count %d, median %g, greatest %g", w.count, w.quantile(0.5), w.quantile(1))
	}
}

func TestEveryValueLiesNearItsBucket(t *testing.T) {
	last := 0
	for v := uint64(0); v < maxValue; v += 1 + v/50 {
		i := bucketOf(v)
		if i < last {
			t.Fatalf("%d is in bucket %d, after %d", v, i, last)
		}
		if last = i; math.Abs(bucketMiddle(i)-float64(v)) > float64(v)/16 {
			t.Fatalf("%d is in bucket %d, which stands for %g", v, i, bucketMiddle(i))
		}
	}
	if last >= bucketCount {
		t.Errorf("bucket %d of %d", last, bucketCount)
	}
}
