package middleware

import (
	"crypto/sha256"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// slowedBy sends n requests to a path through a slowdown, and returns how many rounds of work and how much sleep they
// took.
func slowedBy(t *testing.T, s Slowdown, path string, n int) (rounds int, slept time.Duration) {
	t.Helper()
	answered := 0
	h := s.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { answered++ }))
	if inner, ok := h.(*slowed); ok {
		inner.work = func(n int) { rounds += n }
		inner.sleep = func(d time.Duration) { slept += d }
	}
	for range n {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, path, nil))
	}
	if answered != n {
		t.Errorf("%d of %d requests reached the handler", answered, n)
	}
	return rounds, slept
}

func TestSlowdown(t *testing.T) {
	const path = "/api/v1/resources"
	if rounds, slept := slowedBy(t, Slowdown{Delay: 3 * time.Microsecond}, path, 10); rounds != 0 ||
		slept != 30*time.Microsecond {
		t.Errorf("a delay alone: %d rounds, %v", rounds, slept)
	}
	if _, slept := slowedBy(t, Slowdown{Delay: time.Millisecond, Every: 100}, path, 250); slept != 2*time.Millisecond {
		t.Errorf("one request in 100: %v in 250 requests", slept)
	}
	all, slept := slowedBy(t, Slowdown{CPU: time.Millisecond}, path, 100)
	if all < 100*1000 || slept != 0 { // a round takes less than 1 µs on any machine
		t.Errorf("CPU alone: %d rounds, %v", all, slept)
	}
	for _, vital := range []string{"/healthz", "/readyz", "/metrics", "/api"} {
		if rounds, slept := slowedBy(t, Slowdown{CPU: time.Millisecond, Delay: 1}, vital, 10); rounds != 0 ||
			slept != 0 {
			t.Errorf("%s was slowed down: %d rounds, %v", vital, rounds, slept)
		}
	}
}

// TestNoSlowdown: a server that is not slowed down does not have it in its chain at all.
func TestNoSlowdown(t *testing.T) {
	next := http.NewServeMux()
	if got := (Slowdown{Every: 5}).Wrap(next); got != http.Handler(next) {
		t.Errorf("got %T", got)
	}
}

// TestHashIsNotLeftOut: the work is really done, and takes no memory.
func TestHashIsNotLeftOut(t *testing.T) {
	want := sha256.Sum256(make([]byte, sha256.Size))
	want = sha256.Sum256(want[:])
	hash(2)
	if got := hashSink.Load(); got != uint32(want[0]) {
		t.Errorf("got %d, want %d", got, want[0])
	}
	if n := testing.AllocsPerRun(10, func() { hash(10) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestSleeper: it never wakes early, also when many sleep at once.
func TestSleeper(t *testing.T) {
	sleep := newSleeper()
	early := make(chan time.Duration, 100)
	for range cap(early) {
		go func() {
			const d = 200 * time.Microsecond
			began := time.Now()
			sleep(d)
			early <- d - time.Since(began)
		}()
	}
	for range cap(early) {
		if by := <-early; by > 0 {
			t.Errorf("it woke %v early", by)
		}
	}
}

// BenchmarkSlowdown: how long a request is slowed down by what was asked for.
func BenchmarkSlowdown(b *testing.B) {
	next := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	for name, s := range map[string]Slowdown{
		"CPU 5µs": {CPU: 5 * time.Microsecond}, "CPU 100µs": {CPU: 100 * time.Microsecond},
		"delay 5µs": {Delay: 5 * time.Microsecond}, "delay 100µs": {Delay: 100 * time.Microsecond},
	} {
		b.Run(name, func(b *testing.B) {
			h, w := s.Wrap(next), httptest.NewRecorder()
			r := httptest.NewRequest(http.MethodGet, "/api/v1/resources", nil)
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(w, r)
			}
		})
	}
}
