package middleware

import (
	"context"
	"hash/maphash"
	"sync"
	"time"
)

// Rate is the limit of a client.
type Rate struct {
	// PerSecond is how many requests per second a client may sustain, Burst how many it may send at once after a pause.
	PerSecond, Burst int
}

// interval is the time between two tokens.
func (r Rate) interval() time.Duration { return time.Second / time.Duration(r.PerSecond) }

// Verdict is a limiter's decision about one request.
type Verdict struct {
	Allowed bool
	// Remaining is how many further requests the client may send at once.
	Remaining int64
	// Reset is the time until it may send a whole burst again, RetryAfter the time until its next request is allowed.
	Reset, RetryAfter time.Duration
}

// Limiter limits each client by a token bucket, stored as the time at which it will be full (the "theoretical arrival
// time" of GCRA, the generic cell rate algorithm). A full bucket equals a new one, so full buckets can be forgotten.
// (An x/time/rate bucket per client in an expiring cache does the same at several times the cost: BenchmarkRateLimit.)
type Limiter struct {
	rate   Rate
	seed   maphash.Seed
	shards [limiterShards]limiterShard
}

const (
	limiterShards = 64
	// maxClients bounds the buckets of a shard. When that many are not full, new clients share one.
	maxClients = 4096
	// sweepPause is the minimum time between two sweeps of a shard.
	sweepPause = 100 * time.Millisecond
	// overflow is the client of all requests for which there is no room.
	overflow = 0
)

type limiterShard struct {
	mu      sync.Mutex
	full    map[uint64]time.Duration // by client: when its bucket will be full
	swept   time.Duration
	refused uint64
	_       [88]byte
}

// NewLimiter makes a limiter with a bucket per client.
func NewLimiter(rate Rate) *Limiter {
	l := &Limiter{rate: rate, seed: maphash.MakeSeed()}
	for i := range l.shards {
		l.shards[i].full = make(map[uint64]time.Duration)
		l.shards[i].swept = -sweepPause
	}
	return l
}

// Allow takes a token from client's bucket. now is monotonic, with any origin.
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

// take takes a token from a bucket that will be full at full, and returns when it will be full afterwards.
func (r Rate) take(full, now time.Duration) (time.Duration, Verdict) {
	interval := r.interval()
	capacity := time.Duration(r.Burst) * interval
	next := max(full, now) + interval
	if wait := next - now - capacity; wait > 0 {
		return full, Verdict{Reset: full - now, RetryAfter: wait}
	}
	return next, Verdict{Allowed: true, Remaining: int64((capacity - (next - now)) / interval), Reset: next - now}
}

// sweep forgets full buckets and reports whether there is room.
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

// Refused returns the number of refused requests.
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
