package procstat

import (
	"os"
	"strconv"
	"strings"
	"time"
)

// ReadStalls reads /proc/pressure (Documentation/accounting/psi.rst of the kernel). What the kernel does not say is 0.
func ReadStalls() Stalls {
	return Stalls{Memory: readStall("/proc/pressure/memory"), IO: readStall("/proc/pressure/io")}
}

func readStall(path string) time.Duration {
	text, err := os.ReadFile(path)
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
