// Package clock is the time inside the process.
package clock

import "time"

var processStart = time.Now()

// Now is the time since the start of the process: a monotonic clock, which is cheaper to read than [time.Now].
func Now() time.Duration { return time.Since(processStart) }
