package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/policycortex/headroom/loadgen"
	"github.com/policycortex/headroom/scenarios"
)

func newValidateCommand() *cobra.Command {
	var overrides []string
	c := &cobra.Command{
		Use:     "validate FILE...",
		Short:   "Parse and validate scenario files, without running them",
		Example: "  headroom validate scenarios/*.yaml",
		Args:    atLeastOne("a scenario file"),
		RunE: func(c *cobra.Command, files []string) error {
			var faults []error
			for _, file := range files {
				plan, _, err := load(file, overrides)
				if err != nil {
					faults = append(faults, err)
					continue
				}
				requests := 0
				for _, s := range plan.Scenarios {
					requests += len(s.Requests)
				}
				fmt.Fprintf(c.OutOrStdout(), "%s: valid (%d scenarios, %d requests, %d thresholds)\n",
					file, len(plan.Scenarios), requests, len(plan.Thresholds))
			}
			return errors.Join(faults...)
		},
	}
	addSetFlag(c, &overrides)
	return c
}

func addSetFlag(c *cobra.Command, overrides *[]string) {
	c.Flags().StringArrayVar(overrides, "set", nil, "override a value of the scenario, as `key=value`: scenarios.warm.rate=5000 (repeatable)")
}

// load reads a scenario file and the files of its feeders; a file that is not there is a mistake of the caller.
func load(file string, overrides []string) (*scenarios.Plan, loadgen.Feeders, error) {
	plan, err := scenarios.Load(file, overrides...)
	var faults scenarios.Errors
	if err != nil && !errors.As(err, &faults) {
		return nil, nil, usageError{err}
	}
	if err != nil {
		return nil, nil, err
	}
	feeders, err := loadgen.LoadFeeders(plan)
	if err != nil {
		return nil, nil, usageError{err}
	}
	return plan, feeders, nil
}
