package procstat

import (
	"os"
	"runtime"
	"strconv"
	"strings"

	"github.com/policycortex/headroom/results"
)

// footprint is what this process holds, but for its files.
func footprint() results.Footprint {
	h := results.Footprint{Goroutines: int64(runtime.NumGoroutine())}
	text, err := os.ReadFile("/proc/self/statm") // there is none but on Linux
	if err == nil {
		h.Memory, h.Mapped = residentOf(string(text))
	}
	return h
}

// residentOf reads /proc/PID/statm (proc(5)): its second field is the resident memory, and its third the part of it
// that maps files or is shared, in pages. What is not understood is 0.
func residentOf(statm string) (memory, mapped int64) {
	fields := strings.Fields(statm)
	if len(fields) < 3 {
		return 0, 0
	}
	page := int64(os.Getpagesize())
	memory, err1 := strconv.ParseInt(fields[1], 10, 64)
	mapped, err2 := strconv.ParseInt(fields[2], 10, 64)
	if err1 != nil || err2 != nil {
		return 0, 0
	}
	return memory * page, mapped * page
}
