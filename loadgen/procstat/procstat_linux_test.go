package procstat

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/policycortex/headroom/results"
)

func TestReadProc(t *testing.T) {
	for stat, want := range map[string][3]int{
		"cpu  9 9 9 9 9 9 9 9 9 9\ncpu0 1 2 3 4 5 6 7 8 9 10\ncpu1 7 7 7 7 7 7 7 7 7 7\ncpu2 1 1 1 1 1 1 1 1 0 " +
			"0\nintr 5 5 5 5 5 5 5 5 5\n": {24, 9, 44},
		"cpu  1 2 3 4 5 6 7 8 9 10\n": {},
		"cpu0 1 2 3 4 5 6 7\n":        {},
		"cpu0 1 2 3 4 5 6 7 x\n":      {},
		"cpu\n":                       {},
		"":                            {},
	} {
		if busy, stolen, all := cpuTimes(stat, func(cpu int) bool { return cpu != 1 }); [3]time.Duration{
			busy, stolen,
			all,
		} != [3]time.Duration{
			time.Duration(want[0]) * userHz, time.Duration(want[1]) * userHz,
			time.Duration(want[2]) * userHz,
		} {
			t.Errorf("%q: %v, %v, %v; want %v ticks", stat, busy, stolen, all, want)
		}
	}
	if v := resentSegments("Ip: Forwarding\nIp: 1\nTcp: RtoAlgorithm RetransSegs InErrs\nTcp: 1 42 0\n"); v == nil ||
		*v != 42 {
		t.Errorf("resent %v", v)
	}
	if v := tcpSockets("sockets: used 9\nTCP: inuse 4 orphan 0 tw 15 alloc 5 mem 0\n"); v == nil || *v != 19 {
		t.Errorf("sockets %v", v)
	}
	for _, bad := range []string{"", "TCP:\n", "Tcp: RetransSegs\nTcp: x\n", "TCP: inuse x tw\n"} {
		if resentSegments(bad) != nil || tcpSockets(bad) != nil {
			t.Errorf("%q was understood", bad)
		}
	}
	if _, known := schedstat([]byte("0 0 0\n")); known {
		t.Error("a kernel that does not count is not known to wait")
	}
}

// TestHealthOfTheSystem lets a child of this process's child use the CPU, and holds that it is counted as the system's
// when it is that, and as the others' when nobody knows whose it is.
func TestHealthOfTheSystem(t *testing.T) {
	child := exec.Command("sh", "-c", "sh -c 'echo up; while :; do :; done' & wait")
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	pids, ok := descendants(child.Process.Pid, nil)
	t.Cleanup(func() {
		_ = child.Process.Kill()
		for _, pid := range pids {
			_ = exec.Command("kill", "-9", fmt.Sprint(pid)).Run()
		}
		_ = child.Wait()
	})
	if !ok || len(pids) != 1 {
		t.Fatalf("descendants %v, %v", pids, ok)
	}
	children, unknown := NewWatch(results.ProcessesChildren, nil, 0), NewWatch(results.ProcessesUnknown, nil, 0)
	children.Begin()
	unknown.Begin()
	for children.system() < 300*time.Millisecond {
		time.Sleep(50 * time.Millisecond)
	}
	s := children.read().second(children.first, children.first.at, results.ProcessesChildren)
	if s.System == nil || *s.System*s.Length < 0.3 || s.Others == nil || s.SysWaited == nil || *s.SysWaited < 0 ||
		*s.SysWaited > 1 {
		t.Errorf("known: %+v", s)
	}
	s = unknown.read().second(unknown.first, unknown.first.at, results.ProcessesUnknown)
	if s.System != nil || s.SysWaited != nil || s.Others == nil || *s.Others*s.Length < 0.25 {
		t.Errorf("unknown: %+v", s)
	}
	if s.Waited == nil || s.Stolen == nil || s.Resent == nil || s.Files == nil || *s.Files < 3 || s.Ports == nil {
		t.Errorf("Linux tells more than %+v", s)
	}
}

// TestAffinity: the CPUs are those of this process and of the system, which can be kept apart.
func TestAffinity(t *testing.T) {
	child := exec.Command("sleep", "60")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = child.Process.Kill(); _ = child.Wait() })
	all := affinity(nil)
	t.Cleanup(func() { _ = unix.SchedSetaffinity(os.Getpid(), all) })
	var cpus []int
	for cpu := range len(all) * strconv.IntSize {
		if all.IsSet(cpu) {
			cpus = append(cpus, cpu)
		}
	}
	first, last := slices.Min(cpus), slices.Max(cpus)
	for pid, cpu := range map[int]int{os.Getpid(): first, child.Process.Pid: last} {
		var set unix.CPUSet
		set.Set(cpu)
		if err := unix.SchedSetaffinity(pid, &set); err != nil {
			t.Fatal(err)
		}
	}
	if own := affinity(nil); !own.IsSet(first) || own.Count() != 1 {
		t.Errorf("%d CPUs of this process, want one", own.Count())
	}
	want := 2
	if first == last {
		want = 1
	}
	both := affinity([]int{child.Process.Pid})
	if !both.IsSet(first) || !both.IsSet(last) || both.Count() != want {
		t.Errorf("%d CPUs of both, want %d", both.Count(), want)
	}
}

// system is the CPU time of the system since the first reading.
func (w *Watch) system() time.Duration {
	return *w.read().machine.system - *w.first.machine.system
}

// BenchmarkRead is what one sample costs, with 16 children of this process as the system under test.
func BenchmarkRead(b *testing.B) {
	for range 16 {
		child := exec.Command("sleep", "60")
		if err := child.Start(); err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = child.Process.Kill(); _ = child.Wait() })
	}
	w := NewWatch(results.ProcessesChildren, nil, 0)
	b.ReportAllocs()
	for b.Loop() {
		w.read()
	}
}
