package containers

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Instructions counts the instructions that a process executes outside of the kernel, with all threads and processes
// that it starts, by the machine's hardware counters (perf_event_open(2)). Virtual machines often have none.
type Instructions struct{ events []int }

// CountInstructions begins to count. Close ends it.
func CountInstructions(pid int) (*Instructions, error) {
	return countEvents(pid, unix.PERF_TYPE_HARDWARE, unix.PERF_COUNT_HW_INSTRUCTIONS)
}

func countEvents(pid int, kind uint32, event uint64) (*Instructions, error) {
	c := &Instructions{}
	for i, pid := range family(pid) {
		threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
		if i > 0 && errors.Is(err, os.ErrNotExist) { // a descendant that has ended meanwhile
			continue
		}
		for _, t := range threads {
			if err == nil {
				err = c.add(t.Name(), kind, event)
			}
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("count the instructions of process %d: %w", pid, err), c.Close())
		}
	}
	return c, nil
}

// family is a process with all of its descendants.
func family(pid int) []int {
	all := []int{pid}
	children, err := childrenOf(pid)
	if err != nil {
		return all // it has ended, as the caller will see
	}
	for _, child := range children {
		all = append(all, family(child)...)
	}
	return all
}

// add counts those of a thread, and of all that it starts.
func (c *Instructions) add(thread string, kind uint32, event uint64) error {
	id, err := strconv.Atoi(thread)
	if err != nil {
		return err
	}
	attr := unix.PerfEventAttr{
		Type: kind, Config: event, Bits: unix.PerfBitInherit | unix.PerfBitExcludeKernel | unix.PerfBitExcludeHv,
		Read_format: unix.PERF_FORMAT_TOTAL_TIME_ENABLED | unix.PERF_FORMAT_TOTAL_TIME_RUNNING,
	}
	attr.Size = uint32(unsafe.Sizeof(attr))
	fd, err := unix.PerfEventOpen(&attr, id, -1, -1, unix.PERF_FLAG_FD_CLOEXEC)
	if errors.Is(err, unix.ESRCH) { // it has ended
		return nil
	}
	if err == nil {
		c.events = append(c.events, fd)
	}
	return err
}

// Count is what was counted so far.
func (c *Instructions) Count() (n int64, err error) {
	for _, fd := range c.events {
		var value [24]byte // the count, and for how long it was enabled and counted
		if _, err := unix.Read(fd, value[:]); err != nil {
			return 0, fmt.Errorf("read the count of instructions: %w", err)
		}
		enabled, counted := binary.NativeEndian.Uint64(value[8:]), binary.NativeEndian.Uint64(value[16:])
		if counted < enabled {
			return 0, errors.New("read the count of instructions: others use the hardware counters as well")
		}
		n += int64(binary.NativeEndian.Uint64(value[:]))
	}
	return n, nil
}

// Close ends the counting.
func (c *Instructions) Close() error {
	var faults []error
	for _, fd := range c.events {
		faults = append(faults, unix.Close(fd))
	}
	c.events = nil
	return errors.Join(faults...)
}
