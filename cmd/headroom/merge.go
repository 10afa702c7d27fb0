package main

import (
	"github.com/spf13/cobra"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/judge"
)

func newMergeCommand(args []string) *cobra.Command {
	r := &runner{command: args}
	c := &cobra.Command{
		Use:   "merge RUN...",
		Short: "Merge the shards of a run, and judge the whole",
		Long: `Merge all shards of a run (headroom run --shard) into one run, judge it by the scenario's thresholds, save it, and write
its reports. Merging is lossless: counts are added, and histograms are merged bucket by bucket. Runs that do not belong
together are refused, and so is a set with a missing or duplicate shard.`,
		Example: "  headroom merge shard-0 shard-1 shard-2 shard-3 --out whole",
		Args:    atLeastOne("a saved run"),
		RunE: func(c *cobra.Command, paths []string) error {
			r.w, r.result, r.secrets = c.OutOrStdout(), c.OutOrStdout(), redactorOf(c)
			if r.json {
				r.result = c.ErrOrStderr()
			}
			return r.merge(paths)
		},
	}
	c.Flags().StringVar(&r.out, "out", "", "`directory` of the merged run (default results/runs/<time>-<name>)")
	c.Flags().BoolVar(&r.json, "json", false,
		"write the summary as JSON to standard output, and everything else to standard error")
	return c
}

func (r *runner) merge(paths []string) error {
	shards := make([]*results.Run, len(paths))
	for i, path := range paths {
		shard, err := results.Read(path)
		if err != nil {
			return usageError{err}
		}
		shards[i] = shard
	}
	merged, err := results.Merge(shards)
	if err != nil {
		return usageError{err}
	}
	plan, err := merged.Scenario.Plan()
	if err != nil {
		return err
	}
	if err := judge.Merged(merged, shards, plan.Thresholds); err != nil {
		return err
	}
	merged.Command, merged.Tool = redacted(r.command, r.secrets), toolVersion()
	dir, taken, err := takeRunDirectory(r.directory(plan, false), r.out == "")
	if err != nil {
		return err
	}
	defer taken.Close()
	if err := r.publishRun(dir, merged); err != nil {
		return err
	}
	if merged.Verdict.Outcome != results.Pass {
		return verdictError{merged.Verdict.Outcome}
	}
	return nil
}
