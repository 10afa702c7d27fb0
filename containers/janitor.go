package containers

import (
	"context"
	_ "embed"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"syscall"
)

//go:embed janitor.sh
var janitorScript string

// janitor is a shell in its own session. It notices the end of this process by the end of the pipe between them, and
// then stops the processes and removes the paths that were registered. If none are left, it ends at once.
type janitor struct {
	orders io.WriteCloser
	done   chan struct{}
}

func startJanitor() (*janitor, error) {
	cmd := exec.Command("/bin/sh", "-c", janitorScript, "headroom-janitor")
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	orders, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start the janitor: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the janitor: %w", err)
	}
	j := &janitor{orders: orders, done: make(chan struct{})}
	go func() {
		defer close(j.done)
		_ = cmd.Wait() // its exit status says nothing: it does what it can
	}()
	return j, nil
}

// watch registers a child, to be ended by the signal.
func (j *janitor) watch(pid int, signal syscall.Signal) error {
	return j.order("watch %d %d", int(signal), pid)
}

// forget removes a child that has ended. It ignores the error, which means that the janitor has ended, too.
func (j *janitor) forget(pid int) { _ = j.order("forget %d", pid) }

// remove registers a path to remove. Call it before the path exists.
func (j *janitor) remove(path string) error {
	if !strings.HasPrefix(path, "/") || strings.ContainsAny(path, "\n\\") {
		return fmt.Errorf("the temporary directory %q cannot be used: its path must be absolute and without line "+
			"breaks and backslashes; set TMPDIR", path)
	}
	return j.order("remove %s", path)
}

func (j *janitor) order(format string, args ...any) error {
	if _, err := fmt.Fprintf(j.orders, format+"\n", args...); err != nil {
		return fmt.Errorf("tell the janitor to %s: %w", fmt.Sprintf(format, args...), err)
	}
	return nil
}

// finish lets the janitor clean up, and waits for it.
func (j *janitor) finish(ctx context.Context) error {
	_ = j.orders.Close()
	select {
	case <-j.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for the janitor: %w", context.Cause(ctx))
	}
}
