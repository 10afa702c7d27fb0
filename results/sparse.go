package results

import (
	"encoding/json"
	"fmt"
	"iter"
	"math/bits"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// Sparse counts durations exactly as a [Histogram] does, in memory that grows with the number of different ones: for the many
// histograms of which each holds what was counted in a short time. The zero value is empty. It is saved in the V2 compressed
// encoding of HdrHistogram, as base64; an empty one as an empty text. One that was read is decoded where its counts are
// needed, which is where a damaged one is found.
type Sparse struct {
	counts  *hdr.PackedHistogram
	encoded string // as it was read; then counts is nil
}

// Empty reports whether nothing was counted.
func (s Sparse) Empty() bool { return s.counts == nil && s.encoded == "" }

// merge adds what h counted.
func (s *Sparse) merge(h *Histogram) error {
	counts, err := s.decoded()
	if err != nil {
		return err
	}
	s.counts, s.encoded = counts, ""
	return dropped(counts.MergeFrom(h.counts))
}

// Plus is what s and o counted together; both stay as they are.
func (s Sparse) Plus(o Sparse) (Sparse, error) {
	if s.Empty() {
		return o, nil
	}
	if o.Empty() {
		return s, nil
	}
	a, err := s.decoded()
	if err != nil {
		return Sparse{}, err
	}
	b, err := o.decoded()
	if err != nil {
		return Sparse{}, err
	}
	sum := a.Clone()
	return Sparse{counts: sum}, dropped(sum.Merge(b))
}

// AddTo adds to a histogram what s counted.
func (s Sparse) AddTo(h *Histogram) error {
	if s.Empty() {
		return nil
	}
	counts, err := s.decoded()
	if err != nil {
		return err
	}
	return dropped(counts.MergeInto(h.counts))
}

// Buckets are the different durations in ascending order, in milliseconds, each with how often it was counted.
func (s Sparse) Buckets() (iter.Seq2[float64, int64], error) {
	counts, err := s.decoded()
	if err != nil {
		return nil, err
	}
	return func(yield func(float64, int64) bool) {
		counts.ForEachBucket(func(micros, count int64) bool { return yield(millis(greatestEqual(micros)), count) })
	}, nil
}

// greatestEqual is the greatest number of microseconds that a histogram does not tell from the given one, which is the
// smallest. Numbers of up to 11 bits are all told apart, and of longer ones their first 11 bits.
func greatestEqual(micros int64) int64 {
	const kept = 11
	return micros | (1<<max(0, bits.Len64(uint64(micros))-kept) - 1)
}

// Decoded is s, decoded if it was read, so that what uses its counts several times does not decode it each time.
func (s Sparse) Decoded() (Sparse, error) {
	if s.Empty() {
		return s, nil
	}
	counts, err := s.decoded()
	return Sparse{counts: counts}, err
}

// decoded returns the counts, an empty histogram where there are none.
func (s Sparse) decoded() (*hdr.PackedHistogram, error) {
	switch {
	case s.counts != nil:
		return s.counts, nil
	case s.encoded == "":
		return hdr.NewPacked(lowestMicros, highestMicros, digits), nil
	}
	counts, err := hdr.DecodePacked([]byte(s.encoded))
	if err != nil {
		return nil, fmt.Errorf("histogram: %w", err)
	}
	return counts, nil
}

// dropped is the error of a merge that could not take so many values.
func dropped(n int64) error {
	if n > 0 {
		return fmt.Errorf("merge histograms: %d values beyond %v", n, time.Hour)
	}
	return nil
}

// MarshalJSON encodes the histogram.
func (s Sparse) MarshalJSON() ([]byte, error) {
	if s.counts == nil {
		return json.Marshal(s.encoded)
	}
	text, err := s.counts.Encode()
	if err != nil {
		return nil, fmt.Errorf("encode a histogram: %w", err)
	}
	return json.Marshal(string(text))
}

// UnmarshalJSON takes the encoded histogram as it is.
func (s *Sparse) UnmarshalJSON(data []byte) error {
	s.counts = nil
	return json.Unmarshal(data, &s.encoded)
}
