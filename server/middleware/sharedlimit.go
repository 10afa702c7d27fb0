package middleware

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sony/gobreaker/v2"
)

// SharedLimiter is a limiter that several servers share through the cache server. Each request costs a round trip, so
// use it for limits that must be exact. While the cache server is not available, each server applies the limit on its
// own.
type SharedLimiter struct {
	local    *Limiter
	client   *redis.Client
	breaker  *gobreaker.CircuitBreaker[int64]
	interval string // in microseconds
	burst    string
	refused  atomic.Uint64
}

// sharedTimeout bounds a round trip to the cache server.
const sharedTimeout = 50 * time.Millisecond

// sharedKey is the prefix of clients' names in the cache server.
const sharedKey = "headroom:rate:"

// takeToken is the algorithm of [Limiter], with times in microseconds. It returns how long the bucket takes to fill,
// or, below zero, how long to wait for a token. Everything it touches is in KEYS, and numbers it returns are whole
// ones, as Dragonfly wants it. The time is the caller's: servers whose clocks differ by d let a client have d's worth
// more.
var takeToken = redis.NewScript(`
local now, interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local full = tonumber(redis.call('GET', KEYS[1]) or '0')
local next = math.max(full, now) + interval
local wait = next - now - burst * interval
if wait > 0.5 then return -math.ceil(wait) end
redis.call('SET', KEYS[1], string.format('%.3f', next), 'PX', string.format('%d', math.ceil((next - now) / 1000) + 1))
return math.ceil(next - now)
`)

// NewSharedLimiter makes a limiter in the cache server at a redis:// URL. It returns an error for a malformed URL.
func NewSharedLimiter(url string, rate Rate, logger *slog.Logger) (*SharedLimiter, error) {
	o, err := redis.ParseURL(url)
	if err != nil {
		return nil, fmt.Errorf("parse the cache URL for the shared rate limit: %w", err)
	}
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = sharedTimeout, sharedTimeout, sharedTimeout,
		sharedTimeout
	o.MaxRetries = -1 // a retry would come too late
	o.ContextTimeoutEnabled = true
	return &SharedLimiter{
		local:    NewLimiter(rate),
		client:   redis.NewClient(o),
		interval: strconv.FormatFloat(1e6/float64(rate.PerSecond), 'f', 3, 64),
		burst:    strconv.Itoa(rate.Burst),
		breaker: gobreaker.NewCircuitBreaker[int64](gobreaker.Settings{
			Name: "shared rate limit", Timeout: time.Second,
			ReadyToTrip:  func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= 3 },
			IsSuccessful: func(err error) bool { return err == nil || errors.Is(err, context.Canceled) },
			OnStateChange: func(name string, _, to gobreaker.State) {
				logger.Warn("circuit breaker", "name", name, "state", to.String())
			},
		}),
	}, nil
}

// Allow takes a token from client's bucket. now is used when the cache server is not available: see [Limiter.Allow].
func (s *SharedLimiter) Allow(ctx context.Context, client string, now time.Duration) Verdict {
	us, err := s.breaker.Execute(func() (int64, error) {
		at := strconv.FormatInt(time.Now().UnixMicro(), 10)
		return takeToken.Run(ctx, s.client, []string{sharedKey + client}, at, s.interval, s.burst).Int64()
	})
	if err != nil {
		return s.local.Allow(ctx, client, now)
	}
	rate := s.local.rate
	capacity := time.Duration(rate.Burst) * rate.interval()
	if us < 0 {
		s.refused.Add(1)
		wait := time.Duration(-us) * time.Microsecond
		// after wait it has one token, and lacks the others
		return Verdict{Reset: wait + capacity - rate.interval(), RetryAfter: wait}
	}
	reset := time.Duration(us) * time.Microsecond
	return Verdict{Allowed: true, Remaining: max(int64((capacity-reset)/rate.interval()), 0), Reset: reset}
}

// Refused returns the number of requests that this server refused.
func (s *SharedLimiter) Refused() uint64 { return s.refused.Load() + s.local.Refused() }

// BreakerState is closed while the cache server is asked, else open or half-open.
func (s *SharedLimiter) BreakerState() string { return s.breaker.State().String() }

// Close disconnects from the cache server.
func (s *SharedLimiter) Close() error {
	if err := s.client.Close(); err != nil {
		return fmt.Errorf("close the shared rate limit: %w", err)
	}
	return nil
}
