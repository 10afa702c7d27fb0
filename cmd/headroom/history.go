package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/policycortex/headroom/containers"
	"github.com/policycortex/headroom/reports"
	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/history"
)

// historyFile is where a history is kept unless --file says otherwise.
const historyFile = "results/history.jsonl"

// historian is the history command with its flags.
type historian struct {
	file       string
	html       string
	confirm    bool
	revision   string
	pinnedBase bool
}

func newHistoryCommand() *cobra.Command {
	h := &historian{}
	c := &cobra.Command{
		Use:   "history [SCENARIO]",
		Short: "Follow figures over the revisions of a service, and find where they changed",
		Long: `Follow figures over the revisions of a service. "history add" appends what a run or an experiment measured to a file, a
line of JSON each; "history", or "history show", finds the changes of each figure and names the commits that may have
caused them.

A change is new if the runs of the newest revision make it visible for the first time. A new change for the worse of P95
of a whole run or scenario, or of the CPU time per request, has exit code 99. Where there is no history yet, the exit code
is 3.`,
		Example: `  headroom history add results/runs/20260102T150405-smoke
  headroom history --html history.html
  headroom history --confirm scenarios/regression.yaml`,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 && !h.confirm {
				return unknownCommand(c, args)
			}
			return h.show(c, args)
		},
	}
	c.PersistentFlags().StringVar(&h.file, "file", historyFile, "`file` of the history")
	show := &cobra.Command{
		Use:   "show",
		Short: "Print the series with their changes, as history alone does",
		RunE:  c.RunE,
	}
	for _, command := range []*cobra.Command{c, show} {
		command.Args = func(c *cobra.Command, args []string) error { return asUsage(cobra.MaximumNArgs(1)(c, args)) }
		command.Flags().StringVar(&h.html, "html", "", "also write the series as a web page to this `file`")
		command.Flags().BoolVar(&h.confirm, "confirm", false, "confirm the newest change for the worse by a paired "+
			"experiment of the two revisions around it; the argument is its scenario")
	}
	c.AddCommand(h.addCommand(), show)
	return c
}

func (h *historian) addCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "add RUN|EXPERIMENT|CAPACITY...",
		Short: "Append what runs, experiments and capacities measured",
		Long: `Append a line with the figures of each saved run, experiment or capacity to the history. What was measured belongs to a revision:
of an experiment that of its head, else that of the working directory's git repository, or --revision.

An INVALID or interrupted measurement is not added (exit code 125).`,
		Example: `  headroom history add results/runs/20260102T150405-smoke
  headroom history add results/experiments/20260102T150405-regression --pinned-base`,
		Args: atLeastOne("a saved run, experiment or capacity"),
		RunE: h.add,
	}
	c.Flags().StringVar(&h.revision, "revision", "", "`revision` that was measured: a name that git knows here, or "+
		"any word (default: HEAD, and of an experiment that of its head)")
	c.Flags().BoolVar(&h.pinnedBase, "pinned-base", false,
		"the base of the experiments is always the same revision: follow the head relative to it")
	return c
}

// add appends an entry for each path, or none if one of them cannot be added.
func (h *historian) add(c *cobra.Command, paths []string) error {
	var all []history.Entry
	for _, path := range paths {
		e, err := h.entry(c.Context(), path)
		if err != nil {
			if invalid := (*notMeasuredError)(nil); errors.As(err, &invalid) {
				fmt.Fprintln(c.ErrOrStderr(), "headroom:", err)
				return verdictError{results.Invalid}
			}
			return err
		}
		all = append(all, e)
	}
	if err := os.MkdirAll(filepath.Dir(h.file), 0o755); err != nil {
		return usageError{fmt.Errorf("make the directory of the history: %w", err)}
	}
	for i, e := range all {
		if err := history.Append(h.file, e); err != nil {
			return err
		}
		fmt.Fprintf(c.OutOrStdout(), "added %s as revision %s: %s of %s\n", oneLine(paths[i]), revisionWord(e),
			reports.Plural(len(e.Figures), "figure"), oneLine(e.Scenario))
	}
	return nil
}

func revisionWord(e history.Entry) string {
	if e.Dirty {
		return e.Revision + " with changes"
	}
	return e.Revision
}

// notMeasuredError says that something was not measured such that it could be followed.
type notMeasuredError struct{ path, why string }

func (e *notMeasuredError) Error() string {
	return fmt.Sprintf("%s is not added to the history: %s", e.path, e.why)
}

// entry is what a saved run, experiment or capacity says.
func (h *historian) entry(ctx context.Context, path string) (e history.Entry, err error) {
	switch {
	case isExperiment(path, path):
		e, err = h.experimentEntry(path)
	case isCapacity(path, path):
		e, err = capacityEntry(path)
	default:
		e, err = runEntry(path)
	}
	if err != nil {
		return e, err
	}
	if h.revision == "" && e.Revision != "" {
		return e, nil
	}
	return e, h.setRevision(ctx, &e)
}

func runEntry(path string) (history.Entry, error) {
	r, err := results.Read(path)
	if err != nil {
		return history.Entry{}, usageError{err}
	}
	switch {
	case r.Verdict.Outcome == results.Part:
		return history.Entry{}, &notMeasuredError{path, "it is a part of a run; merge the parts first"}
	case r.Verdict.Outcome == results.Invalid:
		return history.Entry{}, &notMeasuredError{path, "INVALID: " + strings.Join(r.Verdict.Invalid, "; ")}
	}
	figures, err := reports.RunFigures(r)
	if err != nil {
		return history.Entry{}, err
	}
	e := history.Entry{
		Time: r.Measurements.Started.UTC(), Scenario: r.Name, File: r.Scenario.File, Source: filepath.Dir(path),
		Machine:     machineFingerprint(r.Environment.Machine),
		Environment: environmentFingerprint(r.Scenario, r.Environment), Outcome: string(r.Verdict.Outcome),
	}
	if r.Reference != nil {
		e.Reference = r.Reference.Name
	}
	if filepath.Base(path) != "run.json" {
		e.Source = filepath.Clean(path)
	}
	for _, f := range figures {
		if len(r.Verdict.Untimed) > 0 && f.Metric == "http_req_duration" {
			continue // the run failed, and its times cannot be trusted
		}
		e.Figures = append(e.Figures, history.Figure{
			Name: f.Name(), Unit: f.Unit, Value: f.Value, MoreIsBetter: f.MoreIsBetter,
			Reference: r.Reference.Of(f.Metric, f.Statistic),
		})
	}
	return e, nil
}

func (h *historian) experimentEntry(path string) (history.Entry, error) {
	x, err := results.ReadExperiment(path)
	if err != nil {
		return history.Entry{}, usageError{err}
	}
	if x.Outcome == results.Invalid || x.Interrupted {
		why := append([]string{"the experiment is INVALID or was interrupted"}, x.Reasons...)
		return history.Entry{}, &notMeasuredError{path, strings.Join(why, "; ")}
	}
	e := history.Entry{
		Time: x.Started.UTC(), Revision: x.Head.Revision, Subject: x.Head.Subject, Dirty: x.Head.Dirty,
		Scenario: x.Name, File: x.Scenario.File, Source: filepath.Clean(path),
		Machine:     machineFingerprint(x.Environment.Machine),
		Environment: environmentFingerprint(x.Scenario, x.Environment, howMeasured(x)), Outcome: string(x.Outcome),
	}
	if h.pinnedBase {
		e.Reference = "the base " + x.Base.Label
		if x.Base.Revision != "" {
			e.Reference = "the base " + x.Base.Revision
		}
	}
	of := map[string]results.ExperimentFigure{}
	for _, f := range x.Figures {
		of[f.Figure] = f
	}
	for _, f := range reports.ExperimentFigures(x) {
		pair, isValue := of[f.Name()]
		if !isValue {
			pair, isValue = of[f.Name()+" value"]
		}
		if !isValue { // a change, which the reference holds
			continue
		}
		figure := history.Figure{Name: f.Name(), Unit: f.Unit, Value: f.Value, MoreIsBetter: f.MoreIsBetter}
		if h.pinnedBase && pair.Change > -1 {
			figure.Reference = f.Value / (1 + pair.Change) // the paired estimate is better than that of two medians
		}
		e.Figures = append(e.Figures, figure)
	}
	return e, nil
}

// howMeasured is what the figures of an experiment depend on besides the load: what the head is started as, and how
// long the slices are. A working tree is a revision with changes.
func howMeasured(x *results.Experiment) []any {
	kind := x.Head.Kind
	if kind == kindTree {
		kind = kindRevision
	}
	return []any{"experiment", kind, x.Design.Warmup, x.Design.Discard, x.Design.Measure}
}

// capacityEntry is what a saved capacity says. One that is known only to lie above or below a rate is none to follow.
func capacityEntry(path string) (history.Entry, error) {
	c, err := results.ReadCapacity(path)
	if err != nil {
		return history.Entry{}, usageError{err}
	}
	if c.Outcome == results.Invalid || c.Interrupted || c.AtLeast || c.AtMost || c.Rate == nil {
		why := append([]string{"the search found no capacity"}, c.Reasons...)
		return history.Entry{}, &notMeasuredError{path, strings.Join(why, "; ")}
	}
	e := history.Entry{
		Time: c.Started.UTC(), Scenario: c.Name, File: c.Scenario.File, Source: filepath.Clean(path),
		Machine:     machineFingerprint(c.Environment.Machine),
		Environment: environmentFingerprint(c.Scenario, c.Environment, "capacity"), Outcome: string(c.Outcome),
	}
	for _, f := range reports.CapacityFigures(c) {
		e.Figures = append(e.Figures, history.Figure{
			Name: f.Name(), Unit: f.Unit, Value: f.Value, MoreIsBetter: f.MoreIsBetter,
		})
	}
	return e, nil
}

// setRevision gives an entry the revision of --revision or of the working directory.
func (h *historian) setRevision(ctx context.Context, e *history.Entry) error {
	name := h.revision
	if name == "" {
		name = "HEAD"
	}
	revision, subject, err := containers.ResolveRevision(ctx, ".", name)
	switch {
	case err == nil:
		e.Revision, e.Subject = revision, subject
		if h.revision == "" {
			// What git does not track is beside a saved run more often an export of it than a part of the service.
			e.Dirty, err = containers.Changed(ctx, ".", false, resultsDir, h.file)
		}
		return err
	case h.revision == "":
		return usageError{fmt.Errorf("which revision was measured is not known: %w; say it with --revision", err)}
	case strings.ContainsFunc(h.revision, func(c rune) bool { return c <= ' ' }):
		return usageError{fmt.Errorf("--revision %q has blanks: give one word", h.revision)}
	}
	e.Revision, e.Subject = h.revision, "" // of another repository
	return nil
}

// show prints the history. It fails with the outcome FAIL where there is an alarm.
func (h *historian) show(c *cobra.Command, args []string) error {
	entries, err := history.Read(h.file)
	if err != nil {
		return err
	}
	drawn := reports.History{
		Path: h.file, Entries: len(entries), Series: history.Follow(entries), Commits: commitsHere(c.Context()),
	}
	if err := reports.HistoryText(c.OutOrStdout(), drawn); err != nil {
		return err
	}
	if h.html != "" {
		if err := writePage(h.html, drawn); err != nil {
			return err
		}
		fmt.Fprintf(c.OutOrStdout(), "\nreport: %s\n", oneLine(h.html))
	}
	if h.confirm {
		return h.confirmNewest(c, drawn, args)
	}
	if len(drawn.Alarms()) > 0 {
		return verdictError{results.Fail}
	}
	return nil
}

func writePage(path string, h reports.History) error {
	var page bytes.Buffer
	if err := reports.HistoryHTML(&page, h); err != nil {
		return err
	}
	if err := results.WriteFile(path, page.Bytes()); err != nil {
		return usageError{fmt.Errorf("write the history: %w", err)}
	}
	return nil
}

// mostCommits is how many commits are listed for a change.
const mostCommits = 20

// commitsHere lists commits of the repository around the working directory.
func commitsHere(ctx context.Context) func(after, upTo string) []string {
	return func(after, upTo string) []string {
		commits, err := containers.Commits(ctx, ".", after, upTo, mostCommits+1)
		if err != nil || len(commits) == 0 {
			return nil
		}
		var lines []string
		for _, c := range commits[:min(len(commits), mostCommits)] {
			lines = append(lines, c.Revision[:min(12, len(c.Revision))]+" "+c.Subject)
		}
		if len(commits) > mostCommits {
			lines = append(lines, "and earlier ones")
		}
		return lines
	}
}

// confirmNewest lets a paired experiment decide whether the newest change for the worse is one of the code.
func (h *historian) confirmNewest(c *cobra.Command, drawn reports.History, args []string) error {
	before, after := newestWorse(drawn.Series)
	if after.Revision == "" {
		_, err := fmt.Fprintln(c.OutOrStdout(), "\nThere is no change for the worse to confirm.")
		return err
	}
	if before.Revision == after.Revision {
		return usageError{fmt.Errorf("both sides of the newest change are of the revision %s: there are no two "+
			"commits to compare", after.Revision)}
	}
	file := after.File
	if len(args) > 0 {
		file = args[0]
	}
	fmt.Fprintf(c.OutOrStdout(), "\nConfirming the change between %s and %s with %s.\n", before.Revision,
		after.Revision, oneLine(file))
	ab := newABCommand([]string{"headroom", "ab", file, "--base", before.Revision, "--head", after.Revision})
	ab.SetArgs([]string{file, "--base", before.Revision, "--head", after.Revision})
	ab.SetOut(c.OutOrStdout())
	ab.SetErr(c.ErrOrStderr())
	ab.SilenceErrors, ab.SilenceUsage = true, true
	return ab.ExecuteContext(c.Context())
}

// newestWorse are the entries around the newest change for the worse of the series that decide; empty where there is
// none.
func newestWorse(series []history.Series) (before, after history.Entry) {
	for _, s := range series {
		for _, change := range slices.Backward(s.Changes) {
			from, to := s.Around(change)
			if s.Decides() && change.Worse && to.Time.After(after.Time) {
				before, after = from, to
			}
		}
	}
	return before, after
}
