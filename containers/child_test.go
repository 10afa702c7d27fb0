package containers

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func sh(script string) ChildSpec {
	return ChildSpec{Path: "/bin/sh", Args: []string{"-c", script}}
}

func mustStartChild(t *testing.T, spec ChildSpec) *Child {
	t.Helper()
	c, err := StartChild(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Stop(context.Background()) })
	return c
}

func await(t *testing.T, c *Child) {
	t.Helper()
	select {
	case <-c.Done():
	case <-time.After(patience):
		t.Fatal("the child does not end")
	}
}

func TestChildEndsByItself(t *testing.T) {
	for script, status := range map[string]int{"exit 0": 0, "exit 3": 3, "kill -9 $$": -1} {
		t.Run(script, func(t *testing.T) {
			c := mustStartChild(t, sh(script))
			await(t, c)
			if status == 0 {
				if c.Err() != nil {
					t.Errorf("got %v, want no error", c.Err())
				}
				return
			}
			exit, ok := errors.AsType[*exec.ExitError](c.Err())
			if !ok || exit.ExitCode() != status {
				t.Errorf("got %v, want exit status %d", c.Err(), status)
			}
			if err := c.Stop(t.Context()); err != nil {
				t.Errorf("stopping a child that has ended: %v", err)
			}
		})
	}
}

func TestChildGetsWhatItIsGiven(t *testing.T) {
	var out, errOut bytes.Buffer
	c := mustStartChild(t, ChildSpec{
		Path: "/bin/sh", Args: []string{"-c", `echo "$1 $WORD"; pwd >&2; cat`, "name", "argument"},
		Env: []string{"WORD=value"}, Dir: "/", Stdout: &out, Stderr: &errOut,
	})
	await(t, c)
	if out.String() != "argument value\n" || errOut.String() != "/\n" {
		t.Errorf("it wrote %q and %q", out.String(), errOut.String())
	}
}

func TestChildStops(t *testing.T) {
	for _, c := range []struct {
		name      string
		spec      ChildSpec
		wantInOut string
	}{
		{"by SIGTERM", sh(`trap 'echo term; exit 7' TERM; echo up; while :; do sleep 0.02; done`), "term"},
		{"by another signal", ChildSpec{
			Path: "/bin/sh", StopSignal: syscall.SIGINT,
			Args: []string{"-c", `trap 'echo int; exit' INT; echo up; while :; do sleep 0.02; done`},
		}, "int"},
		{"by force", ChildSpec{
			Path: "/bin/sh", KillAfter: 50 * time.Millisecond,
			Args: []string{"-c", `trap "" TERM; echo up; while :; do sleep 0.02; done`},
		}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			output, writer := io.Pipe()
			c.spec.Stdout = writer
			child := mustStartChild(t, c.spec)
			up := make([]byte, 3)
			if _, err := io.ReadFull(output, up); err != nil {
				t.Fatal(err)
			}
			rest := make(chan string, 1)
			go func() {
				text, _ := io.ReadAll(output)
				rest <- string(text)
			}()
			for range 2 {
				if err := child.Stop(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			_ = writer.Close()
			if got := strings.TrimSpace(<-rest); got != c.wantInOut {
				t.Errorf("the child said %q, want %q", got, c.wantInOut)
			}
			if child.Err() != nil {
				t.Errorf("a stopped child has the error %v", child.Err())
			}
		})
	}
}

func TestChildIsKilledWhenTheContextOfStopEnds(t *testing.T) {
	c := mustStartChild(t, sh(`trap "" TERM; while :; do sleep 0.02; done`))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Stop(ctx); err != nil {
		t.Fatal(err)
	}
}

func TestChildDoesNotStart(t *testing.T) {
	if _, err := StartChild(t.Context(), ChildSpec{Path: "/no/such/program"}); err == nil ||
		!strings.Contains(err.Error(), "/no/such/program") {
		t.Errorf("a missing program: %v", err)
	}
	if _, err := StartChild(t.Context(), ChildSpec{Path: "/bin/sh", User: "no-such-user"}); err == nil ||
		!strings.Contains(err.Error(), "no-such-user") {
		t.Errorf("a missing user: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := StartChild(ctx, sh("exit")); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end of the context: %v", err)
	}
}

func TestChildStopsWithItsChildren(t *testing.T) {
	t.Parallel()
	c := mustStartChild(t, sh(`sleep 1000 & wait`))
	eventually(t, func() string {
		if !strings.Contains(processesOfGroup(t, c.Pid()), "sleep 1000") {
			return "the child has not started its own"
		}
		return ""
	})
	if err := c.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() string { return processesOfGroup(t, c.Pid()) })
}

// A Ctrl-C at the terminal goes to the process group; the child must have its own.
func TestChildHasAProcessGroupOfItsOwn(t *testing.T) {
	c := mustStartChild(t, sh("exec sleep 1000"))
	group, err := syscall.Getpgid(c.Pid())
	if err != nil || group != c.Pid() {
		t.Errorf("its group is %d, %v, want %d", group, err, c.Pid())
	}
}

// The kernel sends the parent-death signal when the thread that forked ends.
func TestChildOutlivesTheThreadThatAskedForIt(t *testing.T) {
	started := make(chan *Child)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		c, err := StartChild(context.Background(), sh("exec sleep 1000"))
		if err != nil {
			t.Error(err)
		}
		started <- c
	}()
	c := <-started
	select {
	case <-c.Done():
		t.Fatal("the child died with the thread")
	case <-time.After(300 * time.Millisecond):
	}
	if err := c.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestChildAndItsChildrenDieWithAKilledParent(t *testing.T) {
	t.Parallel()
	dir := publicDir(t)
	h := startHelper(t, "child", dir, "")
	pid := h.report(t).ChildPid
	// Once the grandchild runs, the child ignores SIGTERM.
	eventually(t, func() string {
		if !strings.Contains(processesOfGroup(t, pid), "sleep 1000") {
			return "the child has not started its own"
		}
		return ""
	})
	h.kill(t)
	eventually(t, func() string { return processesOfGroup(t, pid) })
}

// processesOfGroup lists the processes of a process group, without zombies.
func processesOfGroup(t *testing.T, group int) string {
	t.Helper()
	out, err := exec.Command("ps", "-A", "-o", "pgid=,stat=,pid=,args=").Output()
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		if fields[0] == strconv.Itoa(group) && !strings.HasPrefix(fields[1], "Z") {
			found = append(found, strings.TrimSpace(line))
		}
	}
	return strings.Join(found, "\n")
}

// TestChildFaults: a child that is paused, resumed and killed on purpose is no incident.
func TestChildFaults(t *testing.T) {
	c := mustStartChild(t, sh("while :; do sleep 0.02; done"))
	if err := c.Resume(); !errors.Is(err, errNotPaused) {
		t.Errorf("resuming a child that is not paused: %v", err)
	}
	if err := c.Pause(t.Context()); err != nil {
		t.Fatal(err)
	}
	if state, _, err := processState(c.Pid()); err != nil || state != 'T' {
		t.Errorf("the paused child is in state %c, %v", state, err)
	}
	if seen := c.Incidents(); len(seen) > 0 {
		t.Errorf("incidents of a paused child: %q", seen)
	}
	if err := c.Resume(); err != nil {
		t.Fatal(err)
	}
	if seen := c.Incidents(); len(seen) > 0 {
		t.Errorf("incidents of a resumed child: %q", seen)
	}
	if err := c.Pause(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.Kill(t.Context()); err != nil { // a paused one dies too
		t.Fatal(err)
	}
	await(t, c)
	if seen := c.Incidents(); len(seen) > 0 || c.Err() != nil {
		t.Errorf("incidents of a killed child: %q, %v", seen, c.Err())
	}
	for name, err := range map[string]error{"kill": c.Kill(t.Context()), "pause": c.Pause(t.Context())} {
		if !errors.Is(err, errEnded) {
			t.Errorf("%s of a child that has ended: %v", name, err)
		}
	}
}
