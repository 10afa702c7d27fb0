//go:build !linux

package procstat

import "time"

// MemoryStall knows nothing of this system.
func MemoryStall() time.Duration { return 0 }
