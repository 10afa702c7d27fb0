package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/policycortex/headroom/reports"
	"github.com/policycortex/headroom/results"
)

func newReportCommand() *cobra.Command {
	hdr := false
	c := &cobra.Command{
		Use:   "report RUN...",
		Short: "Draw the reports of saved runs again",
		Long: `Draw the reports of saved runs again. The same version of headroom always draws the same bytes. RUN is a run directory, or
the run.json in it.`,
		Example: "  headroom report results/runs/20260102T150405-smoke",
		Args:    atLeastOne("a saved run"),
		RunE: func(c *cobra.Command, paths []string) error {
			for _, path := range paths {
				if filepath.Base(path) == "run.json" {
					path = filepath.Dir(path)
				}
				r, err := results.Read(path)
				if err != nil {
					return usageError{err}
				}
				if err := reports.Write(path, r); err != nil {
					return err
				}
				fmt.Fprintln(c.OutOrStdout(), oneLine(filepath.Join(path, reports.HTMLFile)))
				if !hdr {
					continue
				}
				files, err := reports.WritePercentiles(path, r)
				if err != nil {
					return err
				}
				for _, file := range files {
					fmt.Fprintln(c.OutOrStdout(), oneLine(file))
				}
			}
			return nil
		},
	}
	c.Flags().BoolVar(&hdr, "hdr", false,
		"also write percentiles of response times for HdrHistogram's plotters (response-*.hgrm)")
	return c
}
