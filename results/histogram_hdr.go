package results

import (
	"errors"
	"fmt"
	"math"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// newDense is an empty histogram of HdrHistogram's library with our range.
func newDense() *hdr.Histogram { return hdr.New(lowestMicros, highestMicros, digits) }

// dense is the histogram as HdrHistogram's library has it.
func (h *Histogram) dense() *hdr.Histogram {
	d := newDense()
	h.addTo(d)
	return d
}

// addTo adds the histogram to one of newDense.
func (h *Histogram) addTo(d *hdr.Histogram) {
	h.each(func(bucket int, count int64) bool {
		_ = d.RecordValues(leastOf(bucket), count) // cannot fail within the range
		return true
	})
}

// ofDense is what HdrHistogram's library counted of microseconds, in whatever range.
func ofDense(d *hdr.Histogram) (*Histogram, error) {
	h := NewHistogram()
	for _, bar := range d.Distribution() {
		switch {
		case bar.Count == 0:
		case bar.From > highestMicros:
			return nil, fmt.Errorf("read a histogram: %d values beyond %v", bar.Count, time.Hour)
		case bar.Count < 0 || h.count > math.MaxInt64-bar.Count:
			return nil, errors.New("read a histogram: more values than can be counted")
		default:
			h.add(bucketOf(bar.From), bar.Count)
		}
	}
	return h, nil
}
