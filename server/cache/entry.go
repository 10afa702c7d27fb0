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

// Entry is a value, ready to be sent. It is shared by all who get it: nothing in it may be changed.
type Entry struct {
	// Body is the value as it was loaded.
	Body []byte
	// Gzip is Body compressed, or nil when that does not pay or has not been done yet: see settle.
	Gzip []byte
	// Values of headers. The tag is a weak one, as it stands for both forms of the body.
	ContentLength, GzipLength, ETag []string

	stripe *coherence.Stripe
	epoch  uint64        // of the stripe, before the value was loaded
	hash   uint64        // of the key
	fresh  time.Duration // until then; times are as of [clock.Now]
	stale  time.Duration // until then it may be served while it is refreshed

	prefetched *prefetchMark // nil when it was not
	refreshing atomic.Bool
	settled    atomic.Bool // or being settled: see [Cache.settle]
}

// newEntry makes an entry of a body and its hash, fresh for ttl. A nil body says that there is nothing under the key.
func newEntry(body []byte, bodyHash uint64, f *flight, ttl time.Duration) *Entry {
	e := &Entry{Body: body, stripe: f.stripe, epoch: f.epoch, hash: f.hash}
	e.fresh = clock.Now() + ttl
	e.stale = e.fresh
	if ttl > transitTTL {
		e.stale += staleWindow
	}
	if f.ahead != nil {
		e.prefetched = f.ahead.prefetched
	}
	e.settled.Store(len(body) <= codec.CompressionThreshold && ttl != transitTTL)
	if body != nil {
		values := [2]string{strconv.Itoa(len(body)), etag(bodyHash)}
		e.ContentLength, e.ETag = values[:1:1], values[1:]
	}
	return e
}

// ETag is the entity tag of a body: the one with which a cached body is sent.
func ETag(body []byte) string { return etag(xxhash.Sum64(body)) }

func etag(hash uint64) string {
	b := make([]byte, 0, 24)
	b = append(b, `W/"`...)
	b = strconv.AppendUint(b, hash, 36)
	return string(append(b, '"'))
}

// missing says that there is nothing under the key.
func (e *Entry) missing() bool { return e.Body == nil }

// valid says that nothing has been invalidated since the value was loaded.
func (e *Entry) valid() bool { return e.epoch == e.stripe.Epoch() }

// settle returns the entry with its compressed form, if that saves an eighth, and a lifetime of ttl at least.
func (e *Entry) settle(ttl time.Duration) *Entry {
	s := &Entry{
		Body: e.Body, ContentLength: e.ContentLength, ETag: e.ETag,
		stripe: e.stripe, epoch: e.epoch, hash: e.hash, fresh: max(e.fresh, clock.Now()+ttl),
		prefetched: e.prefetched,
	}
	s.stale = s.fresh + staleWindow
	if packed := codec.GzipIfSmaller(e.Body); packed != nil {
		s.Gzip, s.GzipLength = packed, []string{strconv.Itoa(len(packed))}
	}
	s.settled.Store(true)
	return s
}
