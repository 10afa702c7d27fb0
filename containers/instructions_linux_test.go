package containers

import (
	"context"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestCountEvents counts an event that every machine has, the nanoseconds of CPU time, of a shell and what it starts:
// the way to the hardware's counters is the same, and where there are none, it says so.
func TestCountEvents(t *testing.T) {
	const loops = "while :; do /bin/sh -c 'i=0; while [ $i -lt 9999 ]; do i=$((i+1)); done'; done"
	child, err := StartChild(t.Context(), ChildSpec{Path: "/bin/sh", Args: []string{"-c", loops}})
	if err != nil {
		t.Fatal(err)
	}
	defer child.Stop(context.WithoutCancel(t.Context()))
	c, err := countEvents(child.Pid(), unix.PERF_TYPE_SOFTWARE, unix.PERF_COUNT_SW_TASK_CLOCK)
	if err != nil {
		t.Fatal(err)
	}
	begin, err := processClock(child.Pid())
	if err != nil {
		t.Fatal(err)
	}
	var counted time.Duration
	for counted < 100*time.Millisecond {
		n, err := c.Count()
		if err != nil {
			t.Fatal(err)
		}
		counted = time.Duration(n)
	}
	own, err := processClock(child.Pid())
	if err != nil {
		t.Fatal(err)
	}
	// The loops run in shells of their own, which only inherited counters see.
	if own-begin > counted/2 {
		t.Errorf("%v were counted, of which the process itself took %v", counted, own-begin)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if _, err := countEvents(1<<30, unix.PERF_TYPE_SOFTWARE, unix.PERF_COUNT_SW_TASK_CLOCK); err == nil {
		t.Error("there is no such process")
	}
	instructions, err := CountInstructions(child.Pid())
	if err != nil {
		t.Logf("this machine has no counter of instructions: %v", err)
		return
	}
	n, err := instructions.Count()
	if err != nil || n < 0 {
		t.Errorf("%d, %v", n, err)
	}
	if err := instructions.Close(); err != nil {
		t.Error(err)
	}
}
