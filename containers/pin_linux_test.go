package containers

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
)

// TestPin: a process and what it starts later stay on the CPUs that they were given.
func TestPin(t *testing.T) {
	one, other, ok := Halves()
	if !ok {
		if runtime.NumCPU() > 1 {
			t.Error("there are CPUs, and no halves of them")
		}
		return
	}
	if len(one)+len(other) < 2 || len(other)-len(one) > 1 {
		t.Fatalf("halves %v and %v", one, other)
	}
	child, err := StartChild(t.Context(), ChildSpec{
		Path: "/bin/sh", Args: []string{"-c", "while :; do sleep 0.01; done"},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer child.Stop(context.WithoutCancel(t.Context()))
	if err := Pin(child.Pid(), one[:1]); err != nil {
		t.Fatal(err)
	}
	seen := 0
	for seen < 2 { // the shell, and a sleep that began after
		children, err := childrenOf(child.Pid())
		if err != nil {
			t.Fatal(err)
		}
		for _, pid := range append(children, child.Pid()) {
			status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
			if err != nil {
				continue // it has ended
			}
			seen++
			if want := fmt.Sprintf("Cpus_allowed_list:\t%d\n", one[0]); !strings.Contains(string(status), want) &&
				pid == child.Pid() {
				t.Errorf("process %d is not pinned:\n%s", pid, status)
			}
		}
	}
	if err := Pin(1<<30, one); err == nil {
		t.Error("there is no such process")
	}
}
