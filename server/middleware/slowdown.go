package middleware

import (
	"crypto/sha256"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// Slowdown makes a server slower by a known amount, so that what is to find such a change can be tested.
type Slowdown struct {
	// of one core, taken by each slowed request; hashing that took as long undisturbed, at the start
	CPU   time.Duration
	Delay time.Duration // how much later each slowed request is handled, without work
	Every int           // of the requests below /api/, one in so many is slowed; 0 means all
}

// IsSet reports whether anything is slowed down.
func (s Slowdown) IsSet() bool { return s.CPU > 0 || s.Delay > 0 }

// Wrap returns a handler that slows down requests below /api/ before next handles them. Without a slowdown it is next
// itself.
func (s Slowdown) Wrap(next http.Handler) http.Handler {
	if !s.IsSet() {
		return next
	}
	h := &slowed{next: next, every: uint64(max(s.Every, 1)), delay: s.Delay, work: hash, sleep: newSleeper()}
	if s.CPU > 0 {
		h.rounds = max(int(float64(s.CPU)/nanosecondsPerRound()), 1)
	}
	return h
}

// slowed is a handler with its slowdown.
type slowed struct {
	next   http.Handler
	every  uint64
	seen   atomic.Uint64 // requests below /api/
	rounds int
	delay  time.Duration
	work   func(rounds int)
	sleep  func(time.Duration)
}

func (h *slowed) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/api/") && h.seen.Add(1)%h.every == 0 {
		if h.rounds > 0 {
			h.work(h.rounds)
		}
		if h.delay > 0 {
			h.sleep(h.delay)
		}
	}
	h.next.ServeHTTP(w, r)
}

// hashSink takes what hash computes, so that nothing of it can be left out.
var hashSink atomic.Uint32

// hash computes SHA-256 of the hash before it, so many times: work that allocates nothing and reads no memory but its
// own.
func hash(rounds int) {
	var sum [sha256.Size]byte
	for range rounds {
		sum = sha256.Sum256(sum[:])
	}
	hashSink.Store(uint32(sum[0]))
}

// nanosecondsPerRound is what a round of hash takes while nothing disturbs it: the fastest of many stretches. It is
// above 0 and takes some 10 ms to find.
func nanosecondsPerRound() float64 {
	const stretches, rounds = 100, 500
	fastest := time.Duration(1<<63 - 1)
	for range stretches {
		began := time.Now()
		hash(rounds)
		fastest = min(fastest, time.Since(began))
	}
	return float64(max(fastest, 1)) / rounds
}
