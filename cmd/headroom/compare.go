package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/policycortex/headroom/reports"
	"github.com/policycortex/headroom/reports/export"
	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/judge"
)

// comparer is what the flags of headroom compare say.
type comparer struct {
	json, strict bool
	baseline     string
	tolerance    shareFlag
	alpha        shareFlag
	failOn       string
	out          string
	export       exportFlag
}

// judging are the flags that need several runs on each side.
var judging = []string{"tolerance", "alpha", "fail-on", "out", "export"}

func newCompareCommand() *cobra.Command {
	x := comparer{tolerance: shareFlag(judge.DefaultRule.Tolerance), alpha: shareFlag(judge.DefaultRule.Alpha)}
	c := &cobra.Command{
		Use:   "compare (BASE HEAD | BASE... -- HEAD... | --baseline NAME HEAD...)",
		Short: "Compare saved runs of one scenario",
		Long: `Compare saved runs of the same load. BASE and HEAD are run directories, the run.json in them, or directories that hold
run directories.

Several runs on each side are judged, with a run as the unit: each figure is worse, better, within the tolerance, or it
cannot be told, with the number of runs that would tell. Take the runs in turns, so that both sides meet the same drift
of the machine. headroom ab does that itself.

One run on each side is no experiment: its tables show in which figures the two runs differ, and nothing is called worse
or better.

Runs with different loads are refused (exit code 104). An INVALID run cannot be compared (exit code 125). Without
--fail-on worse, the exit code is 0 whatever the verdict is. With it, the exit code is 99 when a figure is worse, and 125
when there are too few runs to find that, or a figure has no data.`,
		Example: `  headroom compare before after
  headroom compare base-1 base-2 base-3 base-4 base-5 base-6 -- head-1 head-2 head-3 head-4 head-5 head-6
  headroom compare base/ head/ --fail-on worse --out comparison
  headroom compare base/ head/ --json | jq '.figures[] | select(.verdict == "worse") | .metric'`,
		Args: x.twoSides,
		RunE: func(c *cobra.Command, paths []string) error { return x.run(c, paths) },
	}
	f := c.Flags()
	f.BoolVar(&x.json, "json", false,
		"write the comparison as JSON to standard output, and the text to standard error")
	f.StringVar(&x.baseline, "baseline", "", "compare with the baseline of this `name` in place of BASE")
	f.BoolVar(&x.strict, "strict", false, "refuse runs whose environments differ (exit code 104)")
	f.Var(&x.tolerance, "tolerance", "by how much a figure may differ, as a `share` such as 5%")
	f.Var(&x.alpha, "alpha", "`probability` with which any figure of two equal sides is called worse")
	f.StringVar(&x.failOn, "fail-on", "none", "`worse|none`: exit with 99 when a figure is worse")
	f.StringVar(&x.out, "out", "", "write compare.html, compare.json and junit.xml into a `directory`")
	x.export.add(c)
	return c
}

// shareFlag is a share of 1 as a flag: 5%, or 0.05. It is a pflag.Value.
type shareFlag float64

// Set reads a share.
func (s *shareFlag) Set(value string) error {
	number, isPercent := strings.CutSuffix(strings.TrimSpace(value), "%")
	v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if err != nil {
		return errors.New("write a share such as 5% or 0.05")
	}
	if isPercent {
		v /= 100
	}
	if !(v >= 0 && v <= 1) {
		return errors.New("a share lies between 0 and 100%")
	}
	*s = shareFlag(v)
	return nil
}

// String is the share in percent.
func (s *shareFlag) String() string { return strconv.FormatFloat(float64(*s)*100, 'g', 6, 64) + "%" }

// Type is empty: the usage text names the value.
func (s *shareFlag) Type() string { return "" }

// twoSides accepts two paths, or paths on both sides of a --; with a baseline, those of one side.
func (x *comparer) twoSides(c *cobra.Command, args []string) error {
	base := c.ArgsLenAtDash()
	if base < 0 && len(args) == 2 || base > 0 && base < len(args) {
		if x.baseline == "" {
			return nil
		}
		return usageError{errors.New("--baseline is the base: give the runs of the head alone")}
	}
	if x.baseline != "" && base < 0 && len(args) > 0 {
		return nil
	}
	return usageError{fmt.Errorf("%s needs two saved runs or directories of runs, the base and the head, or several "+
		"of each with -- between them; see: %s --help", c.CommandPath(), c.CommandPath())}
}

func (x *comparer) run(c *cobra.Command, paths []string) error {
	if !slices.Contains([]string{"worse", "none"}, x.failOn) {
		return usageError{fmt.Errorf("--fail-on is worse or none, and not %q", x.failOn)}
	}
	baseOf, headOf, err := x.sides(c, paths)
	if err != nil {
		return err
	}
	base, err := readRuns(baseOf)
	head, err2 := readRuns(headOf)
	if err := errors.Join(err, err2); err != nil {
		return usageError{err}
	}
	if len(base) == 1 && len(head) == 1 {
		return x.pair(c, base[0], head[0])
	}
	return x.several(c, base, head)
}

// sides are the paths of the base and of the head.
func (x *comparer) sides(c *cobra.Command, paths []string) (base, head []string, err error) {
	if x.baseline != "" {
		dir, err := baselineDirectory(x.baseline)
		if held := results.Held(dir); err == nil && held != "" && held != "run" {
			err = usageError{fmt.Errorf("the baseline %s is a saved %s, and compare takes runs: save a run with "+
				"headroom baseline save; headroom report %s shows the %s", x.baseline, held, dir, held)}
		}
		return []string{dir}, paths, err
	}
	split := 1
	if at := c.ArgsLenAtDash(); at >= 0 {
		split = at
	}
	return paths[:split], paths[split:], nil
}

// readRuns reads the runs at the paths, and those in directories of runs.
func readRuns(paths []string) ([]judge.NamedRun, error) {
	var runs []judge.NamedRun
	var faults []error
	for _, path := range paths {
		inside := runsIn(path)
		if len(inside) == 0 {
			inside = []string{path}
		}
		for _, p := range inside {
			r, err := results.Read(p)
			if err != nil {
				if strings.HasPrefix(path, "-") {
					err = fmt.Errorf("%w (flags stand before the --)", err)
				}
				faults = append(faults, err)
				continue
			}
			runs = append(runs, judge.NamedRun{Name: p, Run: r})
		}
	}
	return runs, errors.Join(faults...)
}

// runsIn are the runs in a directory that is none itself, in the order of their names.
func runsIn(path string) []string {
	if filepath.Base(path) == "run.json" || holdsRun(path) {
		return nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil // the one who reads it as a run says what is wrong
	}
	var runs []string
	for _, e := range entries {
		if p := filepath.Join(path, e.Name()); holdsRun(p) {
			runs = append(runs, p)
		}
	}
	return runs
}

// pair shows one run beside another.
func (x *comparer) pair(c *cobra.Command, base, head judge.NamedRun) error {
	for _, name := range judging {
		if c.Flags().Changed(name) {
			return usageError{fmt.Errorf("--%s needs several runs on each side: %s", name, judge.OneRunEach)}
		}
	}
	pair, err := judge.ComparePair(base.Run, head.Run)
	if err != nil {
		return x.refuse(c, err)
	}
	if err := x.holdStrict(pair.Differences); err != nil {
		return err
	}
	text := c.OutOrStdout()
	if x.json {
		text = c.ErrOrStderr()
		if err := reports.PairJSON(jsonTo(c.OutOrStdout()), pair, base.Name, head.Name); err != nil {
			return err
		}
	}
	if err := reports.PairText(text, pair, base.Name, head.Name); err != nil {
		return err
	}
	if pair.Invalid != "" {
		return verdictError{results.Invalid}
	}
	return nil
}

// several judges several runs on each side.
func (x *comparer) several(c *cobra.Command, base, head []judge.NamedRun) error {
	if err := x.export.check(); err != nil {
		return err
	}
	comparison, err := judge.CompareRuns(base, head, judge.Rule{
		Tolerance: float64(x.tolerance), Alpha: float64(x.alpha),
	})
	if err != nil {
		return x.refuse(c, err)
	}
	if err := x.holdStrict(comparison.Differences); err != nil {
		return err
	}
	text := c.OutOrStdout()
	if x.json {
		text = c.ErrOrStderr()
		if err := reports.ComparisonJSON(jsonTo(c.OutOrStdout()), comparison); err != nil {
			return err
		}
	}
	if err := reports.ComparisonText(text, comparison); err != nil {
		return err
	}
	if err := x.save(text, comparison); err != nil {
		return err
	}
	if err := publishExports(text, x.export, exportedComparison(comparison)); err != nil {
		return err
	}
	return x.outcome(comparison)
}

// outcome is the error that the verdict stands for.
func (x *comparer) outcome(c *judge.Comparison) error {
	switch {
	case c.Invalid != "":
		return verdictError{results.Invalid}
	case x.failOn != "worse":
		return nil
	case c.Count(judge.Worse) > 0:
		return verdictError{results.Fail}
	case c.TooFew > 0, c.Count(judge.NotJudged) > 0: // what is asked for could not be found
		return verdictError{results.Unresolved}
	}
	return nil
}

// save writes the files of --out.
func (x *comparer) save(text io.Writer, c *judge.Comparison) error {
	if x.out == "" {
		return nil
	}
	if err := os.MkdirAll(x.out, 0o755); err != nil {
		return usageError{fmt.Errorf("make the comparison's directory: %w%s", err, otherPlace)}
	}
	if err := reports.WriteComparison(x.out, c); err != nil {
		return err
	}
	fmt.Fprintf(text, "\nreport: %s\n", oneLine(filepath.Join(x.out, reports.ComparisonHTMLFile)))
	return nil
}

// refuse is the error of runs that cannot be compared, which scripts get as JSON too.
func (x *comparer) refuse(c *cobra.Command, err error) error {
	if reason := (*judge.NotAlikeError)(nil); x.json && errors.As(err, &reason) {
		err = errors.Join(err, reports.NotComparableJSON(jsonTo(c.OutOrStdout()), reason))
	}
	return asInput(err)
}

// holdStrict refuses environments that differ, with --strict.
func (x *comparer) holdStrict(differences []string) error {
	if !x.strict || len(differences) == 0 {
		return nil
	}
	return usageError{fmt.Errorf("--strict: the environments differ:\n%s", strings.Join(differences, "\n"))}
}

// exportedComparison is a comparison of several runs as it is exported.
func exportedComparison(c *judge.Comparison) exported {
	group := func(side string, run *results.Run, figures [][]export.Figure) benchmarkGroup {
		config := benchmarkConfig(run.Environment.Machine, run.Name)
		config["side"] = side
		return benchmarkGroup{config, figures}
	}
	return exported{
		figures: reports.ComparisonFigures(c),
		benchmarks: []benchmarkGroup{
			group("base", c.Base[0].Run, reports.ComparedRuns(c, false)),
			group("head", c.Head[0].Run, reports.ComparedRuns(c, true)),
		},
		annotations: reports.ComparisonAnnotations(c),
		junit:       func(w io.Writer) error { return reports.ComparisonJUnit(w, c) },
		markdown:    func(w io.Writer) error { return reports.ComparisonMarkdown(w, c) },
		json:        func(w io.Writer) error { return reports.ComparisonJSON(w, c) },
	}
}
