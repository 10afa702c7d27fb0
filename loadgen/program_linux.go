package loadgen

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// forgetProgram gives back the pages of the program file that only the start needed: initialisation and the servers'
// clients are most of what is mapped. What is used again comes back from the page cache. Mappings that were written to,
// as those of a linker, are left alone.
func forgetProgram() {
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	mappings, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		return
	}
	for _, m := range readOnly(string(mappings), program) {
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, m.from, m.to-m.from, unix.MADV_DONTNEED) // it is advice
	}
}

type mapping struct{ from, to uintptr }

// readOnly are the mappings of a file in /proc/PID/smaps (proc(5)) that cannot be written to and never were.
func readOnly(smaps, file string) []mapping {
	var found []mapping
	var m mapping
	candidate := false
	for line := range strings.Lines(smaps) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		switch from, to, isRange := strings.Cut(fields[0], "-"); {
		case isRange && !strings.HasSuffix(fields[0], ":"):
			begin, err1 := strconv.ParseUint(from, 16, 64)
			end, err2 := strconv.ParseUint(to, 16, 64)
			m = mapping{uintptr(begin), uintptr(end)}
			candidate = err1 == nil && err2 == nil && strings.HasSuffix(strings.TrimSpace(line), " "+file) &&
				fields[1][0] == 'r' && !strings.Contains(fields[1], "w")
		case candidate && fields[0] == "Anonymous:" && fields[1] == "0":
			found = append(found, m)
		}
	}
	return found
}
