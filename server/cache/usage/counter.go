package usage

import "sync/atomic"

// Counter occupies a cache line and the next one, which processors prefetch, so that counters do not contend.
type Counter struct {
	atomic.Uint64
	_ [120]byte
}
