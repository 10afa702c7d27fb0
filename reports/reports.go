// Package reports draws a saved run: a self-contained web page, a summary for machines, a JUnit file for CI and a text
// for terminals. It computes nothing beyond layout: every figure comes from results.
package reports

import (
	"bytes"
	"fmt"
	"io"
	"path/filepath"

	"github.com/policycortex/headroom/results"
)

// The files that Write makes.
const (
	HTMLFile    = "report.html"
	SummaryFile = "summary.json"
	JUnitFile   = "junit.xml"
)

// Write draws every report of the run into dir, which must exist: report.html, summary.json and junit.xml. Each file
// holds its old or its new content whole, and is byte for byte the same for the same run.
func Write(dir string, r *results.Run) error {
	for _, report := range []struct {
		file string
		draw func(io.Writer, *results.Run) error
	}{{HTMLFile, HTML}, {SummaryFile, SummaryJSON}, {JUnitFile, JUnit}} {
		var content bytes.Buffer
		if err := report.draw(&content, r); err != nil {
			return err
		}
		drawn := content.Bytes()
		if report.file != HTMLFile { // which is for no terminal, and whose scripts must stay as they are
			drawn = []byte(results.Printable(content.String()))
		}
		if err := results.WriteFile(filepath.Join(dir, report.file), drawn); err != nil {
			return fmt.Errorf("write %s: %w", report.file, err)
		}
	}
	return nil
}
