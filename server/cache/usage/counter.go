package usage

import "sync/atomic"

// Counter has a cache line, and its neighbour, which processors fetch along, to itself.
type Counter struct {
	atomic.Uint64
	_ [120]byte
}
