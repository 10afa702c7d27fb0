package containers

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
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
