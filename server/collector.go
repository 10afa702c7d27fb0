package server

import (
	"os"
	"runtime/debug"
)

const (
	// gcPercent trades memory for throughput: most live memory is L1, which is bounded, while every request leaves some
	// kilobytes of garbage. Go's default is 100.
	gcPercent = 400
	// besideL1 is what the limit allows for everything except L1, in bytes.
	besideL1 = 256 << 20
)

// collectRarely sets the garbage collector to gcPercent, and limits the memory to four times largestL1 (bytes) plus
// besideL1, above which it collects more often. GOGC and GOMEMLIMIT in the environment take precedence. restore undoes
// both.
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
