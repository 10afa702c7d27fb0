package containers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	defaultKillAfter = 10 * time.Second
	// killLimit is how long a killed process may take to vanish.
	killLimit = 5 * time.Second
	// pipeLimit is how long output is still read after a child has ended, when a grandchild holds the pipe open.
	pipeLimit = 2 * time.Second
	// groupGrace is what the rest of a process group has after the end of its leader: initdb's helpers notice it by
	// themselves. groupInterval is how often the end of the group is looked for.
	groupGrace    = 3 * time.Second
	groupInterval = 10 * time.Millisecond
)

// ChildSpec describes the process that StartChild starts.
type ChildSpec struct {
	// Path is the program, Args its arguments without the program's name.
	Path string
	Args []string
	// Env is the environment; nil means that of this process. Dir is the working directory; empty means the current.
	Env []string
	Dir string
	// Stdout and Stderr may be nil to discard the output. Standard input is empty.
	Stdout io.Writer
	Stderr io.Writer
	// StopSignal asks the child to end: in Stop, and when this process ends without having called it. Zero means
	// SIGTERM.
	StopSignal syscall.Signal
	// KillAfter is how long Stop waits for the child before it kills it. Zero means ten seconds.
	KillAfter time.Duration
	// User is the name of the user to run as. Empty means the same user. Only root can name another.
	User string
}

// Child is a child process that ends when this process ends, however that happens.
type Child struct {
	process   *os.Process
	pid       int
	name      string
	signal    syscall.Signal
	killAfter time.Duration
	stopping  atomic.Bool
	paused    atomic.Bool   // by Pause
	done      chan struct{} // closed when the process has ended
	gone      chan struct{} // closed when its whole group has ended
	err       error
}

// StartChild starts a program in a process group of its own, so that a Ctrl-C at the terminal does not reach it. ctx
// bounds the start only; the child then runs until it ends, Stop is called, or this process ends.
func StartChild(ctx context.Context, spec ChildSpec) (*Child, error) {
	j, err := startJanitor()
	if err != nil {
		return nil, err
	}
	c, err := startChild(ctx, spec, j, func() {
		// Nothing is left to the janitor then, so it ends by itself.
		_ = j.orders.Close()
	})
	if err != nil {
		return nil, errors.Join(err, j.finish(context.WithoutCancel(ctx)))
	}
	return c, nil
}

// startChild starts a child under a janitor; ended is called after its end.
func startChild(ctx context.Context, spec ChildSpec, j *janitor, ended func()) (*Child, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.Path, err)
	}
	if spec.StopSignal == 0 {
		spec.StopSignal = syscall.SIGTERM
	}
	if spec.KillAfter == 0 {
		spec.KillAfter = defaultKillAfter
	}
	cmd := exec.Command(spec.Path, spec.Args...)
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = spec.Env, spec.Dir, spec.Stdout, spec.Stderr, pipeLimit
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if spec.User != "" {
		credential, err := credentialOf(spec.User)
		if err != nil {
			return nil, fmt.Errorf("start %s: %w", spec.Path, err)
		}
		cmd.SysProcAttr.Credential = credential
	}
	if err := startDyingWithUs(cmd, spec.StopSignal); err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.Path, err)
	}
	c := &Child{
		process: cmd.Process, pid: cmd.Process.Pid, name: spec.Path,
		signal: spec.StopSignal, killAfter: spec.KillAfter, done: make(chan struct{}), gone: make(chan struct{}),
	}
	watched := j.watch(c.pid, spec.StopSignal)
	go func() {
		err := cmd.Wait()
		if err != nil && !c.stopping.Load() {
			c.err = fmt.Errorf("%s (pid %d): %w", c.name, c.pid, err)
		}
		close(c.done)
		for groupRuns(c.pid) { // what it started may outlive it; until then the janitor knows of it
			time.Sleep(groupInterval)
		}
		j.forget(c.pid)
		ended()
		close(c.gone)
	}()
	if watched != nil {
		return nil, errors.Join(watched, c.Stop(context.WithoutCancel(ctx)))
	}
	return c, nil
}

// Pid is the ID of the process.
func (c *Child) Pid() int { return c.pid }

// Done is closed when the process has ended.
func (c *Child) Done() <-chan struct{} { return c.done }

// Err is nil while the process runs, and after it ended with exit status 0 or because of Stop; otherwise it says how
// the process ended (it wraps *exec.ExitError).
func (c *Child) Err() error {
	select {
	case <-c.done:
		return c.err
	default:
		return nil
	}
}

// Stop asks the process to end and waits for it. After KillAfter, or when ctx ends, it kills the process and its whole
// group. Members of the group that outlive the process for a few seconds are killed as well. It returns an error only
// if the process still runs. Stopping a process that has ended is not an error.
func (c *Child) Stop(ctx context.Context) error {
	c.stopping.Store(true)
	select {
	case <-c.done:
		return nil
	default:
	}
	if err := c.process.Signal(c.signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signal %s (pid %d): %w", c.name, c.pid, err)
	}
	_ = syscall.Kill(-c.pid, syscall.SIGCONT) // a stopped process receives no other signal
	if !c.endsWithin(ctx, c.killAfter) || !c.groupEndsWithin(ctx, groupGrace) {
		_ = syscall.Kill(-c.pid, syscall.SIGKILL)
	}
	if !c.endsWithin(context.WithoutCancel(ctx), killLimit+pipeLimit) {
		return fmt.Errorf("%s (pid %d) still runs %s after SIGKILL", c.name, c.pid, killLimit)
	}
	return nil
}

func (c *Child) endsWithin(ctx context.Context, limit time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	select {
	case <-c.done:
		return true
	case <-ctx.Done():
		return false
	}
}

// groupEndsWithin waits for the rest of the process group. No other process can get the group's ID as long as it has
// members.
func (c *Child) groupEndsWithin(ctx context.Context, limit time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	select {
	case <-c.gone:
		return true
	case <-ctx.Done():
		return false
	}
}

// stopGroup is Stop for a shell, which need not pass a signal on to what it has started: all of the group are asked to
// end, also when the shell has ended before them.
func (c *Child) stopGroup(ctx context.Context) error {
	c.stopping.Store(true)
	select {
	case <-c.gone:
		return nil
	default:
	}
	_ = syscall.Kill(-c.pid, c.signal)
	_ = syscall.Kill(-c.pid, syscall.SIGCONT) // a stopped process receives no other signal
	if !c.groupEndsWithin(ctx, c.killAfter) {
		_ = syscall.Kill(-c.pid, syscall.SIGKILL)
		c.groupEndsWithin(context.WithoutCancel(ctx), groupGrace)
	}
	if !c.endsWithin(context.WithoutCancel(ctx), killLimit+pipeLimit) {
		return fmt.Errorf("%s (pid %d) still runs %s after SIGKILL", c.name, c.pid, killLimit)
	}
	return nil
}

// alive returns an error with the end of the child's log when the child has ended.
func (c *Child) alive(logFile string) error {
	select {
	case <-c.done:
		return serverFailure(c.name, LogTail(logFile))
	default:
		return nil
	}
}

// LogTail returns the last 4 KB of a log file for an error message; if the file cannot be read, the reason in
// parentheses.
func LogTail(path string) string {
	content, err := os.ReadFile(path)
	if err != nil {
		return "(no output: " + err.Error() + ")"
	}
	return string(content[max(0, len(content)-4096):])
}

// credentialOf looks a user up. Supplementary groups are dropped: the servers need none.
func credentialOf(name string) (*syscall.Credential, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return nil, fmt.Errorf("look up the user to run as: %w", err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("user %s has no numeric ID: %w", name, err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("user %s has no numeric group ID: %w", name, err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}
