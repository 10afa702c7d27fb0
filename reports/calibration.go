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
	fmt.Fprintf(&b, "\nExperiments that failed by a gate, at a nominal %s of equal arms, of %s drawn with each "+
		"change; in brackets the 95 %% interval of the drawing:\n\n", shareText(r.Alpha), thousands(r.Rows))
	fmt.Fprintf(&b, "| change of the head | blocks | all gates | mean blocks |%s\n|---|---|---|---|%s\n",
		header(r, " %s alone |"), strings.Repeat("---|", len(r.Figures)))
	for _, row := range r.Rows {
		fmt.Fprintf(&b, "| %s | %d | %s | %.1f |", row.Change, row.Blocks, failedOf(row.All), row.All.Blocks)
		for _, g := range r.Figures {
			fmt.Fprintf(&b, " %s |", failedOf(row.Single[g.Figure]))
		}
		fmt.Fprintln(&b)
	}
	fmt.Fprintf(&b, "\nWhat the blocks measured, all together (95 %% interval), and how often one run of the head was "+
		"worse than one run of the base before it by more than the tolerance:\n\n")
	fmt.Fprintf(&b, "| change of the head |%s%s\n|---|%s\n", header(r, " %s |"), header(r, " one run, %s |"),
		strings.Repeat("---|", 2*len(r.Figures)))
	for _, row := range r.Rows {
		fmt.Fprintf(&b, "| %s |", row.Change)
		for _, g := range r.Figures {
			fmt.Fprintf(&b, " %s |", measuredChange(row, g.Figure))
		}
		for _, g := range r.Figures {
			s := row.OneRun[g.Figure]
			fmt.Fprintf(&b, " %d of %d |", s.K, s.N)
		}
		fmt.Fprintln(&b)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// header is a format filled with each figure.
func header(r *calibration.Result, format string) string {
	var b strings.Builder
	for _, g := range r.Figures {
		fmt.Fprintf(&b, format, g.Figure)
	}
	return b.String()
}

func thousands(rows []calibration.Row) string {
	if len(rows) == 0 {
		return "none"
	}
	return count(int64(rows[0].All.Experiments))
}

func failedOf(r experiment.Resampled) string {
	low, high := experiment.ShareInterval(r.Failed, r.Experiments)
	return fmt.Sprintf("%.1f %% (%.1f to %.1f)", 100*float64(r.Failed)/float64(r.Experiments), 100*low, 100*high)
}

func measuredChange(row calibration.Row, figure string) string {
	e, ok := row.Measured[figure]
	if !ok || e.Blocks < 2 {
		return "–"
	}
	return fmt.Sprintf("%+.1f %% (%+.1f to %+.1f)", 100*e.Change, 100*e.Low, 100*e.High)
}
