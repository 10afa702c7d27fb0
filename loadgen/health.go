package loadgen

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/policycortex/headroom/results"
)

// health is what this process has used since its start.
type health struct {
	at     time.Time
	cpu    time.Duration
	maxRSS int64
	pauses time.Duration
	numGC  uint32
	// stolen and all are the machine's CPU time in ticks, on Linux: what other virtual machines took, and everything.
	stolen, all uint64
}

func readHealth() health {
	h := health{at: time.Now()}
	var ru syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &ru) == nil {
		h.cpu = time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
		h.maxRSS = int64(ru.Maxrss)
		if runtime.GOOS != "darwin" { // kilobytes there, bytes on macOS
			h.maxRSS *= 1024
		}
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	h.pauses, h.numGC = time.Duration(m.PauseTotalNs), m.NumGC
	if stat, err := os.ReadFile("/proc/stat"); err == nil {
		h.stolen, h.all = cpuTicks(string(stat))
	}
	return h
}

// cpuTicks reads the first line of /proc/stat (see proc(5)): user, nice, system, idle, iowait, irq, softirq, steal.
func cpuTicks(stat string) (stolen, all uint64) {
	line, _, _ := strings.Cut(stat, "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 || fields[0] != "cpu" {
		return 0, 0
	}
	for i, f := range fields[1:9] {
		n, err := strconv.ParseUint(f, 10, 64)
		if err != nil {
			return 0, 0
		}
		all += n
		if i == 7 {
			stolen = n
		}
	}
	return stolen, all
}

func (h health) since(before health) results.Generator {
	stolen := 0.0
	if h.all > before.all {
		stolen = float64(h.stolen-before.stolen) / float64(h.all-before.all)
	}
	return results.Generator{
		StolenShare: stolen,
		CPUSeconds:  (h.cpu - before.cpu).Seconds(), WallSeconds: h.at.Sub(before.at).Seconds(),
		CPUs: runtime.NumCPU(), GoMaxProcs: runtime.GOMAXPROCS(0), GoVersion: runtime.Version(),
		GCPauses: (h.pauses - before.pauses).Seconds(), NumGC: h.numGC - before.numGC, MaxRSSBytes: h.maxRSS,
	}
}
