// Package clock is the monotonic time of the process.
package clock

import "time"

var processStart = time.Now()

// Now returns the time since the start of the process. It is monotonic and cheaper to read than [time.Now].
func Now() time.Duration { return time.Since(processStart) }
