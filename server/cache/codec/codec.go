// Package codec encodes values for the shared levels of the cache (L2 and L3), and compresses bodies for HTTP
// responses.
//
// A stored value is a header of 30 bytes, then the body. All numbers are big-endian.
//
//	0  version of the format (1 byte)
//	1  flags (1 byte; bit 0: the body is one S2 block)
//	2  epoch of the stripe in L2 before the value was loaded (8 bytes; 0 in L3)
//	10 time of storing, Unix seconds (8 bytes)
//	18 lifetime in seconds (4 bytes)
//	22 xxhash64 of the body (8 bytes): an entity tag, and a check that the body arrived whole
package codec

import (
	"encoding/binary"
	"errors"
	"slices"
	"time"
	"unsafe"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/s2"
)

const (
	version    = 1
	headerSize = 30

	flagS2 = 1
)

// CompressionThreshold is the usual size in bytes above which bodies are compressed; the result is used if it saves at
// least an eighth.
//
// Stored bodies use S2 rather than gzip, although clients want gzip: a hit in L2 needs the plain body too, and S2
// unpacks quickly. An entry that is read again from L1 gets its gzip form there, once. (BenchmarkCompression: for a
// list, unpacking S2 took a seventh of the time of gzip, at a ratio of 5.7 instead of 8.4. The benchmark makes a new
// gzip reader each time, and the names in its list hardly differ; both flatter S2.)
const CompressionThreshold = 1024

// maxBody bounds what a damaged header can make Decode allocate, in bytes.
const maxBody = 64 << 20

// Value is a decoded value.
type Value struct {
	Body    []byte
	Hash    uint64 // xxhash64 of Body
	Epoch   uint64
	Expires time.Time
}

// ErrMalformed is returned by [Decode] for bytes that are not a whole stored value.
var ErrMalformed = errors.New("the stored value is damaged")

// Compression says what compressing bodies did, in bytes. Both fields are 0 for a body that was too short to compress.
type Compression struct{ Before, After int }

// Append appends the stored form of a body to dst, compressed if the body has more than over bytes. hash is the body's
// xxhash64.
func Append(dst, body []byte, over int, hash, epoch uint64, ttl time.Duration) ([]byte, Compression) {
	begin := len(dst)
	c := Compression{}
	if len(body) > over {
		most := s2.MaxEncodedLen(len(body))
		dst = slices.Grow(dst, headerSize+most)
		packed := s2.Encode(dst[begin+headerSize:begin+headerSize+most], body)
		c = Compression{Before: len(body), After: len(body)}
		if saves(len(packed), len(body)) {
			c.After = len(packed)
			dst = dst[:begin+headerSize+len(packed)]
			putHeader(dst[begin:], flagS2, hash, epoch, ttl)
			return dst, c
		}
	}
	dst = append(slices.Grow(dst, headerSize+len(body))[:begin+headerSize], body...)
	putHeader(dst[begin:], 0, hash, epoch, ttl)
	return dst, c
}

// saves reports whether the compressed form is smaller by at least an eighth.
func saves(packed, plain int) bool { return packed <= plain-plain/8 }

func putHeader(b []byte, flags byte, hash, epoch uint64, ttl time.Duration) {
	b[0], b[1] = version, flags
	binary.BigEndian.PutUint64(b[2:], epoch)
	binary.BigEndian.PutUint64(b[10:], uint64(time.Now().Unix()))
	binary.BigEndian.PutUint32(b[18:], uint32(ttl/time.Second))
	binary.BigEndian.PutUint64(b[22:], hash)
}

// Decode reads a stored value, or returns [ErrMalformed]. A body that was not compressed shares its bytes with stored.
func Decode(stored []byte) (Value, error) {
	if len(stored) < headerSize || stored[0] != version {
		return Value{}, ErrMalformed
	}
	v := Value{
		Body:  stored[headerSize:len(stored):len(stored)],
		Epoch: binary.BigEndian.Uint64(stored[2:]),
		Expires: time.Unix(int64(binary.BigEndian.Uint64(stored[10:])), 0).
			Add(time.Duration(binary.BigEndian.Uint32(stored[18:])) * time.Second),
		Hash: binary.BigEndian.Uint64(stored[22:]),
	}
	if stored[1]&flagS2 != 0 {
		if n, err := s2.DecodedLen(v.Body); err != nil || n > maxBody {
			return Value{}, ErrMalformed
		}
		body, err := s2.Decode(nil, v.Body)
		if err != nil {
			return Value{}, ErrMalformed
		}
		v.Body = body
	}
	if xxhash.Sum64(v.Body) != v.Hash {
		return Value{}, ErrMalformed
	}
	return v, nil
}

// Epoch reads only the epoch of a stored value; ok is false when it has no whole header.
func Epoch(stored string) (epoch uint64, ok bool) {
	if len(stored) < headerSize {
		return 0, false
	}
	return binary.BigEndian.Uint64(BytesOf(stored[2:10])), true
}

// BytesOf returns the bytes of a string without copying them. They must not be changed.
func BytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
