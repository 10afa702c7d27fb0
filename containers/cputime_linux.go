package containers

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// CPUTime is the CPU time that a process and all its descendants have taken: of those that run, in nanoseconds as the
// scheduler counts them and not in ticks, with that of threads that have ended; of those that have ended and that their
// parent has waited for, in ticks of 10 ms as the kernel tells it. What ended without anybody waiting for it, or whose
// parent ended before it, is not in it any more.
func CPUTime(pid int) (total time.Duration, err error) {
	for range cpuTimeAttempts {
		before, err := endedChildren(pid)
		if err != nil {
			return 0, err
		}
		total, err = runningTime(pid)
		if err != nil {
			return 0, err
		}
		total += before
		after, err := endedChildren(pid)
		if err != nil {
			return 0, err
		}
		if after == before {
			break // else one that ended in between is counted twice, or not at all
		}
	}
	return total, nil
}

// cpuTimeAttempts bounds how often the CPU time of a process whose children end all the time is read.
const cpuTimeAttempts = 5

// runningTime is the CPU time of a process, and that of its children with all of theirs.
func runningTime(pid int) (time.Duration, error) {
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

// endedChildren is the CPU time of the children that a process has waited for, with that of theirs: cutime and cstime
// of proc(5), each rounded down to ticks.
func endedChildren(pid int) (time.Duration, error) {
	const cutime, cstime, tick = 16 - 3, 17 - 3, 10 * time.Millisecond // fields from the third on; USER_HZ is 100
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("read the CPU time of the children of process %d: %w", pid, err)
	}
	// The name, in parentheses, may have any byte in it.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	var total time.Duration
	for _, i := range []int{cutime, cstime} {
		if i >= len(fields) {
			return 0, fmt.Errorf("read the CPU time of the children of process %d: %q is no status", pid, stat)
		}
		ticks, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read the CPU time of the children of process %d: %w", pid, err)
		}
		total += time.Duration(ticks) * tick
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
