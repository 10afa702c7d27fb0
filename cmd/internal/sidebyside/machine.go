// Package sidebyside is what the commands share that compare programs in one interleaved run: processes bound to CPUs,
// their CPU time, who else used the machine, and tables of medians. Linux only.
package sidebyside

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of CPU times in /proc on every Linux that Go runs on.
const tick = 10 * time.Millisecond

// The CPUs by number.
const (
	ServerCPU = "0"
	ClientCPU = "1"
)

// dpkgs are the programs that every comparison calls, and the Debian packages that they are in.
var dpkgs = map[string]string{"wrk": "wrk", "nginx": "nginx-light", "taskset": "util-linux"}

// CheckMachine says everything that is missing.
func CheckMachine() error {
	if runtime.GOOS != "linux" {
		return fmt.Errorf("this needs Linux: it binds processes to CPUs and reads their CPU times from /proc")
	}
	if runtime.NumCPU() < 2 {
		return fmt.Errorf("this needs two CPUs, one for the server and one for the client; there is one")
	}
	var missing []string
	for _, program := range slices.Sorted(maps.Keys(dpkgs)) {
		if _, err := Find(program); err != nil {
			missing = append(missing, dpkgs[program])
		}
	}
	if missing != nil {
		return fmt.Errorf("programs are missing; on Debian: apt-get install --no-install-recommends %s",
			strings.Join(missing, " "))
	}
	return nil
}

// Find looks in the usual places of servers too, which are not in every user's PATH.
func Find(program string) (string, error) {
	if path, err := exec.LookPath(program); err == nil {
		return path, nil
	}
	return exec.LookPath("/usr/sbin/" + program)
}

// LeaveServerCPU binds this process, and with it all that it starts and does not bind itself, to the CPUs that are not
// the server's: to the client's when there are two, and to those after it when there are more.
func LeaveServerCPU() error {
	cpus := ClientCPU
	if n := runtime.NumCPU(); n > 2 {
		cpus = fmt.Sprintf("2-%d", n-1)
	}
	out, err := exec.Command("taskset", "-a", "-c", "-p", cpus, strconv.Itoa(os.Getpid())).CombinedOutput()
	if err != nil {
		return fmt.Errorf("bind to CPU %s: %w: %s", cpus, err, out)
	}
	return nil
}

// Usage is CPU time since the start of the machine and of processes.
type Usage struct {
	at           time.Time
	busy, stolen time.Duration // of all CPUs
	// Processes are this process and its descendants, by ID.
	Processes map[int]time.Duration
}

// ReadUsage reads /proc.
func ReadUsage() (Usage, error) {
	u := Usage{at: time.Now(), Processes: map[int]time.Duration{}}
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return u, err
	}
	// cpu user nice system idle iowait irq softirq steal …; interrupts belong to nobody
	fields := strings.Fields(strings.SplitN(string(text), "\n", 2)[0])
	if len(fields) < 9 {
		return u, fmt.Errorf("/proc/stat: too few fields in %q", fields)
	}
	u.busy = ticks(fields[1]) + ticks(fields[2]) + ticks(fields[3])
	u.stolen = ticks(fields[8])

	parents, times := map[int]int{}, map[int]time.Duration{}
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return u, err
	}
	for _, path := range stats {
		if pid, parent, time, ok := readProcess(path); ok {
			parents[pid], times[pid] = parent, time
		}
	}
	for pid, used := range times {
		for at := pid; at > 1; at = parents[at] {
			if at == os.Getpid() {
				u.Processes[pid] = used
				break
			}
		}
	}
	return u, nil
}

// readProcess is not ok when the process has ended meanwhile.
func readProcess(path string) (pid, parent int, used time.Duration, ok bool) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, 0, 0, false
	}
	// pid (name) state ppid … utime stime at 14 and 15, where the name can be anything
	before, _, _ := strings.Cut(string(text), " ")
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < 13 {
		return 0, 0, 0, false
	}
	pid, _ = strconv.Atoi(before)
	parent, _ = strconv.Atoi(fields[1])
	return pid, parent, ticks(fields[11]) + ticks(fields[12]), true
}

func ticks(text string) time.Duration {
	n, _ := strconv.ParseInt(text, 10, 64)
	return time.Duration(n) * tick
}

// MaxDisturbance is the Disturbance from which on a measurement says nothing.
const MaxDisturbance = 0.05

// Disturbance is the share of the machine's CPU time that neither we nor the kernel for us used: other processes and
// other virtual machines. client is what a client used that ran between the readings and has ended, so that it is in
// neither.
func Disturbance(before, after Usage, client time.Duration) float64 {
	own := client
	for pid, used := range after.Processes {
		own += used - before.Processes[pid]
	}
	others := max(0, after.busy-before.busy-own) + after.stolen - before.stolen
	return float64(others) / float64(whole(before.at, after.at))
}

// whole is the time of all CPUs together.
func whole(from, to time.Time) time.Duration { return to.Sub(from) * time.Duration(runtime.NumCPU()) }

// ResidentBytes is what a process has in memory now.
func ResidentBytes(pid int) (int64, error) { return statusBytes(pid, "VmRSS:") }

// PeakBytes is the most that a process has had in memory. Unlike getrusage's it begins anew with the program that the
// process executes.
func PeakBytes(pid int) (int64, error) { return statusBytes(pid, "VmHWM:") }

func statusBytes(pid int, field string) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, field); ok {
			kilobytes, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10,
				64)
			return kilobytes << 10, err
		}
	}
	return 0, fmt.Errorf("/proc/%d/status has no %s", pid, field)
}
