package server

import (
	"runtime/debug"
	"testing"
)

// TestCollectRarely: what the environment says comes first, and everything is as it was in the end.
func TestCollectRarely(t *testing.T) {
	percent := func() int {
		p := debug.SetGCPercent(100)
		debug.SetGCPercent(p)
		return p
	}
	percentBefore, limitBefore := percent(), debug.SetMemoryLimit(-1)
	for _, c := range []struct {
		gogc, gomemlimit string
		percent          int
		limit            int64
	}{
		{"", "", gcPercent, 4<<20 + besideL1},
		{"", "1GiB", gcPercent, limitBefore},
		{"50", "", percentBefore, limitBefore},
	} {
		t.Setenv("GOGC", c.gogc)
		t.Setenv("GOMEMLIMIT", c.gomemlimit)
		restore := collectRarely(1 << 20)
		if got, limit := percent(), debug.SetMemoryLimit(-1); got != c.percent || limit != c.limit {
			t.Errorf("GOGC=%q GOMEMLIMIT=%q: %d %%, %d bytes, want %d and %d", c.gogc, c.gomemlimit, got, limit,
				c.percent, c.limit)
		}
		restore()
		if got, limit := percent(), debug.SetMemoryLimit(-1); got != percentBefore || limit != limitBefore {
			t.Errorf("GOGC=%q GOMEMLIMIT=%q: it stays at %d %%, %d bytes", c.gogc, c.gomemlimit, got, limit)
		}
	}
}
