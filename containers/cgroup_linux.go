package containers

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// cgroups is where Linux shows control groups: those of version 2, or a directory for each controller of version 1.
const cgroups = "/sys/fs/cgroup"

// cgroupTime is the CPU time that the control group of a process has taken: that of a container with all of its
// processes, those that have ended included.
func cgroupTime(pid int) (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return 0, fmt.Errorf("find the control group of process %d: %w", pid, err)
	}
	controller, path, ok := cgroupOf(string(text))
	if !ok {
		return 0, fmt.Errorf("find the control group of process %d: there is none that counts CPU time", pid)
	}
	file := filepath.Join(cgroups, path, "cpu.stat")
	if controller != "" {
		file = filepath.Join(cgroups, controller, path, "cpuacct.usage")
	}
	text, err = os.ReadFile(file)
	if err != nil {
		return 0, fmt.Errorf("read the CPU time of a control group: %w", err)
	}
	if controller != "" {
		ns, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
		return time.Duration(ns), err
	}
	for line := range strings.Lines(string(text)) {
		if usec, ok := strings.CutPrefix(line, "usage_usec "); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(usec), 10, 64)
			return time.Duration(n) * time.Microsecond, err
		}
	}
	return 0, fmt.Errorf("read the CPU time of a control group: %s has no usage_usec", file)
}

// cgroupOf finds the group that counts CPU time in /proc/PID/cgroup (cgroups(7)): of version 1 with the name of its
// controllers' directory, of version 2 with an empty one.
func cgroupOf(text string) (controller, path string, ok bool) {
	for line := range strings.Lines(text) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) != 3 {
			continue
		}
		switch {
		case slices.Contains(strings.Split(fields[1], ","), "cpuacct"):
			return "cpuacct", fields[2], true // a link to the directory of all its controllers
		case fields[0] == "0" && fields[1] == "":
			path, ok = fields[2], true
		}
	}
	return "", path, ok
}
