package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/policycortex/headroom/containers"
	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/history"
	"github.com/policycortex/headroom/scenarios"
)

// The exit codes. They are those of k6 where k6 has one.
const (
	exitOK          = 0
	exitError       = 1
	exitNone        = 3   // there is no history or baseline yet
	exitCrossed     = 99  // a threshold was crossed
	exitUsage       = 104 // the scenario, a flag or the configuration is wrong
	exitInterrupted = 105
	exitInvalid     = 125 // the measurement is invalid or inconclusive; git bisect run skips it
)

// usageError is a mistake of the caller: a flag, an argument, an address.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// inputError is one or more errors in a file of the caller. Each message begins with the file.
type inputError struct{ error }

func (e inputError) Unwrap() error { return e.error }

// verdictError is the outcome of runs that completed without an error but did not pass.
type verdictError struct{ outcome results.Outcome }

func (e verdictError) Error() string { return string(e.outcome) }

// sameSignal is the time after the first signal in which further signals count as the same one.
const sameSignal = time.Second

// errInterrupted is the error of a command that a signal ended.
var errInterrupted = errors.New("interrupted")

// publishError means that a measured run could not be written. It is reported even if the run was interrupted.
type publishError struct{ error }

func (e publishError) Unwrap() error { return e.error }

// run executes the command line and returns the exit code.
func run(w, wErr io.Writer, args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	// The first signal asks for an orderly end. A second one has its default effect, unless it follows at once: GNU
	// timeout, for example, signals the process and then its group.
	context.AfterFunc(ctx, func() { time.AfterFunc(sameSignal, stop) })

	secrets := &scenarios.Redactor{}
	learnArguments(secrets, args)
	out, outErr := &terminal{w: w, secrets: secrets}, &terminal{w: wErr, secrets: secrets}
	defer out.flush()
	defer outErr.flush()

	root := newRoot(args)
	root.SetArgs(twoDashes(args)[1:])
	root.SetOut(out)
	root.SetErr(outErr)
	err := root.ExecuteContext(withSecrets(ctx, secrets))
	if err != nil && ctx.Err() != nil && !errors.As(err, new(verdictError)) {
		err = errors.Join(errInterrupted, err)
	}
	code := exitCode(err)
	if code != exitOK && code != exitCrossed && code != exitInvalid {
		printError(outErr, err)
	}
	return code
}

func exitCode(err error) int {
	var verdict verdictError
	var unknown *containers.UnknownProviderError
	var noHistory *history.NoneError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errInterrupted):
		return exitInterrupted
	case errors.As(err, &verdict) && verdict.outcome == results.Fail:
		return exitCrossed
	case errors.As(err, &verdict):
		return exitInvalid
	case errors.As(err, &noHistory), errors.As(err, new(noBaselineError)):
		return exitNone
	case errors.As(err, new(usageError)), errors.As(err, new(inputError)), errors.As(err, new(scenarios.Errors)),
		errors.As(err, &unknown):
		return exitUsage
	}
	return exitError
}

func printError(w io.Writer, err error) {
	if errors.Is(err, errInterrupted) {
		fmt.Fprintln(w, "headroom: interrupted")
		var lost publishError
		if !errors.As(err, &lost) {
			return
		}
		err = lost
	}
	printFaults(w, err)
}

// printFaults writes each error on its own lines. Errors in a file begin with its name, line and column, so that an
// editor can go there. Other errors begin with the program's name.
func printFaults(w io.Writer, err error) {
	if input, ok := err.(inputError); ok {
		fmt.Fprintln(w, input)
		return
	}
	var faults scenarios.Errors
	several, ok := err.(interface{ Unwrap() []error })
	switch {
	case errors.As(err, &faults) && err.Error() == faults.Error():
		fmt.Fprintln(w, err)
	case ok && err.Error() == errors.Join(several.Unwrap()...).Error(): // and no sentence about them
		for _, e := range several.Unwrap() {
			printFaults(w, e)
		}
	default:
		// Continuation lines are indented, so that a file name with a line break cannot forge a message.
		fmt.Fprintf(w, "headroom: %s\n", strings.ReplaceAll(err.Error(), "\n", "\n  "))
	}
}

func newRoot(args []string) *cobra.Command {
	root := &cobra.Command{
		Use:   "headroom",
		Short: "How much headroom does this API have, and did this change take some away?",
		Long: `headroom runs load scenarios against its reference API or your own service, judges the measurements by the scenario's
thresholds, and writes reports.

Exit codes: 0 all thresholds held, 3 there is no history or baseline yet, 99 a threshold was crossed or a change for the worse
found, 104 the scenario or a flag is wrong, 105 interrupted, 125 the measurement is invalid or inconclusive (the generator was
the limit, or there is too little data), 1 any other error.`,
		Example: `  headroom run scenarios/smoke.yaml
  headroom run my-service.yaml --set target.url=http://127.0.0.1:8080
  headroom compare before after
  headroom doctor`,
		Version:       toolVersion().Version,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.AddCommand(newTryCommand())
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w; see: %s --help", err, c.CommandPath())}
	})
	root.AddCommand(newRunCommand(args), newMergeCommand(args), newCompareCommand(), newAttackCommand(),
		newServeCommand(), newSeedCommand(), newReportCommand(), newValidateCommand(), newABCommand(args),
		newCapacityCommand(args), newCalibrateCommand(args), newImportCommand(), newReferenceServerCommand(),
		newHistoryCommand(),
		newBaselineCommand(),
		newDoctorCommand(), newVersionCommand())
	// Unknown commands and unexpected arguments are usage errors as well.
	root.Args = unknownCommand
	root.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	return root
}

// unknownCommand refuses an unknown command and suggests similar ones.
func unknownCommand(c *cobra.Command, args []string) error {
	err := cobra.NoArgs(c, args)
	if err == nil {
		return nil
	}
	// only the closest
	for c.SuggestionsMinimumDistance = 1; c.SuggestionsMinimumDistance <= 2; c.SuggestionsMinimumDistance++ {
		if near := c.SuggestionsFor(args[0]); len(near) > 0 {
			return usageError{fmt.Errorf(`%w; did you mean "%s"?`, err, strings.Join(near, `" or "`))}
		}
	}
	return usageError{fmt.Errorf("%w; see: %s --help", err, c.CommandPath())}
}

func newVersionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of headroom",
		Args:  func(c *cobra.Command, args []string) error { return asUsage(cobra.NoArgs(c, args)) },
		RunE: func(c *cobra.Command, _ []string) error {
			tool := toolVersion()
			commit := ""
			if tool.Commit != "" {
				commit = "commit " + tool.Commit + ", "
			}
			_, err := fmt.Fprintf(c.OutOrStdout(), "headroom %s (%s%s, %s/%s)\n", tool.Version, commit,
				runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}

func asUsage(err error) error {
	if err == nil {
		return nil
	}
	return usageError{err}
}

// atLeastOne accepts one or more arguments; what names them in the error.
func atLeastOne(what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usageError{fmt.Errorf("%s needs %s; see: %s --help", c.CommandPath(), what, c.CommandPath())}
		}
		return nil
	}
}

// toolVersion is the version that the Go toolchain recorded in this binary.
func toolVersion() results.Tool {
	tool := results.Tool{Version: "devel"}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return tool
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		tool.Version = v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			tool.Commit = s.Value
		}
	}
	return tool
}
