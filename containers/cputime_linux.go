package containers

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// CPUTime is the CPU time that a process and all its descendants that run now have taken, in nanoseconds as the
// scheduler counts them and not in ticks, with that of threads that have ended. A descendant that has ended is not in
// it.
func CPUTime(pid int) (time.Duration, error) {
	total, err := processClock(pid)
	if err != nil {
		return 0, fmt.Errorf("read the CPU time of process %d: %w", pid, err)
	}
	children, err := childrenOf(pid)
	if err != nil {
		return 0, err
	}
	for _, child := range children {
		if t, err := CPUTime(child); err == nil { // one that has ended meanwhile is left out
			total += t
		}
	}
	return total, nil
}

// processClock reads the CPU-time clock of a process, whose number the kernel composes of the pid's complement and the
// kind of clock (clock_getcpuclockid(3), include/linux/posix-timers.h).
func processClock(pid int) (time.Duration, error) {
	const scheduler = 2 // CPUCLOCK_SCHED
	var ts unix.Timespec
	err := unix.ClockGettime(int32(^pid<<3|scheduler), &ts)
	return time.Duration(ts.Nano()), err
}
