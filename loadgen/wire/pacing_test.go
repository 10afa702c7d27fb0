package wire

import (
	"testing"
	"time"
)

// TestNextTick: a tick is never before the instant that it follows.
func TestNextTick(t *testing.T) {
	for at, want := range map[time.Duration]time.Duration{
		0: 0, 1: time.Millisecond, time.Millisecond: time.Millisecond, time.Millisecond + 1: 2 * time.Millisecond,
	} {
		if got := nextTick(at); got != want {
			t.Errorf("after %v comes %v, want %v", at, got, want)
		}
	}
}
