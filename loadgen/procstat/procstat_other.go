//go:build !linux

package procstat

import (
	"net/netip"
	"time"
)

// machineReader has no /proc to read: nothing is known of it.
type machineReader struct{ withChildren bool }

func (*machineReader) read() *machineReading { return nil }

// Limits are not known.
func Limits() (files, ports int64) { return 0, 0 }

// OpenFiles is not known.
func OpenFiles() int64 { return 0 }

// Who listens is not known.
func listeners([]netip.AddrPort) []int { return nil }

func timesOf([]int) map[int]time.Duration { return nil }
