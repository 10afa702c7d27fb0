package cache

import (
	"encoding/binary"
	"errors"
	"slices"
	"time"
	"unsafe"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/s2"
)

// The form of a value in L2 and L3: a header of headerSize bytes, then the body. All numbers are big-endian.
//
//	0  version of the form
//	1  flags
//	2  epoch of the stripe in L2 before the value was loaded (8 bytes; 0 in L3)
//	10 time of storing, Unix seconds (8 bytes)
//	18 lifetime in seconds (4 bytes)
//	22 xxhash64 of the body (8 bytes): an entity tag, and a check that it arrived whole
const (
	valueVersion = 1
	headerSize   = 30

	flagS2 = 1 // the body is one S2 block
)

// Bodies of more than compressionThreshold bytes are compressed, and kept so if that saves an eighth at least. S2 and
// not gzip, though clients want that: a hit in L2 has to give the plain body too, for which S2 is made; what is read
// again from L1 gets its gzip form there, once. (For the list of BenchmarkCompression, unpacking S2
// took a seventh of the time of gzip, in return for a ratio of 5.7 and not 8.4. It makes a new gzip reader each time, and
// its list's names hardly differ: both flatter S2.)
const compressionThreshold = 1024

// value is what was read from L2 or L3.
type value struct {
	body    []byte
	hash    uint64
	epoch   uint64
	expires time.Time
}

var errMalformed = errors.New("the stored value is damaged")

// encodeValue returns the stored form of a body, and counts what compression saved.
func encodeValue(body []byte, hash, epoch uint64, ttl time.Duration, counts *counts) []byte {
	return appendValue(nil, body, hash, epoch, ttl, counts)
}

// appendValue appends the stored form of a body to dst, and counts what compression saved.
func appendValue(dst, body []byte, hash, epoch uint64, ttl time.Duration, counts *counts) []byte {
	begin := len(dst)
	if len(body) > compressionThreshold {
		most := s2.MaxEncodedLen(len(body))
		dst = slices.Grow(dst, headerSize+most)
		packed := s2.Encode(dst[begin+headerSize:begin+headerSize+most], body)
		counts.bytesBefore.Add(uint64(len(body)))
		if len(packed) <= len(body)-len(body)/8 {
			counts.bytesAfter.Add(uint64(len(packed)))
			dst = dst[:begin+headerSize+len(packed)]
			putHeader(dst[begin:], flagS2, hash, epoch, ttl)
			return dst
		}
		counts.bytesAfter.Add(uint64(len(body)))
	}
	dst = append(slices.Grow(dst, headerSize+len(body))[:begin+headerSize], body...)
	putHeader(dst[begin:], 0, hash, epoch, ttl)
	return dst
}

func putHeader(b []byte, flags byte, hash, epoch uint64, ttl time.Duration) {
	b[0], b[1] = valueVersion, flags
	binary.BigEndian.PutUint64(b[2:], epoch)
	binary.BigEndian.PutUint64(b[10:], uint64(time.Now().Unix()))
	binary.BigEndian.PutUint32(b[18:], uint32(ttl/time.Second))
	binary.BigEndian.PutUint64(b[22:], hash)
}

// decodeValue reads a stored value. A body that was not compressed shares its bytes with stored.
func decodeValue(stored []byte) (value, error) {
	if len(stored) < headerSize || stored[0] != valueVersion {
		return value{}, errMalformed
	}
	v := value{
		body:  stored[headerSize:len(stored):len(stored)],
		epoch: binary.BigEndian.Uint64(stored[2:]),
		expires: time.Unix(int64(binary.BigEndian.Uint64(stored[10:])), 0).
			Add(time.Duration(binary.BigEndian.Uint32(stored[18:])) * time.Second),
		hash: binary.BigEndian.Uint64(stored[22:]),
	}
	if stored[1]&flagS2 != 0 {
		if n, err := s2.DecodedLen(v.body); err != nil || n > maxBody {
			return value{}, errMalformed
		}
		body, err := s2.Decode(nil, v.body)
		if err != nil {
			return value{}, errMalformed
		}
		v.body = body
	}
	if xxhash.Sum64(v.body) != v.hash {
		return value{}, errMalformed
	}
	return v, nil
}

// maxBody bounds what a damaged header can make decodeValue allocate.
const maxBody = 64 << 20

// storedEpoch reads only the epoch; ok is false when there is no header.
func storedEpoch(stored string) (epoch uint64, ok bool) {
	if len(stored) < headerSize {
		return 0, false
	}
	return binary.BigEndian.Uint64(bytesOf(stored[2:10])), true
}

// bytesOf gives the bytes of a string without copying them. Nobody may change them.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
