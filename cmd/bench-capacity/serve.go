package main

import (
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/policycortex/headroom/results/capacity/queue"
)

// served is a service of package queue that answers over HTTP: its workers sleep in place of working.
type served struct {
	of     queue.Service
	began  time.Time
	places chan struct{} // one for each worker

	mu      sync.Mutex
	random  *rand.Rand
	tokens  float64
	last    time.Time
	recent  []time.Time   // of the requests of the last second, where there is a cliff
	stalled time.Time     // until when all workers stand still
	asked   time.Time     // when it was last drawn whether they do
	slept   float64       // number of sleeps
	late    time.Duration // of all of them together
}

func serve(s queue.Service, seed uint64) *served {
	now := time.Now()
	return &served{
		of: s, began: now, places: make(chan struct{}, s.Workers), random: rand.New(rand.NewPCG(seed, seed)),
		tokens: queue.Burst * s.Limit, last: now, asked: now,
	}
}

func (s *served) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	if !s.admit(time.Now()) {
		w.WriteHeader(http.StatusTooManyRequests)
		return
	}
	s.places <- struct{}{}
	defer func() { <-s.places }()
	began := time.Now()
	took := s.draw(began)
	time.Sleep(took)
	s.overslept(time.Since(began) - took)
}

// overslept notes how much longer than it should a worker slept.
func (s *served) overslept(late time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.slept++
	s.late += late
}

// asServed is the service as its workers were: each service time was longer by the mean of what they overslept.
func (s *served) asServed() queue.Service {
	s.mu.Lock()
	defer s.mu.Unlock()
	longer := s.late.Seconds() / max(1, s.slept) / s.of.Mean
	real := s.of
	real.Draw = func(r *rand.Rand) float64 { return s.of.Draw(r) + longer }
	return real
}

// admit says whether a request that comes now is taken.
func (s *served) admit(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of.Cliff > 0 {
		s.recent = append(s.recent, now)
		for now.Sub(s.recent[0]) > time.Second {
			s.recent = s.recent[1:]
		}
	}
	if s.of.Limit == 0 {
		return true
	}
	s.tokens = min(queue.Burst*s.of.Limit, s.tokens+now.Sub(s.last).Seconds()*s.of.Limit)
	s.last = now
	if s.tokens < 1 {
		return false
	}
	s.tokens--
	return true
}

// draw is how long a request that is begun now keeps its worker.
func (s *served) draw(now time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	for ; now.Sub(s.asked) >= time.Second; s.asked = s.asked.Add(time.Second) {
		if s.random.Float64() < s.of.Hiccup {
			s.stalled = now.Add(time.Duration(queue.Stall * float64(time.Second)))
		}
	}
	took := s.of.Mean * (1 + s.of.Leak*now.Sub(s.began).Seconds()) * s.of.Draw(s.random)
	if s.of.Cliff > 0 && float64(len(s.recent)) > s.of.Cliff {
		took *= queue.Slower
	}
	return max(0, s.stalled.Sub(now)) + time.Duration(took*float64(time.Second))
}
