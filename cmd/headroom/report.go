package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/policycortex/headroom/reports"
	"github.com/policycortex/headroom/results"
)

func newReportCommand() *cobra.Command {
	hdr := false
	c := &cobra.Command{
		Use:   "report RUN...",
		Short: "Draw the reports of saved runs, experiments and capacities again",
		Long: `Draw the reports of saved runs, experiments and capacities again. The same version of headroom always draws the same
bytes. RUN is the directory of one, or the run.json, experiment.json or capacity.json in it.`,
		Example: "  headroom report results/runs/20260102T150405-smoke",
		Args:    atLeastOne("a saved run, experiment or capacity"),
		RunE: func(c *cobra.Command, paths []string) error {
			for _, path := range paths {
				files, err := drawAgain(path, hdr)
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
		"also write percentiles of response times and deliveries for HdrHistogram's plotters (*.hgrm)")
	return c
}

// drawAgain draws the reports of a saved run, experiment or capacity, and returns those of its files that people read.
func drawAgain(path string, hdr bool) ([]string, error) {
	dir := path
	if base := filepath.Base(path); base == "run.json" || base == results.ExperimentFile ||
		base == results.CapacityFile {
		dir = filepath.Dir(path)
	}
	page := []string{filepath.Join(dir, reports.HTMLFile)}
	if isCapacity(path, dir) {
		c, err := results.ReadCapacity(dir)
		if err != nil {
			return nil, usageError{err}
		}
		if hdr {
			return nil, usageError{fmt.Errorf("%s: a capacity has no percentiles to write: leave out --hdr", dir)}
		}
		return page, reports.WriteCapacity(dir, c)
	}
	if isExperiment(path, dir) {
		e, err := results.ReadExperiment(dir)
		if err != nil {
			return nil, usageError{err}
		}
		if hdr {
			return nil, usageError{fmt.Errorf("%s: an experiment has no percentiles to write: leave out --hdr", dir)}
		}
		return page, reports.WriteExperiment(dir, e)
	}
	r, err := results.Read(dir)
	if err != nil {
		return nil, usageError{err}
	}
	if err := reports.Write(dir, r); err != nil || !hdr {
		return page, err
	}
	files, err := reports.WritePercentiles(dir, r)
	return append(page, files...), err
}

// isExperiment reports whether a path is that of an experiment: its file, or a directory that holds it and no run.
func isExperiment(path, dir string) bool { return holdsOnly(path, dir, results.ExperimentFile) }

// isCapacity is isExperiment of a capacity.
func isCapacity(path, dir string) bool { return holdsOnly(path, dir, results.CapacityFile) }

func holdsOnly(path, dir, file string) bool {
	_, missing := os.Stat(filepath.Join(dir, file))
	_, noRun := os.Stat(filepath.Join(dir, "run.json"))
	return filepath.Base(path) == file || missing == nil && noRun != nil
}
