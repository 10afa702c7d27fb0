package procstat

import "time"

// Stalls are for how long, since the machine started, all tasks that had work to do waited at once for memory, and for
// block devices.
type Stalls struct{ Memory, IO time.Duration }

// Stalled is a share of a stretch of time, 0 to 1.
type Stalled struct{ Memory, IO float64 }

// Since is the share of the time from an earlier reading to this one, which are d apart.
func (s Stalls) Since(earlier Stalls, d time.Duration) Stalled {
	if d <= 0 {
		return Stalled{}
	}
	return Stalled{
		Memory: float64(s.Memory-earlier.Memory) / float64(d), IO: float64(s.IO-earlier.IO) / float64(d),
	}
}
