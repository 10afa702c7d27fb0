package containers

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Pin keeps all threads of a process, and the threads and processes that they start from then on, on some of this
// machine's CPUs, which are numbered from 0.
func Pin(pid int, cpus []int) error {
	var set unix.CPUSet
	for _, cpu := range cpus {
		set.Set(cpu)
	}
	pinned := map[int]bool{}
	for before := -1; before != len(pinned); { // a thread may have started another meanwhile
		before = len(pinned)
		threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
		if err != nil {
			return fmt.Errorf("pin process %d: %w", pid, err)
		}
		for _, t := range threads {
			id, err := strconv.Atoi(t.Name())
			if err != nil || pinned[id] {
				continue
			}
			err = unix.SchedSetaffinity(id, &set)
			if err != nil && !errors.Is(err, unix.ESRCH) { // it has ended
				return fmt.Errorf("pin process %d to the CPUs %v: %w", pid, cpus, err)
			}
			pinned[id] = true
		}
	}
	return nil
}

// Halves are the CPUs that this process may use, in two halves; the second has the odd one. ok is false where there is
// only one.
func Halves() (one, other []int, ok bool) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, nil, false
	}
	var cpus []int
	for cpu := range len(set) * strconv.IntSize {
		if set.IsSet(cpu) {
			cpus = append(cpus, cpu)
		}
	}
	half := len(cpus) / 2
	return cpus[:half], cpus[half:], half > 0
}
