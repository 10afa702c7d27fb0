package containers

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// sleeper starts a process that is nobody's business but the test's.
func sleeper(t *testing.T, script string) (pid int, ended <-chan struct{}) {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", script)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(done)
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-done
	})
	return cmd.Process.Pid, done
}

func TestJanitorClearsUp(t *testing.T) {
	t.Parallel()
	base := filepath.Join(publicDir(t), "with 'quotes' and $dollars")
	for _, dir := range []string{"remove/deep", "keep"} {
		if err := os.MkdirAll(filepath.Join(base, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	polite, politeEnded := sleeper(t, "exec sleep 1000")
	stubborn, stubbornEnded := sleeper(t, `trap "" TERM; while :; do sleep 0.1; done`)
	forgotten, forgottenEnded := sleeper(t, "exec sleep 1000")

	j, err := startJanitor()
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		j.watch(polite, syscall.SIGTERM), j.watch(stubborn, syscall.SIGTERM), j.watch(forgotten, syscall.SIGTERM),
		j.remove(filepath.Join(base, "remove")), j.remove(filepath.Join(base, "never there")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	j.forget(forgotten)
	if err := j.finish(bounded(t)); err != nil {
		t.Fatal(err)
	}

	<-politeEnded
	<-stubbornEnded
	select {
	case <-forgottenEnded:
		t.Error("a process that was to be forgotten has ended")
	default:
	}
	if _, err := os.Stat(filepath.Join(base, "remove")); !os.IsNotExist(err) {
		t.Errorf("the directory to remove is still there: %v", err)
	}
	if _, err := os.Stat(filepath.Join(base, "keep")); err != nil {
		t.Errorf("a directory that was nobody's business is gone: %v", err)
	}
}

func TestJanitorSurvivesSignals(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(publicDir(t), "remove")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	h := startHelper(t, "child", filepath.Dir(dir), "")
	h.report(t)
	var pid int
	eventually(t, func() string {
		out, err := exec.Command("pgrep", "-P", fmt.Sprint(h.cmd.Process.Pid), "-f", "headroom-janitor").Output()
		if err != nil {
			return "the helper has no janitor: " + err.Error()
		}
		_, err = fmt.Sscan(string(out), &pid)
		if err != nil {
			return err.Error()
		}
		return ""
	})
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT} {
		if err := syscall.Kill(pid, signal); err != nil {
			t.Fatal(err)
		}
	}
	session, err := exec.Command("ps", "-o", "pgid=", "-p", fmt.Sprint(pid)).Output()
	if err != nil {
		t.Fatalf("the janitor is gone: %v", err)
	}
	if want := fmt.Sprintf("%d", pid); !containsField(string(session), want) {
		t.Errorf("the janitor's process group is %s, want its own, %s", session, want)
	}
	h.kill(t)
}

func containsField(text, want string) bool {
	var got string
	_, err := fmt.Sscan(text, &got)
	return err == nil && got == want
}

func TestJanitorRefusesPathsThatItWouldMisread(t *testing.T) {
	j, err := startJanitor()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = j.finish(context.Background()) }()
	for _, path := range []string{"relative", "", "/tmp/a\nremove /", `/tmp/a\b`} {
		if j.remove(path) == nil {
			t.Errorf("it took %q", path)
		}
	}
}
