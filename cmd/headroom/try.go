package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/policycortex/headroom/containers"
	"github.com/policycortex/headroom/loadgen"
	"github.com/policycortex/headroom/reports"
	"github.com/policycortex/headroom/results"
)

// trier is the try command with its flags.
type trier struct {
	runner
	requests []string
}

func newTryCommand() *cobra.Command {
	t := &trier{}
	c := &cobra.Command{
		Use:   "try FILE",
		Short: "Send each request of a scenario once, and show the responses",
		Long: `Send one iteration of each request and flow of a scenario file, without load. Print each request and response, the extracted
values, and the results of the checks. Requests are rendered and responses checked as under load. Secrets are redacted,
including values that a flow extracts for a secret header.

The exit code is 99 if a request failed or a check did not hold.`,
		Example: `  headroom try my-service.yaml
  headroom try scenarios/flow.yaml --requests create,read
  headroom try my-service.yaml --set target.url=https://staging.example.com`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError{fmt.Errorf("%s needs one scenario file; see: %s --help", c.CommandPath(),
					c.CommandPath())}
			}
			return nil
		},

		ValidArgsFunction: completeScenarios,

		RunE: func(c *cobra.Command, files []string) error {
			t.in, t.w, t.wErr, t.secrets = c.InOrStdin(), c.OutOrStdout(), c.ErrOrStderr(), redactorOf(c)
			t.progress = t.wErr
			if t.quiet {
				t.progress = io.Discard
			}
			return t.try(c.Context(), files[0])
		},
	}
	c.Flags().StringSliceVar(&t.requests, "requests", nil,
		"send only the requests, flows or steps with these `names`; a step is sent with the steps before it "+
			"(repeatable)")
	addSystemFlags(c, &t.runner)
	t.scenario.add(c)
	c.Flags().BoolVar(&t.quiet, "quiet", false, "do not show how the system starts")
	return c
}

func (t *trier) try(ctx context.Context, file string) (err error) {
	in, err := t.scenario.inputs(t.secrets)
	if err != nil {
		return err
	}
	l, err := load(ctx, file, t.in, in)
	if err != nil {
		return err
	}
	trials, left, err := loadgen.Trials(l.plan, l.recordings, t.requests)
	if err != nil {
		return usageError{fmt.Errorf("%s: %w", file, err)}
	}
	dir, err := os.MkdirTemp("", "headroom-try-") // for the reference server's log
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	plan := *l.plan
	plan.Faults = nil // faults need a load
	system, err := t.startSystem(ctx, &plan, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, system.stop(ctx)) }()

	sent, fine := 0, 0
	out := &trialWriter{w: t.w, secrets: t.secrets}
	options := loadgen.Options{
		Others: system.others, Regions: system.regions, Fixture: system.keys, Feeders: l.feeders,
		Recordings: l.recordings, Secrets: t.secrets,
	}
	err = loadgen.Try(ctx, &plan, system.url, options, trials, func(tried *loadgen.Tried) {
		out.write(tried)
		sent++
		if tried.Fine() {
			fine++
		}
	})
	err = errors.Join(err, out.err)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(t.w, "%s, %d as expected\n", reports.Plural(sent, "request"), fine); err != nil {
		return err
	}
	if left > 0 {
		fmt.Fprintf(t.progress, "%s of recordings were left out; select them with --requests\n",
			reports.Plural(left, "name"))
	}
	if fine < sent {
		t.showServerLog(system)
		return verdictError{results.Fail}
	}
	return nil
}

// showServerLog prints the ends of the reference server's logs that are not empty.
func (t *trier) showServerLog(s *system) {
	for _, server := range s.servers {
		if text := containers.LogTail(server.log.Name()); text != "" {
			fmt.Fprintf(t.progress, "the log of the reference server ends with:\n%s\n", text)
		}
	}
}

// shortly rounds a duration for display.
func shortly(d time.Duration) string { return d.Round(10 * time.Microsecond).String() }
