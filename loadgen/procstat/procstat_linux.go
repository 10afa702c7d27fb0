package procstat

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// userHz is the unit of CPU times in /proc: it is 100 a second on every Linux, whatever the kernel's own clock.
const userHz = time.Second / 100

// machineReader reads /proc (see proc(5)). It remembers what each process and thread had used, so that the sums do not
// fall when one ends.
type machineReader struct {
	withChildren bool         // the system under test descends from this process
	cpus         *unix.CPUSet // that both may use, as it was at the first reading
	processes    map[int]time.Duration
	threads      map[int]threadTimes
	system       time.Duration
	own, theirs  threadTimes
}

func (r *machineReader) read() *machineReading {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return nil
	}
	m := &machineReading{}
	seen := map[int]threadTimes{}
	if r.sumThreads(os.Getpid(), &r.own, seen) {
		m.threads = new(r.own)
	}
	var system []int
	if r.withChildren {
		pids, ok := descendants(os.Getpid(), nil)
		if ok {
			r.sumSystem(pids, seen)
			m.system, system = new(r.system), pids
		}
		if ok && r.theirs.ran > 0 {
			m.systemThreads = new(r.theirs)
		}
	}
	if r.cpus == nil {
		r.cpus = affinity(system)
	}
	m.busy, m.stolen, m.all = cpuTimes(string(stat), r.cpus.IsSet)
	r.threads = seen
	if snmp, err := os.ReadFile("/proc/net/snmp"); err == nil {
		m.resent = resentSegments(string(snmp))
	}
	if dir, err := os.Open("/proc/self/fd"); err == nil {
		if names, err := dir.Readdirnames(-1); err == nil {
			m.files = new(int64(len(names) - 1)) // the directory itself is one
		}
		dir.Close()
	}
	if sockets, err := os.ReadFile("/proc/net/sockstat"); err == nil {
		m.inPort = tcpSockets(string(sockets))
	}
	return m
}

// sumSystem adds up what the descendants of this process used.
func (r *machineReader) sumSystem(pids []int, seen map[int]threadTimes) {
	processes := make(map[int]time.Duration, len(pids))
	for _, pid := range pids {
		used, err := processTime(pid)
		if err != nil {
			continue // it has ended
		}
		r.system += used - r.processes[pid]
		processes[pid] = used
		r.sumThreads(pid, &r.theirs, seen)
	}
	r.processes = processes
}

// processTime is the CPU time of a process with all threads that it has had, to the nanosecond: in /proc/PID/stat, it
// is counted in hundredths of a second, with which those of many processes do not add up to that of a short slice. The
// kernel composes the number of the clock of the pid's complement and the kind of clock (clock_getcpuclockid(3)).
func processTime(pid int) (time.Duration, error) {
	const scheduler = 2 // CPUCLOCK_SCHED of include/linux/posix-timers.h
	var ts unix.Timespec
	err := unix.ClockGettime(int32(^pid<<3|scheduler), &ts)
	return time.Duration(ts.Nano()), err
}

// sumThreads adds to sum what the threads of a process ran and waited since the reading before.
func (r *machineReader) sumThreads(pid int, sum *threadTimes, seen map[int]threadTimes) (ok bool) {
	for _, tid := range threadsOf(pid) {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/schedstat", pid, tid))
		if err != nil {
			continue
		}
		t, known := schedstat(text)
		if !known {
			continue
		}
		before := r.threads[tid]
		sum.ran += max(0, t.ran-before.ran) // a thread may have taken the ID of one that ended
		sum.waited += max(0, t.waited-before.waited)
		seen[tid] = t
		ok = true
	}
	return ok
}

func threadsOf(pid int) []int {
	dir, err := os.Open(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil
	}
	tids := make([]int, 0, len(names))
	for _, name := range names {
		if tid, err := strconv.Atoi(name); err == nil {
			tids = append(tids, tid)
		}
	}
	return tids
}

// descendants appends the children of a process, and theirs. Every thread has children of its own.
func descendants(pid int, found []int) (_ []int, ok bool) {
	for _, tid := range threadsOf(pid) {
		list, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, tid))
		if err != nil {
			continue
		}
		ok = true
		for f := range bytes.FieldsSeq(list) {
			if child, err := strconv.Atoi(string(f)); err == nil {
				found, _ = descendants(child, append(found, child))
			}
		}
	}
	return found, ok
}

// affinity is the set of CPUs on which this process or one of the system's may run: they can be kept on CPUs of their
// own. It is that of their first threads.
func affinity(system []int) *unix.CPUSet {
	var all, set unix.CPUSet
	if unix.SchedGetaffinity(os.Getpid(), &all) != nil {
		all.Fill() // they may run everywhere, as far as is known
	}
	for _, pid := range system {
		if unix.SchedGetaffinity(pid, &set) != nil {
			continue // it has ended
		}
		for i := range set {
			all[i] |= set[i]
		}
	}
	return &all
}

// cpuTimes sums those CPUs of /proc/stat that are allowed: whoever works on others is nobody's neighbour. The fields
// are user, nice, system, idle, iowait, irq, softirq, steal. What is not understood is left out.
func cpuTimes(stat string, allowed func(cpu int) bool) (busy, stolen, all time.Duration) {
	for line := range strings.Lines(stat) {
		number, ok := strings.CutPrefix(line, "cpu")
		if !ok {
			break // the CPUs come first
		}
		fields := strings.Fields(number)
		if len(fields) < 9 || number[0] == ' ' {
			continue
		}
		cpu, err := strconv.Atoi(fields[0])
		if err != nil || !allowed(cpu) {
			continue
		}
		for i, f := range fields[1:9] {
			n, err := strconv.ParseInt(f, 10, 64)
			if err != nil {
				return 0, 0, 0
			}
			t := time.Duration(n) * userHz
			all += t
			switch i {
			case 3, 4:
			case 7:
				stolen += t
			default:
				busy += t
			}
		}
	}
	return busy, stolen, all
}

// schedstat reads nanoseconds run and waited; a kernel that does not count them says 0 for a thread that has run.
func schedstat(text []byte) (t threadTimes, known bool) {
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return t, false
	}
	ran, err1 := strconv.ParseInt(fields[0], 10, 64)
	waited, err2 := strconv.ParseInt(fields[1], 10, 64)
	return threadTimes{time.Duration(ran), time.Duration(waited)}, err1 == nil && err2 == nil && ran > 0
}

// resentSegments finds RetransSegs in /proc/net/snmp: a line of names, then one of values.
func resentSegments(snmp string) *int64 {
	var names []string
	for line := range strings.Lines(snmp) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] != "Tcp:" {
			continue
		}
		if names == nil {
			names = fields
			continue
		}
		return valueAfter(names, fields, "RetransSegs", 0)
	}
	return nil
}

// tcpSockets adds inuse and tw of /proc/net/sockstat's line "TCP: inuse 4 orphan 0 tw 1493 alloc 50 mem 0".
func tcpSockets(sockstat string) *int64 {
	for line := range strings.Lines(sockstat) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] != "TCP:" {
			continue
		}
		inUse, waiting := valueAfter(fields, fields, "inuse", 1), valueAfter(fields, fields, "tw", 1)
		if inUse == nil || waiting == nil {
			return nil
		}
		return new(*inUse + *waiting)
	}
	return nil
}

// valueAfter is the number so many places after where the name stands; nil when there is none.
func valueAfter(names, values []string, name string, places int) *int64 {
	for i, n := range names {
		if n != name || i+places >= len(values) {
			continue
		}
		if v, err := strconv.ParseInt(values[i+places], 10, 64); err == nil {
			return &v
		}
	}
	return nil
}

// Limits are the process's limit of file descriptors and how many ephemeral ports there are; 0 is not known.
func Limits() (files, ports int64) {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) == nil {
		files = int64(limit.Cur)
	}
	if text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range"); err == nil {
		var low, high int64
		if n, _ := fmt.Sscan(string(text), &low, &high); n == 2 {
			ports = high - low + 1
		}
	}
	return files, ports
}

// OpenFiles is how many files this process has open; 0 where the system does not report it.
func OpenFiles() int64 {
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return int64(len(names) - 1) // the directory itself is one
}
