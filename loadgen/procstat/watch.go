// Package procstat measures what a run used of the machine: CPU, waits for a CPU, sockets and files of the generator,
// of the system under test, and of everything else.
package procstat

import (
	"context"
	"net/netip"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/policycortex/headroom/results"
)

// reading is what was used until an instant: by this process since its start, by the system under test and the machine
// since some earlier instant. Only differences between two of them have a meaning.
type reading struct {
	at        time.Time
	cpu       time.Duration
	maxRSS    int64
	pauses    time.Duration
	numGC     int64
	footprint results.Footprint
	machine   *machineReading       // nil where the system does not report it
	service   map[int]time.Duration // of each process that listens for the service, since its start
}

// machineReading is the part that only /proc reports. A nil pointer is what it does not report.
type machineReading struct {
	// CPU time of the CPUs that this process may use; busy is neither idle nor stolen
	busy, stolen, all     time.Duration
	system                *time.Duration
	threads               *threadTimes // of this process
	systemThreads         *threadTimes
	resent, files, inPort *int64
}

// threadTimes are sums over threads: how long they ran, and how long they could have run and waited for a CPU.
type threadTimes struct{ ran, waited time.Duration }

// Watch reads once a second what has been used.
type Watch struct {
	machine     machineReader
	at          []netip.AddrPort
	service     []int // processes that listen at these
	first, last reading

	mu     sync.Mutex // of the seconds of health
	health results.Health
}

// NewWatch returns a watch. where says which processes are the system under test. Where nobody knows, they are at least
// those that listen at its addresses on this machine. filesNeeded is how many file descriptors this process needs for
// the run.
func NewWatch(where results.Processes, at []netip.AddrPort, filesNeeded int64) *Watch {
	if where == "" {
		where = results.ProcessesUnknown
	}
	w := &Watch{health: results.Health{Processes: where, FilesNeeded: filesNeeded}}
	w.machine.withChildren = where == results.ProcessesChildren
	if where == results.ProcessesUnknown {
		w.at = at
	}
	w.health.FileLimit, w.health.PortRange = Limits()
	return w
}

func (w *Watch) read() reading {
	h := reading{at: time.Now()}
	var ru syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &ru) == nil {
		h.cpu = time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
		h.maxRSS = int64(ru.Maxrss)
		if runtime.GOOS != "darwin" { // kilobytes there, bytes on macOS
			h.maxRSS *= 1024
		}
	}
	var gc debug.GCStats // unlike runtime.ReadMemStats, reading it does not stop the world
	debug.ReadGCStats(&gc)
	h.pauses, h.numGC = gc.PauseTotal, gc.NumGC
	h.machine = w.machine.read()
	h.footprint = footprint()
	if m := h.machine; m != nil && m.files != nil {
		h.footprint.Files = *m.files
	}
	h.service = timesOf(w.service)
	return h
}

// Begin takes the reading from which everything counts.
func (w *Watch) Begin() {
	if len(w.at) > 0 {
		w.service = listeners(w.at)
	}
	w.first = w.read()
	w.last = w.first
}

// Run notes the health of every second until ctx ends.
func (w *Watch) Run(ctx context.Context, start time.Time) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			now := w.read()
			second := now.second(w.last, start, w.health.Processes)
			w.mu.Lock()
			w.health.Seconds = append(w.health.Seconds, second)
			w.mu.Unlock()
			w.last = now
		}
	}
}

// Since is the health with the seconds from the n-th on alone, which may be asked for while Run notes more.
func (w *Watch) Since(n int) results.Health {
	w.mu.Lock()
	defer w.mu.Unlock()
	h := w.health
	h.Seconds = slices.Clone(h.Seconds[min(n, len(h.Seconds)):])
	return h
}

// Sofar is what happened since Begin, as one interval of whatever length.
func (w *Watch) Sofar() results.HealthSecond {
	return w.read().second(w.first, w.first.at, w.health.Processes)
}

// second is what happened between two readings.
func (h reading) second(before reading, start time.Time, where results.Processes) results.HealthSecond {
	length := h.at.Sub(before.at).Seconds()
	cores := func(d time.Duration) float64 { return max(0, d.Seconds()/length) }
	s := results.HealthSecond{
		At: h.at.Sub(start).Seconds(), Length: length, Generator: cores(h.cpu - before.cpu),
		GCPause: 1000 * (h.pauses - before.pauses).Seconds(), Footprint: new(h.footprint),
	}
	if all, most, ok := h.usedByService(before); ok {
		s.Service, s.Process = new(cores(all)), new(cores(most))
	}
	m, old := h.machine, before.machine
	if m == nil || old == nil {
		return s
	}
	s.Files, s.Ports = m.files, m.inPort
	if m.resent != nil && old.resent != nil {
		s.Resent = new(*m.resent - *old.resent)
	}
	s.Waited, s.SysWaited = waitShare(m.threads, old.threads), waitShare(m.systemThreads, old.systemThreads)
	if m.all == 0 {
		return s
	}
	s.Stolen = new(cores(m.stolen - old.stolen))
	others := m.busy - old.busy - (h.cpu - before.cpu)
	if m.system != nil && old.system != nil {
		s.System = new(cores(*m.system - *old.system))
		others -= *m.system - *old.system
	}
	if where != results.ProcessesChildren || s.System != nil {
		s.Others = new(cores(others))
	}
	return s
}

// usedByService is the CPU time of the processes that listen for the service, between two readings: of all of them, and
// of the one that used most.
func (h reading) usedByService(before reading) (all, most time.Duration, ok bool) {
	for pid, used := range h.service {
		used -= before.service[pid]
		all += used
		most = max(most, used)
	}
	return all, most, h.service != nil && before.service != nil
}

func waitShare(now, before *threadTimes) *float64 {
	if now == nil || before == nil {
		return nil
	}
	return new(results.WaitShare((now.ran - before.ran).Seconds(), (now.waited - before.waited).Seconds()))
}

// End is what the whole run used.
func (w *Watch) End() (results.Generator, *results.Health) {
	now, before := w.read(), w.first
	stolen := 0.0
	if m, old := now.machine, before.machine; m != nil && old != nil && m.all > old.all {
		stolen = float64(m.stolen-old.stolen) / float64(m.all-old.all)
	}
	return results.Generator{
		StolenShare: stolen,
		CPUSeconds:  (now.cpu - before.cpu).Seconds(), WallSeconds: now.at.Sub(before.at).Seconds(),
		CPUs: runtime.NumCPU(), GoMaxProcs: runtime.GOMAXPROCS(0), GoVersion: runtime.Version(),
		GCPauses: (now.pauses - before.pauses).Seconds(), NumGC: uint32(now.numGC - before.numGC),
		MaxRSSBytes: now.maxRSS,
	}, &w.health
}
