package cache

import (
	"strconv"

	"github.com/cespare/xxhash/v2"
)

// Entry is a value, ready to be sent. It is shared by all who get it: nothing in it may be changed.
type Entry struct {
	// Body is the value as it was loaded.
	Body []byte
	// Gzip is Body compressed, or nil when that does not pay or has not been done yet.
	Gzip []byte
	// Values of headers. The tag is a weak one, as it stands for both forms of the body.
	ContentLength, GzipLength, ETag []string

	stripe *stripe
	epoch  uint64 // of the stripe, before the value was loaded
	hash   uint64 // of the key
	// transit says that L1 keeps the entry only until L2 has it.
	transit bool
}

// newEntry makes an entry of a body. A nil body says that there is nothing under the key.
func newEntry(body []byte, s *stripe, epoch, hash uint64) *Entry {
	e := &Entry{Body: body, stripe: s, epoch: epoch, hash: hash}
	if body == nil {
		return e
	}
	values := [2]string{strconv.Itoa(len(body)), ETag(body)}
	e.ContentLength, e.ETag = values[:1:1], values[1:]
	return e
}

// ETag is the entity tag of a body: the one with which a cached body is sent.
func ETag(body []byte) string {
	b := make([]byte, 0, 24)
	b = append(b, `W/"`...)
	b = strconv.AppendUint(b, xxhash.Sum64(body), 36)
	return string(append(b, '"'))
}

// missing says that there is nothing under the key.
func (e *Entry) missing() bool { return e.Body == nil }

// valid says that nothing has been invalidated since the value was loaded.
func (e *Entry) valid() bool { return e.epoch == e.stripe.epoch.Load() }
