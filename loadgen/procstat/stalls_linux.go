package procstat

import (
	"os"
	"strconv"
	"strings"
	"time"
)

// MemoryStall is for how long, since the machine started, all tasks that had work to do waited at once for memory, by
// /proc/pressure (Documentation/accounting/psi.rst of the kernel). It is 0 where the kernel does not say.
//
// There is no such function for block devices: while a database waits for its own fsync and nothing else runs, all
// tasks that have work to do wait for the disk.
func MemoryStall() time.Duration {
	text, err := os.ReadFile("/proc/pressure/memory")
	if err != nil {
		return 0
	}
	return fullStall(string(text))
}

// fullStall is the total of the line "full avg10=0.00 avg60=0.00 avg300=0.00 total=1234", which is in microseconds.
func fullStall(text string) time.Duration {
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(line, "full ")
		if !ok {
			continue
		}
		_, total, _ := strings.Cut(rest, "total=")
		n, _ := strconv.ParseInt(strings.TrimSpace(total), 10, 64)
		return time.Duration(n) * time.Microsecond
	}
	return 0
}
