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

// Total returns the number of recorded durations and their sum, which is accurate to three digits.
func (d *Durations) Total() (count int64, sum time.Duration) {
	recorded := d.counts.Load()
	if recorded == nil {
		return 0, 0
	}
	microseconds := 0.0
	for i := range recorded {
		n := recorded[i].Load()
		if n == 0 {
			continue
		}
		count += n
		microseconds += float64(n) * countMiddle(i)
	}
	return count, time.Duration(microseconds * float64(time.Microsecond))
}

// countMiddle returns the middle of the values of countIndex i, in microseconds.
func countMiddle(i int) float64 {
	bucket := max(i>>(subBucketBits-1)-1, 0)
	lowest := (i - bucket<<(subBucketBits-1)) << bucket
	return float64(lowest) + float64(int(1)<<bucket-1)/2
}
