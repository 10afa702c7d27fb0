package server

import (
	"cmp"
	"os"
	"runtime/debug"

	"github.com/policycortex/headroom/server/graphql"
	"github.com/policycortex/headroom/server/policy"
)

const (
	// gcPercent trades memory for throughput: most live memory is L1, which is bounded, while every request leaves some
	// kilobytes of garbage. Go's default is 100.
	gcPercent = 400

	// What the memory limit allows for, in bytes, besides the settings that are bytes themselves.
	ofProcess  = 96 << 20 // the runtime, pools of connections, statements, histograms, what is learned of accesses
	perRequest = 32 << 10 // under way: goroutine, buffers, and the response
	perStream  = 16 << 10 // goroutine and buffers
	ofGarbage  = 64 << 20 // at least, between two collections when everything else is in use
)

// memoryLimit is what this process needs at most by its settings, with room for garbage. It leaves out how much the
// program file takes, which is not the collector's.
func (o Options) memoryLimit() int64 {
	return limitForL1(cmp.Or(o.L1MaxBytes, 2*o.L1Bytes)) + o.besideL1()
}

// limitForL1 is the part of the limit for an L1 of so many bytes: the weight of its entries is an estimate.
func limitForL1(largest int64) int64 { return largest + largest/4 }

// besideL1 is the rest of the limit.
func (o Options) besideL1() int64 {
	return o.StreamBufferBytes + int64(o.Streams)*perStream + int64(o.MaxUnderWay)*perRequest +
		o.PolicyCacheBytes + policy.ProgramBytes + graphql.CacheBytes + ofProcess + ofGarbage
}

// collectRarely sets the garbage collector to gcPercent, and limits the memory in bytes, softly: near the limit it
// collects more often. GOGC and GOMEMLIMIT in the environment take precedence, each over its own. restore undoes both.
func collectRarely(limit int64) (restore func()) {
	percentBefore, limitBefore := debug.SetGCPercent(gcPercent), debug.SetMemoryLimit(-1)
	if os.Getenv("GOGC") != "" {
		debug.SetGCPercent(percentBefore)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(limit)
	}
	return func() {
		debug.SetMemoryLimit(limitBefore)
		debug.SetGCPercent(percentBefore)
	}
}
