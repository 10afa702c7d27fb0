package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/policycortex/headroom/reports"
	"github.com/policycortex/headroom/reports/export"
	"github.com/policycortex/headroom/results"
)

// exported is the result of a command as other tools read it. All fields are needed.
type exported struct {
	figures     []export.Figure
	benchmarks  []benchmarkGroup // for benchstat
	annotations []export.Annotation

	junit, markdown, json func(io.Writer) error
}

// benchmarkGroup is a group of lines for benchstat that share a configuration.
type benchmarkGroup struct {
	config map[string]string
	runs   [][]export.Figure
}

// The parts of the names of action-benchmark's two files.
const (
	smallerPart = "-smaller"
	biggerPart  = "-bigger"
)

// exportFormats are the formats that --export knows, with what writes each.
var exportFormats = map[string]func(exported, io.Writer) error{
	"junit":       func(e exported, w io.Writer) error { return e.junit(w) },
	"markdown":    func(e exported, w io.Writer) error { return e.markdown(w) },
	"json":        func(e exported, w io.Writer) error { return e.json(w) },
	"openmetrics": func(e exported, w io.Writer) error { return export.OpenMetrics(w, e.figures) },
	"bencher":     func(e exported, w io.Writer) error { return export.Bencher(w, e.figures) },
	"benchstat": func(e exported, w io.Writer) error {
		for _, g := range e.benchmarks {
			if err := export.Benchstat(w, g.config, g.runs); err != nil {
				return err
			}
		}
		return nil
	},
	"action-benchmark": nil, // two files: see write
}

// exportTarget is a value of --export.
type exportTarget struct{ format, file string }

// exportFlag is the repeatable flag --export FORMAT=FILE. It is a pflag.Value.
type exportFlag struct{ targets []exportTarget }

// add adds the flag to a command.
func (e *exportFlag) add(c *cobra.Command) {
	c.Flags().Var(e, "export", "also write the result to a file in a `format=file` that other tools read: "+
		strings.Join(exportNames(), ", ")+"; may be given several times. action-benchmark writes two files, "+
		"FILE with "+smallerPart+" and with "+biggerPart+" before its extension")
}

func exportNames() []string {
	var names []string
	for name := range exportFormats {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Set adds a FORMAT=FILE.
func (e *exportFlag) Set(value string) error {
	format, file, ok := strings.Cut(value, "=")
	if !ok || file == "" {
		return errors.New("write FORMAT=FILE, such as junit=junit.xml")
	}
	if _, known := exportFormats[format]; !known {
		return fmt.Errorf("there is no format %q: use %s", format, strings.Join(exportNames(), ", "))
	}
	e.targets = append(e.targets, exportTarget{format, file})
	return nil
}

// String is the flag's value, as pflag shows it.
func (e *exportFlag) String() string {
	var values []string
	for _, t := range e.targets {
		values = append(values, t.format+"="+t.file)
	}
	return strings.Join(values, ",")
}

// Type is empty: the usage text names the value.
func (e *exportFlag) Type() string { return "" }

// files are the files that a target is written to.
func (t exportTarget) files() []string {
	if t.format != "action-benchmark" {
		return []string{t.file}
	}
	extension := filepath.Ext(t.file)
	name := strings.TrimSuffix(t.file, extension)
	return []string{name + smallerPart + extension, name + biggerPart + extension}
}

// check fails, before anything is measured, if a file cannot be written, or two targets are the same file.
func (e *exportFlag) check() error {
	seen := map[string]bool{}
	for _, t := range e.targets {
		for _, file := range t.files() {
			if seen[filepath.Clean(file)] {
				return usageError{fmt.Errorf("--export writes %s twice: give each format a file of its own", file)}
			}
			seen[filepath.Clean(file)] = true
			if err := writable(file); err != nil {
				return usageError{fmt.Errorf("--export %s=%s: %w", t.format, t.file, err)}
			}
		}
	}
	return nil
}

// writable fails if a file cannot be written. It changes nothing of a file that is there.
func writable(path string) error {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return fmt.Errorf("%s is a directory: name a file", path)
	}
	probe, err := os.CreateTemp(filepath.Dir(path), ".probe")
	if err != nil {
		return fmt.Errorf("cannot write there: %w", err)
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}

// write writes all targets.
func (e *exportFlag) write(x exported) error {
	var faults []error
	for _, t := range e.targets {
		for i, file := range t.files() {
			draw := exportFormats[t.format]
			if t.format == "action-benchmark" {
				draw = func(x exported, w io.Writer) error { return export.ActionBenchmark(w, x.figures, i == 1) }
			}
			var content bytes.Buffer
			err := draw(x, &content)
			if err == nil {
				err = results.WriteFile(file, []byte(results.Printable(content.String())))
			}
			if err != nil {
				faults = append(faults, fmt.Errorf("export %s to %s: %w", t.format, file, err))
			}
		}
	}
	return errors.Join(faults...)
}

// publishExports writes what --export asks for, and on GitHub Actions the summary of the step and the annotations. The
// annotations go to w, the log that GitHub's runner reads.
func publishExports(w io.Writer, flag exportFlag, x exported) error {
	err := flag.write(x)
	if os.Getenv("GITHUB_ACTIONS") != "true" {
		return err
	}
	return errors.Join(err, appendStepSummary(os.Getenv("GITHUB_STEP_SUMMARY"), x), export.Annotate(w, x.annotations))
}

// appendStepSummary adds the Markdown to the file that GitHub shows as the summary of the step; path is empty where
// there is none. GitHub refuses a file of more than 1 MiB whole, so what no longer fits is left out.
func appendStepSummary(path string, x exported) error {
	if path == "" {
		return nil
	}
	var markdown strings.Builder
	if err := x.markdown(&markdown); err != nil {
		return err
	}
	text := export.Summary(results.Printable(markdown.String()) + "\n")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("write the summary of the step: %w", err)
	}
	info, err := f.Stat()
	if err == nil && info.Size()+int64(len(text)) <= export.MostSummary {
		_, err = f.WriteString(text)
	}
	err = errors.Join(err, f.Close())
	if err != nil {
		return fmt.Errorf("write the summary of the step: %w", err)
	}
	return nil
}

// exportedRun is a run as it is exported.
func exportedRun(r *results.Run) (exported, error) {
	figures, err := reports.RunFigures(r)
	if err != nil {
		return exported{}, err
	}
	return exported{
		figures:     figures,
		benchmarks:  []benchmarkGroup{{benchmarkConfig(r.Environment.Machine, r.Name), [][]export.Figure{figures}}},
		annotations: reports.RunAnnotations(r),
		junit:       func(w io.Writer) error { return reports.JUnit(w, r) },
		markdown:    func(w io.Writer) error { return reports.RunMarkdown(w, r) },
		json:        func(w io.Writer) error { return reports.SummaryJSON(w, r) },
	}, nil
}

// benchmarkConfig is what benchstat shows above the figures of a scenario.
func benchmarkConfig(m results.Machine, scenario string) map[string]string {
	config := map[string]string{"goos": m.OS, "goarch": m.Arch, "cpu": m.CPUModel, "scenario": scenario}
	for name, value := range config {
		if value == "" {
			delete(config, name)
		}
	}
	return config
}
