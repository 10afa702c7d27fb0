package cache

import (
	"strconv"
	"sync/atomic"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/policycortex/headroom/server/cache/clock"
	"github.com/policycortex/headroom/server/cache/codec"
	"github.com/policycortex/headroom/server/cache/coherence"
)

// Entry is a value, ready to be sent. All callers share it, so it must not be changed.
type Entry struct {
	// Body is the value as it was loaded.
	Body []byte
	// Gzip is Body compressed; nil when that does not pay or has not been done yet: see settle.
	Gzip []byte
	// Header values. The tag is weak, because both forms of the body share it.
	ContentLength, GzipLength, ETag []string

	stripe *coherence.Stripe
	epoch  uint64        // of the stripe, before the value was loaded
	hash   uint64        // of the key
	fresh  time.Duration // end of its lifetime, in the time of [clock.Now]
	stale  time.Duration // until then it may be served during a refresh

	prefetched *prefetchMark // nil when it was not
	refreshing atomic.Bool
	settled    atomic.Bool // or being settled: see [Cache.settle]
}

// newEntry makes an entry of a body and its hash that is fresh for ttl, and may be served for another window while it
// is loaded again. A nil body means that nothing exists under the key. It is to be settled if its body has more than
// compress bytes.
func newEntry(body []byte, bodyHash uint64, f *flight, ttl, window time.Duration, compress int) *Entry {
	e := &Entry{Body: body, stripe: f.stripe, epoch: f.epoch, hash: f.hash}
	e.fresh = clock.Now() + ttl
	e.stale = e.fresh
	if ttl > transitTTL {
		e.stale += window
	}
	if f.ahead != nil {
		e.prefetched = f.ahead.prefetched
	}
	e.settled.Store(len(body) <= compress && ttl != transitTTL)
	if body != nil {
		values := [2]string{strconv.Itoa(len(body)), etag(bodyHash)}
		e.ContentLength, e.ETag = values[:1:1], values[1:]
	}
	return e
}

// ETag returns the entity tag of a body, the same one with which a cached body is sent.
func ETag(body []byte) string { return etag(xxhash.Sum64(body)) }

func etag(hash uint64) string {
	b := make([]byte, 0, 24)
	b = append(b, `W/"`...)
	b = strconv.AppendUint(b, hash, 36)
	return string(append(b, '"'))
}

// missing reports whether the entry records that nothing exists under the key.
func (e *Entry) missing() bool { return e.Body == nil }

// valid reports whether the value has not been invalidated since it was loaded.
func (e *Entry) valid() bool { return e.epoch == e.stripe.Epoch() }

// settle returns the entry with its compressed form, if it has more than compress bytes and that pays, and with a
// lifetime of at least ttl and window: see newEntry.
func (e *Entry) settle(ttl, window time.Duration, compress int) *Entry {
	s := &Entry{
		Body: e.Body, ContentLength: e.ContentLength, ETag: e.ETag,
		stripe: e.stripe, epoch: e.epoch, hash: e.hash, fresh: max(e.fresh, clock.Now()+ttl),
		prefetched: e.prefetched,
	}
	s.stale = s.fresh + window
	if packed := codec.GzipIfSmaller(e.Body, compress); packed != nil {
		s.Gzip, s.GzipLength = packed, []string{strconv.Itoa(len(packed))}
	}
	s.settled.Store(true)
	return s
}
