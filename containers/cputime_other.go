//go:build !linux

package containers

import (
	"errors"
	"time"
)

// CPUTime cannot be read on this system.
func CPUTime(int) (time.Duration, error) {
	return 0, errors.New("the CPU time of another process can be read on Linux only")
}

func cgroupTime(pid int) (time.Duration, error) { return CPUTime(pid) }
