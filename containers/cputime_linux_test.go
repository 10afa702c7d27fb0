package containers

import (
	"context"
	"fmt"
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

// TestCPUTimeOfEndedChildren: what short-lived children took still counts when they have ended, and nothing is taken
// back with their end.
func TestCPUTimeOfEndedChildren(t *testing.T) {
	const work = "(i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done)"
	child, err := StartChild(t.Context(), ChildSpec{
		Path: "/bin/sh", Args: []string{"-c", work + "; " + work + "; exec sleep 30"},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer child.Stop(context.WithoutCancel(t.Context()))
	const rounding = 20 * time.Millisecond // of user and system time, at the end of each child
	deadline := time.Now().Add(30 * time.Second)
	var most time.Duration
	for {
		now, err := CPUTime(child.Pid())
		if err != nil {
			t.Fatal(err)
		}
		if now < most-2*rounding {
			t.Fatalf("it had taken %v, and now %v", most, now)
		}
		most = max(most, now)
		name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", child.Pid()))
		if err != nil {
			t.Fatal(err)
		}
		if string(name) == "sleep\n" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("after 30 s it has taken %v and goes on", now)
		}
		time.Sleep(5 * time.Millisecond)
	}
	whole, err := CPUTime(child.Pid())
	alone, errAlone := processClock(child.Pid())
	if err != nil || errAlone != nil {
		t.Fatal(err, errAlone)
	}
	if whole < most-2*rounding || whole-alone < 2*rounding {
		t.Errorf("at the end %v, of which its own %v; before %v", whole, alone, most)
	}
}
