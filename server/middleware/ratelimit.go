package middleware

import (
	"context"
	"hash/maphash"
	"sync"
	"time"
)

// Rate is what a client may ask for.
type Rate struct {
	// PerSecond is how many requests a second it may send in the long run, Burst how many at once after a rest.
	PerSecond, Burst int
}

// interval is the time in which one token comes in.
func (r Rate) interval() time.Duration { return time.Second / time.Duration(r.PerSecond) }

// Verdict is what a limit says of one request.
type Verdict struct {
	Allowed bool
	// Remaining is how many more requests the client may send at once.
	Remaining int64
	// Reset is the time after which it may send a whole burst again, RetryAfter that after which the next is allowed.
	Reset, RetryAfter time.Duration
}

// Limiter is a limit for each client: a token bucket, kept as the time at which it will be full (the "theoretical
// arrival time" of GCRA, the generic cell rate algorithm). A full bucket is like one that never was, so forgetting those
// that are full changes nothing. (A bucket of x/time/rate for each client in a cache with expiry is the same at several
// times the cost: BenchmarkRateLimit.)
type Limiter struct {
	rate   Rate
	seed   maphash.Seed
	shards [limiterShards]limiterShard
}

const (
	limiterShards = 64
	// maxClients bounds what a shard keeps. If so many clients have buckets that are not full, new ones share one.
	maxClients = 4096
	// sweepPause is the least time between two searches of a shard for full buckets.
	sweepPause = 100 * time.Millisecond
	// overflow is the client that stands for those that there is no room for.
	overflow = 0
)

type limiterShard struct {
	mu      sync.Mutex
	full    map[uint64]time.Duration // by client: when its bucket will be full
	swept   time.Duration
	refused uint64
	_       [88]byte
}

// NewLimiter makes a limit of rate for each client.
func NewLimiter(rate Rate) *Limiter {
	l := &Limiter{rate: rate, seed: maphash.MakeSeed()}
	for i := range l.shards {
		l.shards[i].full = make(map[uint64]time.Duration)
		l.shards[i].swept = -sweepPause
	}
	return l
}

// Allow takes a token of client's bucket. now is the time since any fixed moment, and never goes back.
func (l *Limiter) Allow(_ context.Context, client string, now time.Duration) Verdict {
	hash := maphash.String(l.seed, client)
	s := &l.shards[hash%limiterShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	full, known := s.full[hash]
	if !known && len(s.full) >= maxClients && !s.sweep(now) {
		hash = overflow
		full = s.full[hash]
	}
	full, verdict := l.rate.take(full, now)
	if verdict.Allowed {
		s.full[hash] = full
	} else {
		s.refused++
	}
	return verdict
}

// take takes a token of a bucket that will be full at full, and returns when it will be full then.
func (r Rate) take(full, now time.Duration) (time.Duration, Verdict) {
	interval := r.interval()
	capacity := time.Duration(r.Burst) * interval
	next := max(full, now) + interval
	if wait := next - now - capacity; wait > 0 {
		return full, Verdict{Reset: full - now, RetryAfter: wait}
	}
	return next, Verdict{Allowed: true, Remaining: int64((capacity - (next - now)) / interval), Reset: next - now}
}

// sweep forgets the full buckets and says whether there is room now.
func (s *limiterShard) sweep(now time.Duration) bool {
	if now-s.swept < sweepPause {
		return false
	}
	s.swept = now
	for client, full := range s.full {
		if full <= now {
			delete(s.full, client)
		}
	}
	return len(s.full) < maxClients
}

// Refused returns how many requests were refused.
func (l *Limiter) Refused() uint64 {
	refused := uint64(0)
	for i := range l.shards {
		s := &l.shards[i]
		s.mu.Lock()
		refused += s.refused
		s.mu.Unlock()
	}
	return refused
}
