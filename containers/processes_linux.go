package containers

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// processState returns the state of a process (proc(5): T stopped, Z zombie) and its parent, or an error that is
// syscall.ESRCH when there is no such process.
func processState(pid int) (state byte, parent int, err error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
		return 0, 0, fmt.Errorf("process %d: %w", pid, syscall.ESRCH)
	}
	if err != nil {
		return 0, 0, fmt.Errorf("look at process %d: %w", pid, err)
	}
	// The name, in parentheses, may have any byte in it.
	_, err = fmt.Sscanf(string(stat[bytes.LastIndexByte(stat, ')')+1:]), " %c %d", &state, &parent)
	if err != nil {
		return 0, 0, fmt.Errorf("look at process %d: %w", pid, err)
	}
	return state, parent, nil
}

// stopsOf says whether a child of this process was stopped by a signal, and whether it was continued, since the last
// call.
func stopsOf(pid int) (stopped, continued bool) {
	for {
		var info unix.Siginfo
		err := unix.Waitid(unix.P_PID, pid, &info, unix.WSTOPPED|unix.WCONTINUED|unix.WNOHANG, nil)
		const stop, cont = 5, 6 // CLD_STOPPED and CLD_CONTINUED of sigaction(2)
		switch {
		case errors.Is(err, unix.EINTR):
		case err == nil && info.Code == stop:
			stopped = true
		case err == nil && info.Code == cont:
			continued = true
		default:
			return stopped, continued
		}
	}
}

// helpersOf lists the children of a process that has one thread that forks, as PostgreSQL's, for less than childrenOf
// costs; none where the kernel does not tell.
func helpersOf(pid int) []int {
	content, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	var pids []int
	for _, field := range strings.Fields(string(content)) {
		if child, err := strconv.Atoi(field); err == nil {
			pids = append(pids, child)
		}
	}
	return pids
}

// childrenOf lists the children of a process.
func childrenOf(parent int) ([]int, error) {
	entries, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, fmt.Errorf("list the processes: %w", err)
	}
	var children []int
	for _, entry := range entries {
		pid, err := strconv.Atoi(filepath.Base(entry))
		if err != nil {
			continue
		}
		// One that has ended meanwhile is nobody's child.
		if _, its, err := processState(pid); err == nil && its == parent {
			children = append(children, pid)
		}
	}
	return children, nil
}

// groupRuns says whether a process of a group runs. One that has ended and that nobody has waited for does not: the
// init of some machines and containers takes seconds for that, or never does it.
func groupRuns(group int) bool {
	if syscall.Kill(-group, 0) != nil {
		return false
	}
	entries, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return true
	}
	for _, entry := range entries {
		stat, err := os.ReadFile(entry)
		if err != nil {
			continue // it has ended meanwhile
		}
		var state byte
		var parent, its int
		_, err = fmt.Sscanf(string(stat[bytes.LastIndexByte(stat, ')')+1:]), " %c %d %d", &state, &parent, &its)
		if err == nil && its == group && state != 'Z' && state != 'X' {
			return true
		}
	}
	return false
}
