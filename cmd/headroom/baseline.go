package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/policycortex/headroom/results"
)

// baselineRoot is the directory of the baselines, each a directory of its name.
var baselineRoot = filepath.Join("results", "baselines")

// noBaselineError says that there is no baseline of a name, or with an empty one none at all.
type noBaselineError struct{ name string }

func (e noBaselineError) Error() string {
	if e.name == "" {
		return fmt.Sprintf("there is no baseline in %s yet: save one with headroom baseline save NAME RUN",
			baselineRoot)
	}
	return fmt.Sprintf("there is no baseline %q in %s yet: save it with headroom baseline save %s RUN", e.name,
		baselineRoot, e.name)
}

func newBaselineCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "baseline",
		Short: "Keep named runs and experiments to compare with",
		Args:  unknownCommand,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	replace := false
	save := &cobra.Command{
		Use:   "save NAME RUN|EXPERIMENT",
		Short: "Save a run or an experiment as a baseline",
		Long: `Copy a saved run or experiment to results/baselines/NAME, where headroom compare --baseline NAME finds a run. The copy can
be committed: it is what was measured, without the reports.`,
		Example: "  headroom baseline save v1.4 results/runs/20260102T150405-smoke",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) != 2 {
				return usageError{fmt.Errorf("%s needs a name and a saved run or experiment; see: %s --help",
					c.CommandPath(), c.CommandPath())}
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			dir, err := saveBaseline(args[0], args[1], replace)
			if err == nil {
				_, err = fmt.Fprintf(c.OutOrStdout(), "saved %s as %s\n", oneLine(args[1]), oneLine(dir))
			}
			return err
		},
	}
	save.Flags().BoolVar(&replace, "replace", false, "replace a baseline of the same name")
	show := &cobra.Command{
		Use:   "show [NAME]",
		Short: "List the baselines, or show one",
		Args: func(c *cobra.Command, args []string) error {
			return asUsage(cobra.MaximumNArgs(1)(c, args))
		},
		RunE: func(c *cobra.Command, args []string) error { return showBaselines(c, args) },
	}
	c.AddCommand(save, show)
	return c
}

// baselineName is what the name of a baseline may be: it is the name of a directory, on every system.
var baselineName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

func checkBaselineName(name string) error {
	if !baselineName.MatchString(name) {
		return usageError{fmt.Errorf("%q cannot be the name of a baseline: use letters, digits, dots, hyphens and "+
			"underscores, a letter or digit first, at most 100 of them", name)}
	}
	return nil
}

// baselineDirectory is the directory of a saved baseline. The error of a name without one is a [noBaselineError].
func baselineDirectory(name string) (string, error) {
	if err := checkBaselineName(name); err != nil {
		return "", err
	}
	dir := filepath.Join(baselineRoot, name)
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return "", noBaselineError{name}
	} else if err != nil {
		return "", err
	}
	return dir, nil
}

// saveBaseline saves what is at path anew in the directory of the baseline, which appears whole or not at all.
func saveBaseline(name, path string, replace bool) (dir string, err error) {
	if err := checkBaselineName(name); err != nil {
		return "", err
	}
	dir = filepath.Join(baselineRoot, name)
	if _, err := os.Stat(dir); err == nil && !replace {
		return "", usageError{fmt.Errorf("there is a baseline %q already: give another name, or --replace", name)}
	}
	save, err := readBaseline(path)
	if err != nil {
		return "", usageError{err}
	}
	if err := os.MkdirAll(baselineRoot, 0o755); err != nil {
		return "", usageError{fmt.Errorf("make the directory of the baselines: %w", err)}
	}
	fresh, err := os.MkdirTemp(baselineRoot, ".new-")
	if err != nil {
		return "", usageError{fmt.Errorf("save the baseline: %w", err)}
	}
	defer os.RemoveAll(fresh) // nothing where it was renamed
	err = errors.Join(os.Chmod(fresh, 0o755), save(fresh))
	if err == nil && replace {
		err = os.RemoveAll(dir)
	}
	if err == nil {
		err = os.Rename(fresh, dir)
	}
	if err != nil {
		return "", fmt.Errorf("save the baseline: %w", err)
	}
	return dir, nil
}

// readBaseline reads a run or an experiment that can be a baseline, and returns what saves it.
func readBaseline(path string) (save func(dir string) error, err error) {
	if isExperiment(path, path) {
		x, err := results.ReadExperiment(path)
		if err != nil {
			return nil, err
		}
		if x.Outcome == results.Invalid {
			return nil, fmt.Errorf("%s is INVALID and cannot be a baseline: %s", path, strings.Join(x.Reasons, "; "))
		}
		return func(dir string) error { return results.SaveExperiment(dir, x) }, nil
	}
	r, err := results.Read(path)
	if err != nil {
		return nil, err
	}
	switch r.Verdict.Outcome {
	case results.Invalid:
		return nil, fmt.Errorf("%s is INVALID and cannot be a baseline: %s", path,
			strings.Join(r.Verdict.Invalid, "; "))
	case results.Part:
		return nil, fmt.Errorf("%s is a part of a run and cannot be a baseline: merge the parts first", path)
	}
	return func(dir string) error { return results.Save(dir, r) }, nil
}

func showBaselines(c *cobra.Command, names []string) error {
	if len(names) == 0 {
		found, err := os.ReadDir(baselineRoot)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		for _, entry := range found {
			if baselineName.MatchString(entry.Name()) {
				names = append(names, entry.Name())
			}
		}
		if len(names) == 0 {
			return noBaselineError{}
		}
	}
	for _, name := range names {
		dir, err := baselineDirectory(name)
		if err != nil {
			return err
		}
		text, err := describeBaseline(dir)
		if err != nil {
			return usageError{err}
		}
		if _, err := fmt.Fprintf(c.OutOrStdout(), "%s  %s\n", name, oneLine(text)); err != nil {
			return err
		}
	}
	return nil
}

func describeBaseline(dir string) (string, error) {
	if isExperiment(dir, dir) {
		x, err := results.ReadExperiment(dir)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("experiment %s, %s, %s UTC, %s against %s", x.Name, x.Outcome,
			x.Started.UTC().Format(time.DateTime), x.Head.Label, x.Base.Label), nil
	}
	r, err := results.Read(dir)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("run %s, %s, %s UTC, %s", r.Name, r.Verdict.Outcome,
		r.Measurements.Started.UTC().Format(time.DateTime), r.Environment.Targets()), nil
}
