package stream

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"
)

func TestBackoff(t *testing.T) {
	const base = 500 * time.Millisecond
	for failures, want := range map[uint8]time.Duration{
		0: base, 1: 2 * base, 2: 4 * base, 5: 32 * base, 6: mostBackoff, 7: mostBackoff, 255: mostBackoff,
	} {
		if got := backoff(base, failures); got != want {
			t.Errorf("after %d: %v, want %v", failures, got, want)
		}
	}
	if got := backoff(0, 0); got != leastRetry {
		t.Errorf("of a service that asks to be tried at once: %v", got)
	}
	const long = time.Hour // as a stream has asked for
	if got := backoff(long, 9); got != long {
		t.Errorf("of a long time: %v", got)
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 29, 17, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "0": 0, "7": 7 * time.Second, "30": mostBackoff, "31": mostBackoff, "18446744073709551615": mostBackoff,
		"18446744073709551616": 0, "-1": 0, "1.5": 0, "soon": 0,
		"Sun, 29 Nov 2026 17:00:09 GMT": 9 * time.Second, "Sunday, 29-Nov-26 17:00:09 GMT": 9 * time.Second,
		"Sun, 29 Nov 2026 16:59:59 GMT": 0, "Sun, 29 Nov 2099 17:00:00 GMT": mostBackoff,
	} {
		if got := retryAfter(text, now); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

// TestPausesOfASubscriber: what a subscriber that is not let in waits for, and that a stream ends all that.
func TestPausesOfASubscriber(t *testing.T) {
	l, s := streamingLoop(t)
	busy := func(retryAfter string) []byte {
		return fmt.Appendf(nil, "HTTP/1.1 503 Service Unavailable\r\nRetry-After: %s\r\nContent-Length: 0\r\n\r\n",
			retryAfter)
	}
	again := func(want time.Duration) {
		t.Helper()
		i := slices.IndexFunc(l.timers, func(of timer) bool { return of.life == s.life })
		if s.state != waiting || i < 0 || l.timers[i].at-l.now != want {
			t.Fatalf("state %d, timers %v at %v, want a pause of %v", s.state, l.timers, l.now, want)
		}
		l.start = l.start.Add(-want)
		l.clock()
		l.fire()
		if s.state != connecting {
			t.Fatalf("state %d after the pause", s.state)
		}
	}
	l.received(s, []byte("retry: 2000\n\n"))
	l.hungUp(s)
	again(2 * time.Second)
	l.received(s, busy("0"))
	again(2 * time.Second)
	l.received(s, busy("1"))
	again(4 * time.Second)
	l.failed(s, errors.New("broken"))
	again(8 * time.Second)
	l.received(s, busy("20"))
	again(20 * time.Second)
	l.received(s, []byte(head200))
	l.hungUp(s)
	again(2 * time.Second)
	l.received(s, []byte("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"))
	if s.state != ended {
		t.Errorf("state %d after 404", s.state)
	}
	if got := l.recorder.Connected(); got != 0 {
		t.Errorf("%d are connected", got)
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, seed := range []string{
		"", "0", "120", "99999999999999999999", "Sun, 29 Nov 2026 17:00:09 GMT", "-1", "1e9",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if d := retryAfter(text, time.Now()); d < 0 || d > mostBackoff {
			t.Errorf("%q is %v", text, d)
		}
	})
}
