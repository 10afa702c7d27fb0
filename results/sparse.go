package results

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math"
	"math/bits"
	"sync"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// Sparse counts durations exactly as a [Histogram] does, in memory that grows with the number of different ones: two or
// three bytes for each. It is for the many histograms of which each holds what was counted in a short time. The zero
// value is empty.
//
// It is saved in the V2 compressed encoding of HdrHistogram, as base64, and an empty one as an empty text. One that was
// read is decoded where its counts are needed, which is where a damaged one is found.
type Sparse struct {
	// counts are those of all buckets up to the last one that is not empty, as in the V2 encoding before its
	// compression: a count as a zigzag varint, and n > 1 empty buckets as one of -n.
	counts  []byte
	encoded string // as it was read; then counts is nil
}

// Empty reports whether nothing was counted.
func (s Sparse) Empty() bool { return len(s.counts) == 0 && s.encoded == "" }

// merge adds what h counted.
func (s *Sparse) merge(h *Histogram) error {
	return s.fill(func(sum *Histogram) error { return errors.Join(s.AddTo(sum), sum.Merge(h)) })
}

// Plus is what s and o counted together; both stay as they are.
func (s Sparse) Plus(o Sparse) (sum Sparse, err error) {
	switch {
	case s.Empty():
		return o, nil
	case o.Empty():
		return s, nil
	}
	err = sum.fill(func(sum *Histogram) error { return errors.Join(s.AddTo(sum), o.AddTo(sum)) })
	return sum, err
}

// AddTo adds to a histogram what s counted.
func (s Sparse) AddTo(h *Histogram) error {
	s, err := s.Decoded()
	if err != nil {
		return err
	}
	s.each(func(bucket int, count int64) bool {
		switch {
		case bucket > lastBucket:
			err = fmt.Errorf("merge histograms: %d values beyond %v", count, time.Hour)
		case h.count > math.MaxInt64-count:
			err = errors.New("merge histograms: more values than can be counted")
		default:
			h.add(bucket, count)
		}
		return err == nil
	})
	return err
}

// Buckets are the different durations in ascending order, in milliseconds, each with how often it was counted.
func (s Sparse) Buckets() (iter.Seq2[float64, int64], error) {
	s, err := s.Decoded()
	return func(yield func(float64, int64) bool) {
		s.each(func(bucket int, count int64) bool { return yield(millis(greatestOf(bucket)), count) })
	}, err
}

// Decoded is s, decoded if it was read, so that what uses its counts several times does not decode it each time.
func (s Sparse) Decoded() (out Sparse, err error) {
	if s.encoded == "" {
		return s, nil
	}
	counts, err := hdr.DecodePacked([]byte(s.encoded))
	if err != nil {
		return out, fmt.Errorf("histogram: %w", err)
	}
	out.pack(int(counts.Populated()), func(visit func(bucket int, count int64) bool) {
		counts.ForEachBucket(func(value, count int64) bool { return visit(bucketOf(value), count) })
	})
	return out, nil
}

// each visits the buckets that are not empty, in ascending order.
func (s Sparse) each(visit func(bucket int, count int64) bool) {
	bucket := 0
	for rest := s.counts; len(rest) > 0; {
		count, n := binary.Varint(rest)
		rest = rest[n:]
		switch {
		case count < 0:
			bucket += int(-count)
			continue
		case count > 0 && !visit(bucket, count):
			return
		}
		bucket++
	}
}

// scratches are histograms to add up in.
var scratches = sync.Pool{New: func() any { return NewHistogram() }}

// fill makes s what a function counts.
func (s *Sparse) fill(count func(*Histogram) error) error {
	sum := scratches.Get().(*Histogram)
	defer scratches.Put(sum)
	sum.Reset()
	if err := count(sum); err != nil {
		return err
	}
	s.pack(int(min(sum.count, 1024)), sum.each)
	return nil
}

// pack makes s the buckets that are visited in ascending order, which are about so many.
func (s *Sparse) pack(about int, each func(visit func(bucket int, count int64) bool)) {
	counts := make([]byte, 0, 3*about)
	next := 0
	each(func(bucket int, count int64) bool {
		switch empty := bucket - next; {
		case empty == 1:
			counts = append(counts, 0)
		case empty > 1:
			counts = binary.AppendVarint(counts, int64(-empty))
		}
		counts = binary.AppendVarint(counts, count)
		next = bucket + 1
		return true
	})
	s.counts, s.encoded = bytes.Clone(counts), ""
}

// A histogram tells apart all numbers of up to keptBits bits, and of longer ones their first keptBits: it has a bucket
// for each number below 1<<keptBits, and half as many for each further length.
const keptBits = 11

// bucketOf is the bucket in which a number of microseconds is counted.
func bucketOf(micros int64) int {
	dropped := max(0, bits.Len64(uint64(micros))-keptBits)
	return dropped<<(keptBits-1) + int(micros>>dropped)
}

// leastOf is the smallest number of microseconds that is counted in a bucket.
func leastOf(bucket int) int64 {
	dropped := max(0, bucket>>(keptBits-1)-1)
	return int64(bucket-dropped<<(keptBits-1)) << dropped
}

// greatestOf is the greatest.
func greatestOf(bucket int) int64 { return leastOf(bucket+1) - 1 }

// compressors are zlib writers. The fast level leaves the short texts of a second hardly longer than the best one does,
// and is ten times as fast.
var compressors = sync.Pool{New: func() any {
	w, err := zlib.NewWriterLevel(nil, zlib.BestSpeed)
	if err != nil {
		panic(err) // the level is one of the package's own
	}
	return w
}}

// MarshalJSON encodes the histogram.
func (s Sparse) MarshalJSON() ([]byte, error) {
	if s.Empty() || s.encoded != "" {
		return json.Marshal(s.encoded)
	}
	var head [hdr.ENCODING_HEADER_SIZE]byte
	binary.BigEndian.PutUint32(head[0:], uint32(hdr.V2EncodingCookieBase|0x10))
	binary.BigEndian.PutUint32(head[4:], uint32(len(s.counts)))
	binary.BigEndian.PutUint32(head[12:], digits)
	binary.BigEndian.PutUint64(head[16:], lowestMicros)
	binary.BigEndian.PutUint64(head[24:], uint64(highestMicros))
	binary.BigEndian.PutUint64(head[32:], math.Float64bits(1))
	var compressed bytes.Buffer
	compressed.Write(make([]byte, 8))
	w := compressors.Get().(*zlib.Writer)
	defer compressors.Put(w)
	w.Reset(&compressed)
	_, err := w.Write(head[:])
	_, err2 := w.Write(s.counts)
	if err := errors.Join(err, err2, w.Close()); err != nil {
		return nil, fmt.Errorf("encode a histogram: %w", err)
	}
	out := compressed.Bytes()
	binary.BigEndian.PutUint32(out[0:], uint32(hdr.V2CompressedEncodingCookieBase|0x10))
	binary.BigEndian.PutUint32(out[4:], uint32(len(out)-8))
	text := append(base64.StdEncoding.AppendEncode([]byte{'"'}, out), '"')
	return text, nil
}

// UnmarshalJSON takes the encoded histogram as it is.
func (s *Sparse) UnmarshalJSON(data []byte) error {
	s.counts = nil
	return json.Unmarshal(data, &s.encoded)
}
