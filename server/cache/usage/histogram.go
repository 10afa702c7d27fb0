package usage

import (
	"math/bits"
	"sync/atomic"
)

// Histogram counts values without a lock. It has sixteen buckets per doubling, so its values are accurate to 1/16. (The
// HDR histograms of this repository are accurate to three digits and need a lock; these histograms are written on every
// path of the cache.)
type Histogram struct {
	sum     atomic.Uint64
	buckets [bucketCount]atomic.Uint64
}

const (
	bucketBits  = 4 // sixteen buckets an octave
	maxValue    = 1<<40 - 1
	bucketCount = (40 - bucketBits + 1) << bucketBits
)

func bucketOf(v uint64) int {
	v = min(v, maxValue)
	octave := max(bits.Len64(v)-bucketBits-1, 0)
	if octave == 0 {
		return int(v)
	}
	return octave<<bucketBits + int(v>>octave)
}

// bucketMiddle returns the value that represents a bucket.
func bucketMiddle(i int) float64 {
	octave := i>>bucketBits - 1
	if octave <= 0 {
		return float64(i)
	}
	lowest := uint64(i&(1<<bucketBits-1)|1<<bucketBits) << octave
	return float64(lowest) + float64(uint64(1)<<octave-1)/2
}

// Record counts a value.
func (h *Histogram) Record(v uint64) {
	h.sum.Add(v)
	h.buckets[bucketOf(v)].Add(1)
}

// Distribution is a copy of a histogram's counts.
type Distribution struct {
	Count, sum uint64
	buckets    [bucketCount]uint64
}

// Read takes a copy.
func (h *Histogram) Read() *Distribution {
	d := &Distribution{sum: h.sum.Load()}
	for i := range h.buckets {
		d.buckets[i] = h.buckets[i].Load()
		d.Count += d.buckets[i]
	}
	return d
}

// since returns what was recorded between an earlier copy and this one.
func (d *Distribution) since(earlier *Distribution) *Distribution {
	if earlier == nil {
		return d
	}
	w := &Distribution{Count: d.Count - earlier.Count, sum: d.sum - earlier.sum}
	for i := range w.buckets {
		w.buckets[i] = d.buckets[i] - earlier.buckets[i]
	}
	return w
}

// Mean returns the mean of the values; 0 when there are none.
func (d *Distribution) Mean() float64 {
	if d.Count == 0 {
		return 0
	}
	return float64(d.sum) / float64(d.Count)
}

// Quantile returns the value that a share q of the values does not exceed; 0 when there are none.
func (d *Distribution) Quantile(q float64) float64 {
	wanted := max(uint64(q*float64(d.Count)+0.5), 1)
	seen := uint64(0)
	for i, n := range d.buckets {
		seen += n
		if seen >= wanted {
			return bucketMiddle(i)
		}
	}
	return 0
}
