package loadgen

import (
	"runtime"
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
	return h
}

func (h health) since(before health) results.Generator {
	return results.Generator{
		CPUSeconds: (h.cpu - before.cpu).Seconds(), WallSeconds: h.at.Sub(before.at).Seconds(),
		CPUs: runtime.NumCPU(), GoMaxProcs: runtime.GOMAXPROCS(0), GoVersion: runtime.Version(),
		GCPauses: (h.pauses - before.pauses).Seconds(), NumGC: h.numGC - before.numGC, MaxRSSBytes: h.maxRSS,
	}
}
