package middleware

import (
	"math/bits"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Durations is an HdrHistogram of 1 µs to 60 s with 3 significant digits. Writing takes no lock, because requests of
// one route end on all processors concurrently. Reading copies it into the library's form.
type Durations struct {
	counts atomic.Pointer[[durationCounts]atomic.Int64] // 140 KB; nil until something is recorded
	making sync.Mutex
}

// The form of hdrhistogram.New(1, 60_000_000, 3): 2048 counts for 0 to 2047 µs, then 1024 for each doubling.
const (
	maxMicroseconds   = 60_000_000
	subBucketBits     = 11
	subBucketHalf     = 1 << (subBucketBits - 1)
	durationBuckets   = 16
	durationCounts    = (durationBuckets + 1) * subBucketHalf
	significantDigits = 3
)

// Record counts one duration.
func (d *Durations) Record(took time.Duration) {
	us := uint64(min(max(took.Microseconds(), 1), maxMicroseconds))
	counts := d.counts.Load()
	if counts == nil {
		counts = d.make()
	}
	counts[countIndex(us)].Add(1)
}

func (d *Durations) make() *[durationCounts]atomic.Int64 {
	d.making.Lock()
	defer d.making.Unlock()
	if d.counts.Load() == nil {
		d.counts.Store(new([durationCounts]atomic.Int64))
	}
	return d.counts.Load()
}

func countIndex(v uint64) int {
	bucket := bits.Len64(v|(1<<subBucketBits-1)) - subBucketBits
	return bucket<<(subBucketBits-1) + int(v>>bucket)
}

// Histogram returns a copy of the recorded durations, in microseconds; nil if there are none.
func (d *Durations) Histogram() *hdrhistogram.Histogram {
	recorded := d.counts.Load()
	if recorded == nil {
		return nil
	}
	counts := make([]int64, durationCounts)
	for i := range recorded {
		counts[i] = recorded[i].Load()
	}
	return hdrhistogram.Import(&hdrhistogram.Snapshot{
		LowestTrackableValue: 1, HighestTrackableValue: maxMicroseconds, SignificantFigures: significantDigits,
		Counts: counts,
	})
}
