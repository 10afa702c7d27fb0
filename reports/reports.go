// Package reports draws a saved run or experiment: a self-contained web page, a summary for scripts, a JUnit file for
// CI and a text for terminals. It only lays out: every figure comes from package results.
package reports

import (
	"bytes"
	"fmt"
	"io"
	"path/filepath"

	"github.com/policycortex/headroom/results"
)

// The files that Write creates.
const (
	HTMLFile    = "report.html"
	SummaryFile = "summary.json"
	JUnitFile   = "junit.xml"
)

// Write draws report.html, summary.json and junit.xml of the run into dir, which must exist. Files are replaced
// atomically. The same run always gives the same bytes.
func Write(dir string, r *results.Run) error {
	return writeAll(dir, r, []drawer[*results.Run]{{HTMLFile, HTML}, {SummaryFile, SummaryJSON}, {JUnitFile, JUnit}})
}

// WriteExperiment is Write for an experiment.
func WriteExperiment(dir string, e *results.Experiment) error {
	return writeAll(dir, e, []drawer[*results.Experiment]{
		{HTMLFile, ExperimentHTML}, {SummaryFile, ExperimentSummaryJSON}, {JUnitFile, ExperimentJUnit},
	})
}

// drawer draws a file of a run or experiment.
type drawer[T any] struct {
	file string
	draw func(io.Writer, T) error
}

func writeAll[T any](dir string, record T, reports []drawer[T]) error {
	for _, report := range reports {
		err := results.WriteFileBy(filepath.Join(dir, report.file), func(w io.Writer) error {
			if report.file == HTMLFile { // it is not shown in a terminal, and its scripts must not change
				return report.draw(w, record)
			}
			return drawPrintable(w, report.draw, record)
		})
		if err != nil {
			return fmt.Errorf("write %s: %w", report.file, err)
		}
	}
	return nil
}

// drawPrintable draws what may be shown in a terminal.
func drawPrintable[T any](w io.Writer, draw func(io.Writer, T) error, record T) error {
	var content bytes.Buffer
	err := draw(&content, record)
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, results.Printable(content.String()))
	return err
}
