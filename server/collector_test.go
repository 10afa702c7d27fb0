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
		{"", "", gcPercent, 1 << 30},
		{"", "1GiB", gcPercent, limitBefore},
		{"50", "", percentBefore, 1 << 30},
		{"50", "1GiB", percentBefore, limitBefore},
	} {
		t.Setenv("GOGC", c.gogc)
		t.Setenv("GOMEMLIMIT", c.gomemlimit)
		restore := collectRarely(1 << 30)
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

// TestMemoryLimitFollowsTheSettings: each setting that bounds memory moves the limit by what it allows.
func TestMemoryLimitFollowsTheSettings(t *testing.T) {
	base := Options{}.withDefaults()
	if mib := base.memoryLimit() >> 20; mib != 677 {
		t.Errorf("by default it is %d MiB, and docs/server.md says 677", mib)
	}
	for name, c := range map[string]struct {
		change func(*Options)
		want   int64
	}{
		"modules":   {func(o *Options) { o.PolicyCacheBytes += 8 << 20 }, 8 << 20},
		"L1":        {func(o *Options) { o.L1MaxBytes = 2*o.L1Bytes + 4<<20 }, 5 << 20},
		"buffer":    {func(o *Options) { o.StreamBufferBytes += 1 << 20 }, 1 << 20},
		"streams":   {func(o *Options) { o.Streams += 1024 }, 16 << 20},
		"under way": {func(o *Options) { o.MaxUnderWay += 1024 }, 32 << 20},
	} {
		changed := base
		c.change(&changed)
		if got := changed.memoryLimit() - base.memoryLimit(); got != c.want {
			t.Errorf("%s: the limit moves by %d bytes, want %d", name, got, c.want)
		}
	}
}
