package middleware

import (
	"crypto/rand"
	"encoding/hex"
	"strconv"
	"sync/atomic"
)

// maxRequestID is the longest request id that is taken from a client, in bytes.
const maxRequestID = 128

// SaneRequestID says whether an id that came with a request can be put into headers and logs as it is.
func SaneRequestID(id string) bool {
	if id == "" || len(id) > maxRequestID {
		return false
	}
	for i := range len(id) {
		switch c := id[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '.', c == ':', c == '/', c == '+', c == '=':
		default:
			return false
		}
	}
	return true
}

// RequestIDs makes ids: 64 random bits for the process and a number for the request. Random bits for every request
// would cost more and tell less.
type RequestIDs struct {
	process [17]byte
	last    atomic.Uint64
}

// NewRequestIDs draws the id of the process.
func NewRequestIDs() *RequestIDs {
	ids := &RequestIDs{}
	var random [8]byte
	rand.Read(random[:]) // it never fails: it ends the process first
	hex.Encode(ids.process[:], random[:])
	ids.process[16] = '-'
	return ids
}

// Append appends an id that no other process has made, of 30 bytes at most.
func (r *RequestIDs) Append(b []byte) []byte {
	b = append(b, r.process[:]...)
	return strconv.AppendUint(b, r.last.Add(1), 36)
}
