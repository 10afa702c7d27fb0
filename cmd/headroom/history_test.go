package main

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/experiment"
	"github.com/policycortex/headroom/results/history"
)

// commits makes a git repository with so many commits and returns their hashes, the oldest first.
func commits(t *testing.T, dir string, n int) []string {
	t.Helper()
	script := fmt.Sprintf(`git init -q -b main . && git config user.email a@b && git config user.name n
for i in $(seq 0 %d); do git commit -q --allow-empty -m "change $i" || exit 1; done
git log --reverse --format=%%H`, n-1)
	cmd := exec.Command("sh", "-c", script)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return strings.Fields(string(out))
}

// measured saves a run like the one in judge's testdata, begun on some day, all of whose answers took the same time.
func measured(t *testing.T, dir string, day int, took time.Duration, change func(*results.Run)) string {
	t.Helper()
	r, err := results.Read(filepath.Join("..", "..", "results", "judge", "testdata", "saved"))
	if err != nil {
		t.Fatal(err)
	}
	r.Measurements.Started = time.Date(2026, 1, 1+day, 0, 0, 0, 0, time.UTC)
	for _, s := range r.Measurements.Series {
		s.Response = results.NewHistogram()
		for range s.Requests {
			s.Response.Record(took)
		}
	}
	if change != nil {
		change(r)
	}
	path := filepath.Join(dir, fmt.Sprint("run-", day))
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := results.Save(path, r); err != nil {
		t.Fatal(err)
	}
	return path
}

// in prepares a run of the binary in a directory.
func in(t *testing.T, dir string, args ...string) *program {
	t.Helper()
	p := headroom(t, args...)
	p.Dir = dir
	return p
}

// TestHistory follows a service that becomes slower with commit 20: nothing is said before, an alarm with the commits
// comes a few runs later, and once only.
func TestHistory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	revisions := commits(t, dir, 30)
	none := in(t, dir, "history")
	none.exits(t, exitNone)
	says(t, none.stderr.String(), "there is no history in results/history.jsonl yet", "headroom history add RUN")

	const slow = 20 // the commit
	took := func(i int) time.Duration {
		if i >= slow {
			return 12*time.Millisecond + time.Duration(i%3)*100*time.Microsecond
		}
		return 10*time.Millisecond + time.Duration(i%4)*100*time.Microsecond
	}
	add := func(i int) {
		in(t, dir, "history", "add", measured(t, dir, i, took(i), nil), "--revision", revisions[i]).exits(t, exitOK)
	}
	add(0)
	early := in(t, dir, "history")
	early.exits(t, exitOK)
	says(t, early.stdout.String(), "No new change for the worse in 1 entry.", "at least 11 entries")
	entries, err := history.Read(filepath.Join(dir, historyFile))
	if err != nil {
		t.Fatal(err)
	}
	for i := 1; i < slow+2; i++ {
		e := entries[0]
		e.Time, e.Revision, e.Subject = e.Time.AddDate(0, 0, i), revisions[i], fmt.Sprint("change ", i)
		e.Figures = slices.Clone(e.Figures)
		for k, f := range e.Figures {
			if f.Unit == "ms" {
				e.Figures[k].Value = f.Value * float64(took(i)) / float64(took(0))
			}
		}
		if err := history.Append(filepath.Join(dir, historyFile), e); err != nil {
			t.Fatal(err)
		}
	}
	last := slow + 2
	shown := in(t, dir, "history", "show", "--html", "history.html")
	for ; last < 29; last++ {
		if err := shown.Run(); err != nil {
			break
		}
		add(last)
		shown = in(t, dir, "history", "show", "--html", "history.html")
	}
	if code := shown.ProcessState.ExitCode(); code != exitCrossed {
		t.Fatalf("exit code %d\n%s%s", code, &shown.stdout, &shown.stderr)
	}
	says(t, shown.stdout.String(), "New change for the worse: http_req_duration{scenario:browse} p(95) of check +",
		"NEW  +", `worse since `+revisions[20][:12]+` "change 20" of 2026-01-21`,
		"    "+revisions[20][:12]+" change 20\n", "▁", "█", "report: history.html")
	if strings.Contains(shown.stdout.String(), revisions[19][:12]+" change 19") {
		t.Errorf("the last good commit is blamed:\n%s", &shown.stdout)
	}
	page := text(t, filepath.Join(dir, "history.html"))
	says(t, page, "WORSE", "change 20", `<line class="change worse"`, "default-src 'none'")

	add(last)
	in(t, dir, "history").exits(t, exitOK)
	confirm := in(t, dir, "history", "--confirm", "own.yaml")
	_ = confirm.Run()
	says(t, confirm.stdout.String(), fmt.Sprintf("Confirming the change between %s and %s with own.yaml.",
		revisions[slow-1], revisions[slow]))
}

func TestHistoryAdd(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	good := measured(t, dir, 0, 10*time.Millisecond, nil)
	outside := in(t, dir, "history", "add", good)
	outside.exits(t, exitUsage)
	says(t, outside.stderr.String(), "which revision was measured is not known", "--revision")

	revisions := commits(t, dir, 2)
	bad := measured(t, dir, 1, 10*time.Millisecond, func(r *results.Run) {
		r.Verdict.Outcome, r.Verdict.Invalid = results.Invalid, []string{"the generator was starved"}
	})
	invalid := in(t, dir, "history", "add", good, bad)
	invalid.exits(t, exitInvalid)
	says(t, invalid.stderr.String(), "run-1 is not added to the history: INVALID: the generator was starved")
	if _, err := os.Stat(filepath.Join(dir, historyFile)); err == nil {
		t.Error("one of two was added")
	}
	untimed := measured(t, dir, 2, 10*time.Millisecond, func(r *results.Run) {
		r.Verdict.Outcome, r.Verdict.Untimed = results.Fail, []string{"late"}
	})
	added := in(t, dir, "history", "add", good, filepath.Join(untimed, "run.json"))
	added.exits(t, exitOK)
	says(t, added.stdout.String(), "added ", " as revision "+revisions[1])
	in(t, dir, "history", "add", good, "--revision", "v1.2-other-repository").exits(t, exitOK)
	entries, err := history.Read(filepath.Join(dir, historyFile))
	if err != nil || len(entries) != 3 {
		t.Fatalf("%d entries, %v", len(entries), err)
	}
	first, other, late := entries[0], entries[1], entries[2]
	if first.Revision != revisions[1] || first.Subject != "change 1" || first.Dirty || first.Source != good ||
		first.Machine == "" || first.Environment == "" || first.Outcome != "FAIL" {
		t.Errorf("%+v", first)
	}
	if other.Revision != "v1.2-other-repository" || other.Subject != "" {
		t.Errorf("%+v", other)
	}
	for _, f := range late.Figures {
		if strings.HasPrefix(f.Name, "http_req_duration") {
			t.Errorf("a time that cannot be trusted: %+v", f)
		}
	}
	for name, tt := range map[string]struct {
		args []string
		say  string
	}{
		"nothing":  {[]string{"add"}, "a saved run, experiment or capacity"},
		"no run":   {[]string{"add", "."}, "run.json"},
		"option":   {[]string{"add", good, "--revision", "two words"}, "has blanks"},
		"word":     {[]string{"shwo"}, `did you mean "show"`},
		"no place": {[]string{"--html", "none/history.html"}, "write the history: open none/"},
	} {
		p := in(t, dir, append([]string{"history"}, tt.args...)...)
		p.exits(t, exitUsage)
		if !strings.Contains(p.stderr.String(), tt.say) {
			t.Errorf("%s: %s", name, &p.stderr)
		}
	}
}

// TestHistoryOfExperiments: with a pinned base, the head is followed relative to it.
func TestHistoryOfExperiments(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	x := &results.Experiment{
		Name: "regression", Started: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Outcome: results.Pass,
		Base: results.ArmRecord{Revision: "b1", Label: "v1"},
		Head: results.ArmRecord{Revision: "h1", Subject: "faster", Dirty: true},
		Figures: []results.ExperimentFigure{{
			Estimate: experiment.Estimate{
				Figure: "http_req_duration p(95)", Blocks: 8, Base: 10, Head: 12.1, Change: 0.2,
			},
			Metric: "http_req_duration", Statistic: "p(95)", Unit: "ms",
		}, {
			Estimate: experiment.Estimate{Figure: "cpu_per_request value", Blocks: 8, Base: 1, Head: 1.1, Change: 0.1},
			Metric:   "cpu_per_request", Statistic: "value", Unit: "ms",
		}},
	}
	if err := results.SaveExperiment(dir, x); err != nil {
		t.Fatal(err)
	}
	in(t, dir, "history", "add", dir).exits(t, exitOK)
	in(t, dir, "history", "add", filepath.Join(dir, "experiment.json"), "--pinned-base", "--file", "pinned.jsonl").
		exits(t, exitOK)
	free, err := history.Read(filepath.Join(dir, historyFile))
	if err != nil || free[0].Revision != "h1" || !free[0].Dirty || free[0].Reference != "" ||
		len(free[0].Figures) != 2 || free[0].Figures[1].Name != "cpu_per_request" ||
		free[0].Figures[0].Reference != 0 || free[0].Figures[0].Value != 12.1 {
		t.Errorf("%+v, %v", free, err)
	}
	pinned, err := history.Read(filepath.Join(dir, "pinned.jsonl"))
	if err != nil || pinned[0].Reference != "the base b1" {
		t.Fatalf("%+v, %v", pinned, err)
	}
	if p := history.Follow(pinned)[1].Points[0]; math.Abs(p.Shown()-1.2) > 1e-9 {
		t.Errorf("relative to the base it is %v", p.Shown())
	}
	x.Outcome = results.Invalid
	if err := results.SaveExperiment(dir, x); err != nil {
		t.Fatal(err)
	}
	in(t, dir, "history", "add", dir).exits(t, exitInvalid)
}

// TestExperimentsAreOneSeries: experiments of one scenario are one series whatever revision each was of and how long it
// lasted. Those with other slices are not, nor are runs of the same scenario.
func TestExperimentsAreOneSeries(t *testing.T) {
	dir := t.TempDir()
	environment := func(change func(x *results.Experiment)) string {
		x := &results.Experiment{
			Started: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Outcome: results.Pass,
			Head:     results.ArmRecord{Kind: kindRevision, Revision: "h1"},
			Scenario: results.Scenario{Text: "scenarios: {s: {rate: 5}}\n"},
			Design:   results.DesignRecord{Warmup: 0.5, Discard: 0.05, Measure: 0.25},
		}
		change(x)
		if err := results.SaveExperiment(dir, x); err != nil {
			t.Fatal(err)
		}
		e, err := (&historian{}).entry(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		return e.Environment
	}
	same := environment(func(*results.Experiment) {})
	for name, other := range map[string]string{
		"another revision": environment(func(x *results.Experiment) {
			x.Head.Revision, x.Scenario.Overrides = "h2", []string{`experiment.base="v1"`, `experiment.head="h2"`}
		}),
		"more time": environment(func(x *results.Experiment) {
			x.Design.MaxTime, x.Scenario.Overrides = 1200, []string{`experiment.maxTime="20m"`}
		}),
		"the working tree": environment(func(x *results.Experiment) { x.Head.Kind = kindTree }),
	} {
		if other != same {
			t.Errorf("%s makes another series", name)
		}
	}
	run := environmentFingerprint(results.Scenario{Text: "scenarios: {s: {rate: 5}}\n"}, results.Environment{})
	for name, other := range map[string]string{
		"slices":       environment(func(x *results.Experiment) { x.Design.Measure = 2 }),
		"their begin":  environment(func(x *results.Experiment) { x.Design.Discard = 0.5 }),
		"warm-up":      environment(func(x *results.Experiment) { x.Design.Warmup = 2 }),
		"kind of arms": environment(func(x *results.Experiment) { x.Head.Kind = kindImage }),
		"a run":        run,
	} {
		if other == same {
			t.Errorf("%s: it is the same series", name)
		}
	}
}

// TestFingerprint: what the figures depend on makes another environment; comments, thresholds and the address do not.
func TestFingerprint(t *testing.T) {
	const load = "target: {url: 'http://127.0.0.1:1', proxy: x}\nscenarios: {s: {rate: 5}}\n"
	of := func(text string, overrides ...string) string {
		return environmentFingerprint(results.Scenario{Text: text, Overrides: overrides},
			results.Environment{ServerSettings: map[string]string{"GOGC": "100"}})
	}
	same := of(load)
	for name, print := range map[string]string{
		"a comment":   of("# more\nname: n\n" + load),
		"thresholds":  of(load+"thresholds: {http_reqs: [count>0]}\n", "thresholds.http_reqs=count>1"),
		"the address": of(strings.Replace(load, "127.0.0.1:1", "127.0.0.1:2", 1), "target.url=http://x"),
		"what is compared": of(load+"experiment: {base: v1, maxTime: 5m}\n", `experiment.head="0123abc"`,
			`experiment.maxTime="2m"`),
		"gates": of(load+"regression: {cpu_per_request: value<+5%}\n",
			"regression.cpu_per_request=value<+3%"),
		"a section of gates": of(load, `"regression"={cpu_per_request: value<+3%}`),
	} {
		if print != same {
			t.Errorf("%s makes another environment", name)
		}
	}
	several := strings.Replace(load, "url: 'http://127.0.0.1:1'",
		"urls: ['http://127.0.0.1:1', 'http://127.0.0.1:2']", 1)
	if of(several) != of(strings.Replace(several, ":2'", ":3'", 1), "target.urls.0=http://x") || of(several) == same {
		t.Error("of several instances, the number and not the addresses makes the environment")
	}
	variable := func(text, value string) string {
		return environmentFingerprint(results.Scenario{Text: text, Variables: map[string]string{"V": value}},
			results.Environment{})
	}
	if tag := load + "experiment: {headImage: 'api:${V}'}\n"; variable(tag, "1") != variable(tag, "2") {
		t.Error("a variable that only the section experiment names makes another environment")
	}
	if rate := strings.Replace(load, "5", "${V:-5}", 1); variable(rate, "1") == variable(rate, "2") {
		t.Error("a variable that the load names makes no other environment")
	}
	for name, print := range map[string]string{
		"the rate": of(strings.Replace(load, "5", "6", 1)), "an override": of(load, "scenarios.s.rate=6"),
		"a setting": environmentFingerprint(results.Scenario{Text: load},
			results.Environment{ServerSettings: map[string]string{"GOGC": "50"}}),
	} {
		if print == same {
			t.Errorf("%s makes no other environment", name)
		}
	}
}

func TestBaseline(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	none := in(t, dir, "baseline", "show")
	none.exits(t, exitNone)
	says(t, none.stderr.String(), "there is no baseline in results/baselines yet: save one with")
	run := measured(t, dir, 0, 10*time.Millisecond, nil)
	in(t, dir, "baseline", "save", "v1.4", run).exits(t, exitOK)
	if err := os.RemoveAll(run); err != nil {
		t.Fatal(err)
	}
	shown := in(t, dir, "baseline", "show")
	shown.exits(t, exitOK)
	says(t, shown.stdout.String(), "v1.4  run check, FAIL, 2026-01-01 00:00:00 UTC")
	if left, err := filepath.Glob(filepath.Join(dir, baselineRoot, ".*")); err != nil || len(left) > 0 {
		t.Errorf("it left %q, %v", left, err)
	}
	kept := filepath.Join(dir, baselineRoot, "v1.4")
	if _, err := results.Read(kept); err != nil {
		t.Errorf("the copy: %v", err)
	}
	later := measured(t, dir, 2, 10*time.Millisecond, nil)
	compared := in(t, dir, "compare", "--baseline", "v1.4", later)
	compared.exits(t, exitOK)
	says(t, compared.stdout.String(), filepath.Join(baselineRoot, "v1.4"), "by the variation within a run")
	in(t, dir, "compare", "--baseline", "v1.5", later).exits(t, exitNone)
	in(t, dir, "compare", "--baseline", "v1.4", later, "--", later).exits(t, exitUsage)
	missing := in(t, dir, "baseline", "show", "v1.5")
	missing.exits(t, exitNone)
	says(t, missing.stderr.String(), `there is no baseline "v1.5" in results/baselines yet`)

	twice := in(t, dir, "baseline", "save", "v1.4", kept)
	twice.exits(t, exitUsage)
	says(t, twice.stderr.String(), "--replace")
	in(t, dir, "baseline", "save", "v1.4", kept, "--replace").exits(t, exitOK)
	bad := measured(t, dir, 1, time.Millisecond, func(r *results.Run) { r.Verdict.Outcome = results.Invalid })
	for name, args := range map[string][]string{
		"up": {"../x", kept}, "empty": {"", kept}, "hidden": {".x", kept}, "blank": {"a b", kept},
		"slash": {"a/b", kept},
		"long":  {strings.Repeat("a", 101), kept}, "invalid run": {"bad", bad}, "no run": {"bad", dir}, "one": {"bad"},
	} {
		p := in(t, dir, append([]string{"baseline", "save"}, args...)...)
		if err := p.Run(); err == nil || p.ProcessState.ExitCode() != exitUsage || p.stderr.Len() == 0 {
			t.Errorf("%s: %v, %s", name, err, &p.stderr)
		}
	}
	if found, err := filepath.Glob(filepath.Join(dir, baselineRoot, "*")); err != nil || len(found) != 1 {
		t.Errorf("baselines %q, %v", found, err)
	}
	x := filepath.Join(dir, "x")
	if err := os.Mkdir(x, 0o755); err != nil {
		t.Fatal(err)
	}
	savedExperiment(t, x)
	in(t, dir, "baseline", "save", "x", x).exits(t, exitOK)
	other := in(t, dir, "compare", "--baseline", "x", later)
	other.exits(t, exitUsage)
	says(t, other.stderr.String(), "the baseline x is a saved experiment, and compare takes runs")
}
