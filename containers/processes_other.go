//go:build !linux

package containers

import (
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// processState returns the state of a process (ps(1): T stopped, Z zombie) and its parent, or an error that is
// syscall.ESRCH when there is no such process.
func processState(pid int) (state byte, parent int, err error) {
	out, err := exec.Command("ps", "-o", "stat=,ppid=", "-p", strconv.Itoa(pid)).Output()
	if errors.As(err, new(*exec.ExitError)) {
		return 0, 0, fmt.Errorf("process %d: %w", pid, syscall.ESRCH)
	}
	if err != nil {
		return 0, 0, fmt.Errorf("look at process %d: %w", pid, err)
	}
	var flags string
	if _, err := fmt.Sscan(string(out), &flags, &parent); err != nil {
		return 0, 0, fmt.Errorf("look at process %d: %w", pid, err)
	}
	return flags[0], parent, nil
}

// stopsOf would say whether a child was stopped and continued; only Linux tells of what is over.
func stopsOf(int) (stopped, continued bool) { return false, false }

// helpersOf would list the children of a process: ps is too dear for what is done every second.
func helpersOf(int) []int { return nil }

// childrenOf lists the children of a process.
func childrenOf(parent int) ([]int, error) {
	out, err := exec.Command("ps", "-A", "-o", "pid=,ppid=").Output()
	if err != nil {
		return nil, fmt.Errorf("list the processes: %w", err)
	}
	var children []int
	for line := range strings.Lines(string(out)) {
		var pid, its int
		if _, err := fmt.Sscan(line, &pid, &its); err == nil && its == parent {
			children = append(children, pid)
		}
	}
	return children, nil
}

// groupRuns says whether a group has a process.
func groupRuns(group int) bool { return syscall.Kill(-group, 0) == nil }
