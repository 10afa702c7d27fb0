package results

import (
	"testing"
	"time"
)

// TestTimeBlocksAreBounded: however long a run is, its blocks are few and hold all that was counted.
func TestTimeBlocksAreBounded(t *testing.T) {
	b := &TimeBlocks{}
	const from, seconds = 7, 1000
	for second := from; second < from+seconds; second++ {
		if err := b.Add(second, histogram(time.Duration(second)*time.Millisecond)); err != nil {
			t.Fatal(err)
		}
	}
	if len(b.Counts) > maxBlocks || b.Seconds != 8 || b.From != 0 {
		t.Errorf("%d blocks of %d s from %d", len(b.Counts), b.Seconds, b.From)
	}
	var n int64
	for i, counts := range b.Counts {
		h := NewHistogram()
		if err := counts.AddTo(h); err != nil {
			t.Fatal(err)
		}
		n += h.Count()
		if first, last := float64(i*b.Seconds), float64((i+1)*b.Seconds); h.Min() < first*0.999 ||
			h.Max() > last*1.001 {
			t.Errorf("block %d holds the seconds %v to %v", i, h.Min(), h.Max())
		}
	}
	if n != seconds {
		t.Errorf("%d of %d values are left", n, seconds)
	}
}
