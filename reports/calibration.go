package reports

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/policycortex/headroom/results/calibration"
	"github.com/policycortex/headroom/results/experiment"
)

// CalibrationMarkdown writes what a calibration came to as Markdown.
func CalibrationMarkdown(w io.Writer, r *calibration.Result) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%d blocks, recorded from %s to %s (UTC); a block took %.1f s, so an experiment of %v has at most "+
		"%d of them.\n", r.Recorded, r.From.UTC().Format(time.DateTime), r.To.UTC().Format(time.DateTime),
		r.BlockSeconds, r.MaxTime, r.Blocks)
	fmt.Fprintf(&b, "Of %d pairs of slices %d did not count. The unchanged server takes %.1f µs of CPU time and %.3f "+
		"ms a request.\n\n", r.Pairs, r.Vetoed, 1000*r.Usual.CPU, r.Usual.Response)
	fmt.Fprintf(&b, "| noise between equal arms (standard deviation) | of a pair | of a block |\n|---|---|---|\n")
	for _, n := range r.Noise {
		fmt.Fprintf(&b, "| %s | %.1f %% | %.1f %% |\n", n.Figure, 100*n.Pair, 100*n.Block)
	}
	fmt.Fprintf(&b, "\nExperiments that failed, of %s drawn with each change, with a tolerance of %.0f %%; in "+
		"brackets the 95 %% interval of the drawing:\n\n", thousands(r.Rows), 100*calibration.Tolerance)
	fmt.Fprintf(&b, "| change of the head | blocks | default gates (P95, CPU) | mean blocks |%s\n|---|---|---|---|%s\n",
		header(" %s alone |"), strings.Repeat("---|", len(calibration.Figures)))
	for _, row := range r.Rows {
		fmt.Fprintf(&b, "| %s | %d | %s | %.1f |", row.Change, row.Blocks, failedOf(row.Default), row.Default.Blocks)
		for _, f := range calibration.Figures {
			fmt.Fprintf(&b, " %s |", failedOf(row.Single[f]))
		}
		fmt.Fprintln(&b)
	}
	fmt.Fprintf(&b, "\nWhat the blocks measured, all together (95 %% interval), and how often one run of the head was "+
		"more than %.0f %% above one run of the base before it:\n\n", 100*calibration.Tolerance)
	fmt.Fprintf(&b, "| change of the head |%s%s\n|---|%s\n", header(" %s |"), header(" one run, %s |"),
		strings.Repeat("---|", 2*len(calibration.Figures)))
	for _, row := range r.Rows {
		fmt.Fprintf(&b, "| %s |", row.Change)
		for _, f := range calibration.Figures {
			fmt.Fprintf(&b, " %s |", measuredChange(row, f))
		}
		for _, f := range calibration.Figures {
			s := row.OneRun[f]
			fmt.Fprintf(&b, " %d of %d |", s.K, s.N)
		}
		fmt.Fprintln(&b)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// header is a format filled with the short name of each figure.
func header(format string) string {
	var b strings.Builder
	for _, f := range calibration.Figures {
		name := f
		switch f {
		case "cpu_per_request value":
			name = "CPU"
		default:
			name = strings.NewReplacer("http_req_duration p(", "P", ")", "").Replace(f)
		}
		fmt.Fprintf(&b, format, name)
	}
	return b.String()
}

func thousands(rows []calibration.Row) string {
	if len(rows) == 0 {
		return "none"
	}
	return count(int64(rows[0].Default.Experiments))
}

func failedOf(r experiment.Resampled) string {
	low, high := experiment.ShareInterval(r.Failed, r.Experiments)
	return fmt.Sprintf("%.1f %% (%.1f to %.1f)", 100*float64(r.Failed)/float64(r.Experiments), 100*low, 100*high)
}

func measuredChange(row calibration.Row, figure string) string {
	for _, e := range row.Measured {
		if e.Figure == figure {
			return fmt.Sprintf("%+.1f %% (%+.1f to %+.1f)", 100*e.Change, 100*e.Low, 100*e.High)
		}
	}
	return "–"
}
