package cache

import (
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sony/gobreaker/v2"

	"github.com/policycortex/headroom/server/cache/clock"
	"github.com/policycortex/headroom/server/cache/codec"
	"github.com/policycortex/headroom/server/cache/coherence"
)

// complaints logs failures of each level, at most once per complaintInterval.
type complaints struct {
	logger  *slog.Logger
	silence [Miss + 1]atomic.Int64 // by level: until when nothing is logged
}

const complaintInterval = 10 * time.Second

func (c *complaints) about(level Level, what string, err error) {
	at, until := int64(clock.Now()), c.silence[level].Load()
	if c.logger != nil && at >= until && c.silence[level].CompareAndSwap(until, at+int64(complaintInterval)) {
		c.logger.Warn("a level of the cache fails; requests go to the database", "level", level.String(), "operation",
			what, "error", err)
	}
}

// newBreaker makes a breaker that opens after breakerFailures consecutive failures and lets one request through after a
// second.
func newBreaker(name string) *gobreaker.TwoStepCircuitBreaker[struct{}] {
	return gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		Name: name, MaxRequests: 1, Timeout: time.Second,
		ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= breakerFailures },
	})
}

const breakerFailures = 5

// level2 is the cache server. The request that needs a value reads it, coalesced with the reads of other requests.
// Writes go through a queue to one writer, so that no request waits for them.
type level2 struct {
	cache   *Cache
	far     bool // it is in another region: nothing is kept there
	breaker *gobreaker.TwoStepCircuitBreaker[struct{}]
	writer  writer
}

func newLevel2(c *Cache, far bool) *level2 {
	l := &level2{cache: c, far: far, breaker: newBreaker("L2")}
	l.writer.start(l)
	return l
}

// l2Tag is what must be known before a value is loaded, so that it can be stored afterwards.
type l2Tag struct {
	coherence.Epoch
	generation *string
}

type l2Result struct {
	value codec.Value
	hit   bool
	tag   l2Tag // zero when the value cannot be stored
}

// get reads a value and checks its epoch. Without an epoch nothing is written either.
func (l *level2) get(f *flight) l2Result {
	t := l.cache.bus.Serving()
	if t == nil || l.far {
		return l2Result{}
	}
	done, err := l.breaker.Allow()
	if err != nil {
		l.cache.counts.l2Errors.Add(1)
		return l2Result{}
	}
	tag := l2Tag{generation: t.Generation()}
	var stored string
	stored, tag.Epoch, err = l.read(t, f)
	done(ignoringClosed(err))
	if err != nil {
		l.failed(1, "read", err)
		return l2Result{}
	}
	if !marks(tag.Epoch, stored) {
		return l2Result{tag: tag}
	}
	v, err := codec.Decode(codec.BytesOf(stored))
	if err != nil {
		l.failed(1, "decode", err)
		return l2Result{tag: tag}
	}
	return l2Result{value: v, hit: true, tag: tag}
}

// read reads a value and returns the epoch that it must bear. It reads the epoch only when it is not known, or when the
// value bears another one, because L2 may have evicted the known epoch.
func (l *level2) read(t *coherence.Session, f *flight) (stored string, epoch coherence.Epoch, err error) {
	name := valueName(&f.key)
	if epoch, known := t.Recall(f.index, f.epoch); known {
		stored, _, err := t.Reads.Get(name, "")
		if err != nil || stored == "" || marks(epoch, stored) {
			return stored, epoch, err
		}
	}
	stored, text, err := t.Reads.Get(name, t.EpochName(f.index))
	if err == nil && text == "" {
		text, err = l.cache.bus.BeginEpoch(t, f.index)
	}
	epoch = coherence.ParseEpoch(text)
	t.Learn(f.index, f.epoch, epoch)
	return stored, epoch, err
}

// marks reports whether a stored value is tagged with an epoch.
func marks(e coherence.Epoch, stored string) bool {
	at, ok := codec.Epoch(stored)
	return ok && e.Tag() != 0 && at == e.Tag()
}

const valuePrefix = coherence.Prefix + "v:"

func valueName(key *Key) string {
	var buffer [256]byte
	return string(key.AppendName(append(buffer[:0], valuePrefix...)))
}

// ignoringClosed returns the error that the breaker should see: a closed client says nothing about the server.
func ignoringClosed(err error) error {
	if errors.Is(err, redis.ErrClosed) {
		return nil
	}
	return err
}

func (l *level2) failed(operations int, what string, err error) {
	l.cache.counts.l2Errors.Add(uint64(operations))
	l.cache.complaints.about(L2, what, err)
}
