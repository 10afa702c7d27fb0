package sidebyside

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// The exit codes of a command that compares; those of cmd/headroom.
const (
	ExitOK          = 0
	ExitError       = 1
	ExitMissed      = 99 // an aim was missed
	ExitUsage       = 104
	ExitInterrupted = 105
	ExitInvalid     = 125 // others used the machine, or something did not do what it was measured for
)

// Command is a command that compares. What goes wrong is written to Errors, with its name before it.
type Command struct {
	Name   string
	Errors io.Writer
}

// Run has the command line parsed and, if that was well, measures until it is done or a signal ends ctx. It returns the
// exit code.
func (c Command) Run(parse func() error, measure func(ctx context.Context) (code int, err error)) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := parse()
	if errors.Is(err, flag.ErrHelp) {
		return ExitOK
	}
	if err != nil {
		c.complain(err)
		return ExitUsage
	}
	code, err := measure(ctx)
	if err != nil && ctx.Err() != nil {
		c.complain(fmt.Errorf("interrupted: %w", err))
		return ExitInterrupted
	}
	if err != nil {
		return c.Exit(err)
	}
	return code
}

// Exit is the exit code for an error, which it writes, or for none.
func (c Command) Exit(err error) int {
	if err == nil {
		return ExitOK
	}
	c.complain(err)
	return ExitError
}

func (c Command) complain(err error) { fmt.Fprintf(c.Errors, "%s: %v\n", c.Name, err) }
