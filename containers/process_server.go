package containers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"syscall"
	"time"
)

// freezeLimit is how long a stopped process may take to be seen as stopped.
const freezeLimit = 5 * time.Second

// processServer is one server of a workshop. PostgreSQL is a process with children, each of which is in a process group
// of its own; so a fault goes to every one of them, as it goes to all processes of a container.
type processServer struct {
	workshop *workshop
	program  string
	room     string
	log      string // a file name in the workshop
	address  string // host:port of a cache; empty for others
	signal   syscall.Signal
	args     []string
	ask      func(context.Context) (Server, error)

	child   *Child
	frozen  []int // the children of a paused server
	paused  bool
	down    bool  // killed by a fault
	logRead int64 // how much of the log has been looked at
}

// start starts the process and waits for the answer to ask.
func (s *processServer) start(ctx context.Context) (Server, error) {
	logFile := filepath.Join(s.workshop.dir, s.log)
	child, err := s.workshop.run(ctx, s.program, s.room, logFile, s.signal, nil, s.args...)
	if err != nil {
		return Server{}, err
	}
	s.child, s.down, s.logRead = child, false, 0
	server, err := awaitServer(ctx, func(ctx context.Context) (Server, error) {
		server, err := s.ask(ctx)
		if err == nil && server.pid != 0 && server.pid != child.Pid() {
			err = fmt.Errorf("process %d answers in place of %d: %w", server.pid, child.Pid(), errPortTaken)
		}
		return server, err
	}, func(context.Context) error { return child.alive(logFile) })
	server.Binary = s.program
	return server, err
}

func (s *processServer) running() bool {
	select {
	case <-s.child.Done():
		return false
	default:
		return true
	}
}

func (s *processServer) pause(ctx context.Context) error {
	if !s.running() {
		return errors.New("it does not run")
	}
	if s.paused {
		return nil
	}
	pid := s.child.Pid()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		return fmt.Errorf("stop process %d: %w", pid, err)
	}
	s.paused = true
	// Once it has stopped, it forks no more.
	if err := awaitState(ctx, pid, func(state byte) bool { return state == 'T' }); err != nil {
		return err
	}
	children, err := childrenOf(pid)
	if err != nil {
		return err
	}
	for _, child := range children {
		// If this process dies now, nobody else would wake them for their end.
		if err := s.workshop.janitor.watch(child, syscall.SIGKILL); err != nil {
			return err
		}
		s.frozen = append(s.frozen, child)
		if err := syscall.Kill(child, syscall.SIGSTOP); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("stop process %d: %w", child, err)
		}
	}
	return nil
}

func (s *processServer) resume(context.Context) error {
	if !s.paused {
		return errNotPaused
	}
	return s.signalAll(syscall.SIGCONT)
}

// signalAll sends a signal to a paused server's processes, which are paused no more afterwards.
func (s *processServer) signalAll(signal syscall.Signal) error {
	var errs []error
	for _, pid := range append(s.frozen, s.child.Pid()) {
		if err := syscall.Kill(pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			errs = append(errs, fmt.Errorf("send %v to process %d: %w", signal, pid, err))
		}
	}
	for _, pid := range s.frozen {
		s.workshop.janitor.forget(pid)
	}
	stopsOf(s.child.Pid()) // ours, which are no incidents
	s.frozen, s.paused = nil, false
	return errors.Join(errs...)
}

// kill stops the server first, so that none of its children is missed.
func (s *processServer) kill(ctx context.Context) error {
	if !s.running() {
		return errors.New("it does not run")
	}
	if err := s.pause(ctx); err != nil {
		return err
	}
	s.down = true
	children := s.frozen
	if err := s.signalAll(syscall.SIGKILL); err != nil {
		return err
	}
	if !s.child.endsWithin(ctx, killLimit) {
		return fmt.Errorf("process %d still runs after SIGKILL", s.child.Pid())
	}
	// A database cannot be started again while one of the old processes holds its shared memory.
	for _, child := range children {
		if err := awaitState(ctx, child, func(state byte) bool { return state == 'Z' }); err != nil {
			return err
		}
	}
	return s.awaitRefusal(ctx)
}

// awaitRefusal waits until nobody listens where a cache was: the kernel closes what a process used through io_uring, as
// Dragonfly does its sockets, some milliseconds after the process has ended.
func (s *processServer) awaitRefusal(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, killLimit)
	defer cancel()
	for s.address != "" {
		conn, err := new(net.Dialer).DialContext(limited, "tcp", s.address)
		switch {
		case err == nil:
			_ = conn.Close()
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case limited.Err() == nil:
			return nil
		}
		if limited.Err() != nil {
			return fmt.Errorf("somebody listens at %s %s after its server was killed", s.address, killLimit)
		}
		time.Sleep(time.Millisecond)
	}
	return nil
}

func (s *processServer) restart(ctx context.Context) error {
	if s.running() {
		if err := s.kill(ctx); err != nil {
			return err
		}
	}
	_, err := s.start(ctx)
	return err
}

// stop ends the server in an orderly way. A paused one has to go on for that.
func (s *processServer) stop(ctx context.Context) error {
	if s.child == nil {
		return nil
	}
	var err error
	if s.paused {
		err = s.signalAll(syscall.SIGCONT)
	}
	return errors.Join(err, s.child.Stop(ctx))
}

// awaitState waits until a process is in a state that will do, or gone.
func awaitState(ctx context.Context, pid int, enough func(state byte) bool) error {
	ctx, cancel := context.WithTimeout(ctx, freezeLimit)
	defer cancel()
	for {
		state, _, err := processState(pid)
		if errors.Is(err, syscall.ESRCH) || err == nil && enough(state) {
			return nil
		}
		if err != nil {
			return err
		}
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("process %d is still in state %c: %w", pid, state, context.Cause(ctx))
		}
	}
}
