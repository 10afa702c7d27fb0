package containers

import (
	"context"
	"os"
	"testing"
	"time"
)

// TestCPUTime holds the clock of this process to that of the system's accounting: busy work shows, and sleep does not.
func TestCPUTime(t *testing.T) {
	before, err := CPUTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for own := time.Duration(0); own < 50*time.Millisecond; {
		after, err := CPUTime(os.Getpid())
		if err != nil {
			t.Fatal(err)
		}
		own = after - before
	}
	child, err := StartChild(t.Context(),
		ChildSpec{Path: "/bin/sh", Args: []string{"-c", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; " +
			"exec sleep 30"}})
	if err != nil {
		t.Fatal(err)
	}
	defer child.Stop(context.WithoutCancel(t.Context()))
	deadline := time.Now().Add(20 * time.Second)
	var last time.Duration
	for still := 0; still < 5; {
		time.Sleep(50 * time.Millisecond)
		now, err := CPUTime(child.Pid())
		if err != nil {
			t.Fatal(err)
		}
		still++
		if now != last || now < 10*time.Millisecond {
			still, last = 0, now
		}
		if time.Now().After(deadline) {
			t.Fatalf("after 20 s it has taken %v and goes on", now)
		}
	}
	whole, err := CPUTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if alone, _ := processClock(os.Getpid()); whole < alone {
		t.Errorf("with its child %v, alone %v", whole, alone)
	}
	if _, err := CPUTime(1<<22 - 1); err == nil {
		t.Error("a process that is not there has CPU time")
	}
}
