package results

import (
	"errors"
	"fmt"
	"math"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// dense is the histogram as HdrHistogram's library has it.
func (h *Histogram) dense() *hdr.Histogram {
	d := hdr.New(lowestMicros, highestMicros, digits)
	h.each(func(bucket int, count int64) bool {
		_ = d.RecordValues(leastOf(bucket), count) // cannot fail within the range that New was given
		return true
	})
	return d
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
