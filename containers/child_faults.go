package containers

import (
	"context"
	"errors"
	"fmt"
	"syscall"
)

// errEnded means that a fault came to a process that does not run.
var errEnded = errors.New("it does not run")

// Kill ends the child and its group at once, as a crash does, and returns when it has ended. Neither Err nor Incidents
// tells of it.
func (c *Child) Kill(ctx context.Context) error {
	if c.hasEnded() {
		return errEnded
	}
	c.stopping.Store(true)
	if err := syscall.Kill(-c.pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("kill %s (pid %d): %w", c.name, c.pid, err)
	}
	if !c.endsWithin(ctx, killLimit) {
		return fmt.Errorf("%s (pid %d) still runs %s after SIGKILL", c.name, c.pid, killLimit)
	}
	return nil
}

// Pause freezes the child with its connections open, and returns when it has stopped. Incidents does not tell of it.
// Processes that the child has started are not paused.
func (c *Child) Pause(ctx context.Context) error {
	if c.hasEnded() {
		return errEnded
	}
	c.paused.Store(true)
	if err := syscall.Kill(c.pid, syscall.SIGSTOP); err != nil {
		return fmt.Errorf("stop %s (pid %d): %w", c.name, c.pid, err)
	}
	return awaitState(ctx, c.pid, func(state byte) bool { return state == 'T' })
}

// Resume lets a paused child go on.
func (c *Child) Resume() error {
	if !c.paused.Load() {
		return errNotPaused
	}
	if err := syscall.Kill(c.pid, syscall.SIGCONT); err != nil {
		return fmt.Errorf("continue %s (pid %d): %w", c.name, c.pid, err)
	}
	stopsOf(c.pid) // ours, which are no incidents
	c.paused.Store(false)
	return nil
}

func (c *Child) hasEnded() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}
