package middleware

import (
	"crypto/rand"
	"encoding/hex"
	"strconv"
	"sync/atomic"
)

// maxRequestID is the maximum length of a client's request id, in bytes.
const maxRequestID = 128

// SaneRequestID reports whether a client's request id can be used in headers and logs unchanged.
func SaneRequestID(id string) bool {
	if id == "" || len(id) > maxRequestID {
		return false
	}
	for i := range len(id) {
		switch c := id[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '.', c == ':',
			c == '/', c == '+', c == '=':
		default:
			return false
		}
	}
	return true
}

// RequestIDs makes ids of 64 random bits for the process and a number for the request. Random bits for each request
// would cost more and would not show the order.
type RequestIDs struct {
	process [17]byte
	last    atomic.Uint64
}

// NewRequestIDs draws the random bits of the process.
func NewRequestIDs() *RequestIDs {
	ids := &RequestIDs{}
	var random [8]byte
	rand.Read(random[:]) // it never fails: it ends the process first
	hex.Encode(ids.process[:], random[:])
	ids.process[16] = '-'
	return ids
}

// Append appends a new id of at most 30 bytes, which is unique across processes.
func (r *RequestIDs) Append(b []byte) []byte {
	b = append(b, r.process[:]...)
	return strconv.AppendUint(b, r.last.Add(1), 36)
}
