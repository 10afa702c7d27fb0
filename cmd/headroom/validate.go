package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/policycortex/headroom/loadgen/connect"
	"github.com/policycortex/headroom/loadgen/request"
	"github.com/policycortex/headroom/reports"
	"github.com/policycortex/headroom/scenarios"
)

func newValidateCommand() *cobra.Command {
	var flags scenarioFlags
	c := &cobra.Command{
		Use:     "validate FILE...",
		Short:   "Check scenario files without running them",
		Example: "  headroom validate scenarios/*.yaml",
		Args:    atLeastOne("a scenario file"),

		ValidArgsFunction: completeScenarios,
		RunE: func(c *cobra.Command, files []string) error {
			in, err := flags.inputs(redactorOf(c))
			if err != nil {
				return err
			}
			var faults []error
			for _, file := range files {
				l, err := load(c.Context(), file, c.InOrStdin(), in)
				if err != nil {
					faults = append(faults, err)
					continue
				}
				if file == "-" {
					file = stdinName
				}
				requests := 0
				for _, s := range l.plan.Scenarios {
					requests += len(s.Requests)
				}
				counts := []string{
					reports.Plural(len(l.plan.Scenarios), "scenario"),
					reports.Plural(requests, "request"), reports.Plural(len(l.plan.Thresholds), "threshold"),
				}
				if gates := l.plan.Experiment.Regressions; len(gates) > 0 {
					counts = append(counts, reports.Plural(len(gates), "regression gate"))
				}
				fmt.Fprintf(c.OutOrStdout(), "%s: valid (%s)\n", file, strings.Join(counts, ", "))
				for _, q := range l.plan.Calls() {
					fmt.Fprintf(c.OutOrStdout(), "%s: request %s: %s\n", file, q.Name, q.Call)
				}
				for _, warning := range l.recordings.Warnings(l.plan) {
					fmt.Fprintf(c.OutOrStdout(), "%s: warning: %s\n", file, warning)
				}
			}
			return errors.Join(faults...)
		},
	}
	flags.add(c)
	return c
}

// loaded is a scenario file with the files that it names.
type loaded struct {
	plan       *scenarios.Plan
	feeders    request.Feeders
	recordings request.Recordings
}

// load reads a scenario file, or standard input if it is "-", and the files that it names. A missing file is an error
// of the caller.
func load(ctx context.Context, file string, stdin io.Reader, in scenarios.Inputs) (l loaded, err error) {
	if file == "-" {
		l.plan, err = parseInput(stdin, in)
	} else {
		l.plan, err = in.Read(file)
	}
	if err != nil {
		return l, asInput(err)
	}
	err = checkServerSettings(l.plan)
	if err != nil {
		return l, err
	}
	_, err = connect.Load(l.plan)
	if err != nil {
		return l, inputError{err}
	}
	l.feeders, err = request.LoadFeeders(ctx, l.plan)
	if err != nil {
		return l, inputError{err}
	}
	l.plan, l.recordings, err = request.LoadRecordings(ctx, l.plan)
	if err != nil {
		return l, inputError{err}
	}
	return l, nil
}

// stdinName is the name of a scenario that is read from standard input.
const stdinName = "stdin"

// parseInput reads a scenario from standard input. The files that it names are relative to the working directory.
func parseInput(stdin io.Reader, in scenarios.Inputs) (*scenarios.Plan, error) {
	text, err := io.ReadAll(stdin)
	if err != nil {
		return nil, fmt.Errorf("read the scenario from standard input: %w", err)
	}
	return in.Parse(stdinName, text)
}

// completeScenarios completes the names of built-in scenarios; the shell itself completes files.
func completeScenarios(_ *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
	names := slices.DeleteFunc(scenarios.Shipped(), func(name string) bool { return !strings.HasPrefix(name, begun) })
	return names, cobra.ShellCompDirectiveDefault
}

// asInput marks an error as the caller's, unless it is an error in a scenario file, which is one already.
func asInput(err error) error {
	var faults scenarios.Errors
	if err == nil || errors.As(err, &faults) {
		return err
	}
	return usageError{err}
}
