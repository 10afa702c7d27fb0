package server

import (
	"os"
	"runtime/debug"
)

const (
	// gcPercent spends memory on throughput: what is alive is mostly L1, which is bound, while every request leaves some
	// kilobytes behind. Go's own is 100.
	gcPercent = 400
	// besideL1 is what the limit leaves for everything but L1, in bytes.
	besideL1 = 256 << 20
)

// collectRarely sets the process's garbage collector to gcPercent, and to collect more often where the process would
// become larger than four times the largest L1 (bytes) and besideL1. GOGC and GOMEMLIMIT in the environment come first.
// restore sets it to what it was.
func collectRarely(largestL1 int64) (restore func()) {
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	percent := debug.SetGCPercent(gcPercent)
	if os.Getenv("GOMEMLIMIT") != "" {
		return func() { debug.SetGCPercent(percent) }
	}
	limit := debug.SetMemoryLimit(4*largestL1 + besideL1)
	return func() {
		debug.SetMemoryLimit(limit)
		debug.SetGCPercent(percent)
	}
}
