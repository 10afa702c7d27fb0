package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/policycortex/headroom/reports"
	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/judge"
)

func newCompareCommand() *cobra.Command {
	asJSON := false
	c := &cobra.Command{
		Use:   "compare OLD NEW",
		Short: "Show in what saved runs of one scenario differ",
		Long: `Compare two saved runs of the same load. For each gate: the measured value and the margin, before and after. For each
request: P50, P95, throughput and the share of failed requests, with 95 % confidence intervals. A figure differs if its
intervals do not overlap; otherwise it is marked with a ~. OLD and NEW are run directories, or the run.json in them.

One run each is no experiment: nothing is called worse or better. headroom ab judges a change.

Runs with different loads are refused (exit code 104). An INVALID run cannot be compared (exit code 125).`,
		Example: `  headroom run my-service.yaml --out before
  headroom run my-service.yaml --out after
  headroom compare before after
  headroom compare before after --json | jq '.requests[] | select(.response_p95_ms.finding == "differs") | .name'`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) != 2 {
				return usageError{fmt.Errorf("%s needs two saved runs, the old one and the new one; see: %s --help",
					c.CommandPath(), c.CommandPath())}
			}
			return nil
		},
		RunE: func(c *cobra.Command, paths []string) error {
			return compare(c, paths[0], paths[1], asJSON)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false,
		"write the comparison as JSON to standard output, and the text to standard error")
	return c
}

func compare(c *cobra.Command, oldPath, newPath string, asJSON bool) error {
	before, err := results.Read(oldPath)
	after, err2 := results.Read(newPath)
	if err := errors.Join(err, err2); err != nil {
		return usageError{err}
	}
	comparison, err := judge.ComparePair(before, after)
	if err != nil {
		if reason := (*judge.NotAlikeError)(nil); asJSON && errors.As(err, &reason) {
			err = errors.Join(err, reports.NotComparableJSON(jsonTo(c.OutOrStdout()), reason))
		}
		return asInput(err)
	}
	text := c.OutOrStdout()
	if asJSON {
		text = c.ErrOrStderr()
		if err := reports.PairJSON(jsonTo(c.OutOrStdout()), comparison, oldPath, newPath); err != nil {
			return err
		}
	}
	if err := reports.PairText(text, comparison, oldPath, newPath); err != nil {
		return err
	}
	if before.Verdict.Outcome == results.Invalid || after.Verdict.Outcome == results.Invalid {
		return verdictError{results.Invalid}
	}
	return nil
}
