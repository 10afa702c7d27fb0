package reports

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/policycortex/headroom/reports/export"
	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/experiment"
)

// smallExperiment has two blocks of a figure of each kind; one gate failed, one is unresolved, one passed.
func smallExperiment() *results.Experiment {
	slice := func(arm experiment.Arm, p95, rate float64) experiment.Slice {
		return experiment.Slice{Arm: arm, Figures: map[string]float64{
			"http_req_duration{name:get} p(95)": p95, "http_reqs rate": rate, "cpu_per_request": p95 / 10,
		}}
	}
	vetoed := slice(experiment.Head, 900, 1)
	vetoed.Veto = "steal"
	gate := func(figure, metric, source string, decision experiment.Decision, change float64) results.ExperimentGate {
		return results.ExperimentGate{
			GateState: experiment.GateState{
				Gate:     experiment.Gate{Figure: figure, Tolerance: 0.05, MoreIsBetter: metric == "http_reqs"},
				Decision: decision, Change: change, Low: change - 0.01, High: change + 0.01, Noise: 0.02,
			},
			Metric: metric, Source: source, Smallest: 0.03,
		}
	}
	estimate := func(figure string, base, head float64) experiment.Estimate {
		return experiment.Estimate{
			Figure: figure, Blocks: 2, Base: base, Head: head, Change: head/base - 1, Low: head/base - 1.02,
			High: head/base - 0.98, Noise: 0.02, PairNoise: math.NaN(),
		}
	}
	one := estimate("one|block", 1, 2)
	one.Low, one.High, one.Noise = math.Inf(-1), math.Inf(1), math.NaN()
	return &results.Experiment{
		Name: "get & list", Base: results.ArmRecord{Label: "main"}, Head: results.ArmRecord{Label: "working tree"},
		Outcome: results.Fail, Elapsed: 48, Reasons: []string{"http_req_duration{name:get} is worse"},
		Warnings: []string{"the machine was <busy>\n::error::forged"},
		Blocks: []results.BlockRecord{
			{Block: experiment.Block{Slices: []experiment.Slice{
				slice(experiment.Base, 10, 500), slice(experiment.Head, 12, 480),
			}}},
			{Block: experiment.Block{Number: 1, Slices: []experiment.Slice{vetoed, slice(experiment.Base, 11, 510)}}},
		},
		Gates: []results.ExperimentGate{
			gate("http_reqs rate", "http_reqs", "rate>-5%", experiment.Passed, -0.01),
			gate("cpu_per_request", "cpu_per_request", "value<+5%", experiment.Unresolved, 0.04),
			gate("http_req_duration{name:get} p(95)", "http_req_duration{name:get}", "p(95)<+5%", experiment.Failed,
				0.2),
		},
		Figures: []results.ExperimentFigure{
			{
				Estimate: estimate("cpu_per_request", 1, 1.04), Metric: "cpu_per_request", Statistic: "value",
				Unit: "ms",
			},
			{
				Estimate: estimate("http_req_duration{name:get} p(95)", 10, 12), Metric: "http_req_duration",
				Tags: map[string]string{"name": "get"}, Statistic: "p(95)", Unit: "ms",
			},
			{
				Estimate: estimate("http_reqs rate", 500, 495), Metric: "http_reqs", Statistic: "rate", Unit: "/s",
				MoreIsBetter: true,
			},
			{Estimate: one, Metric: "one|block", Statistic: "value"},
		},
	}
}

func TestExperimentFigures(t *testing.T) {
	figures := ExperimentFigures(smallExperiment())
	var names []string
	for _, f := range figures {
		names = append(names, f.Name())
	}
	want := []string{
		"cpu_per_request", "http_req_duration{name:get} p(95)", "http_reqs rate", "one|block",
		"cpu_per_request_change", "http_req_duration_change{name:get} p(95)", "http_reqs_change rate",
		"one|block_change",
	}
	if !slices.Equal(names, want) {
		t.Fatalf("figures %q", names)
	}
	if f, change := figures[0], figures[4]; math.Abs(f.Value-1.04) > 1e-12 || f.Unit != "ms" ||
		math.Abs(change.Value-0.04) > 1e-9 {
		t.Errorf("CPU time and its change: %+v, %+v", f, change)
	}
	if f := figures[1]; f.Value != 12 || f.Unit != "ms" || f.Low != nil {
		t.Errorf("the head's P95: %+v", f)
	}
	if f := figures[5]; math.Abs(f.Value-0.2) > 1e-9 || f.Unit != "" || f.Low == nil || math.Abs(*f.Low-0.18) > 1e-9 {
		t.Errorf("its change: %+v", f)
	}
	if f := figures[7]; f.Low != nil || f.High != nil {
		t.Errorf("an interval without ends: %+v", f)
	}
	if base, head := ArmSlices(smallExperiment(), experiment.Base), ArmSlices(smallExperiment(), experiment.Head); len(
		base) != 2 || len(head) != 1 || base[1][1].Value != 11 || head[0][1].Value != 12 {
		t.Errorf("slices: base %v, head %v", base, head)
	}
}

func TestExperimentAnnotations(t *testing.T) {
	all := ExperimentAnnotations(smallExperiment())
	var titles []string
	for _, a := range all {
		titles = append(titles, string(a.Level)+" "+a.Title)
		if strings.ContainsAny(a.Message+a.Title, "\r\n") {
			t.Errorf("a line break in %+v", a)
		}
	}
	want := []string{
		"error get & list: FAIL", "error http_req_duration{name:get} p(95)<+5%", "warning cpu_per_request value<+5%",
		"notice get & list",
	}
	if !slices.Equal(titles, want) {
		t.Errorf("annotations %q", titles)
	}
	if !strings.Contains(all[2].Message, "a change of 3 % would be found") {
		t.Errorf("the unresolved gate says %q", all[2].Message)
	}
}

// TestRunFigures: of two scenarios with requests of the same name, each figure says which it is of.
func TestRunFigures(t *testing.T) {
	r := sampleRun(t)
	figures, err := RunFigures(r)
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]export.Figure{}
	for _, f := range figures {
		if _, twice := byName[f.Name()]; twice {
			t.Errorf("%s is there twice", f.Name())
		}
		byName[f.Name()] = f
	}
	for _, name := range []string{
		"http_req_duration{scenario:warm} p(95)", "http_req_duration{name:get-resource,scenario:cold} med",
		"http_req_duration{name:count-by-type} p(99)", "http_reqs{name:count-by-type} rate", "cpu_per_request",
		"http_req_failed{scenario:cold} rate",
	} {
		if _, ok := byName[name]; !ok {
			t.Errorf("there is no %s in %v", name, byName)
		}
	}
	if _, ok := byName["http_req_duration p(95)"]; ok {
		t.Error("a percentile over two scenarios describes neither")
	}
	if f := byName["http_req_duration{scenario:warm} p(95)"]; f.Value != 3.889 || f.Samples != 10000 {
		t.Errorf("P95 of the warm scenario: %+v", f)
	}
	r.Measurements.Loads = r.Measurements.Loads[:1]
	r.Measurements.Series = r.Measurements.Series[:3]
	figures, err = RunFigures(r)
	if err != nil || figures[1].Name() != "http_req_duration p(95)" {
		t.Errorf("of one scenario: %v, %v", figures[1].Name(), err)
	}
}

// TestRunIntervals: the figures of a run that was long enough have their intervals.
func TestRunIntervals(t *testing.T) {
	r, err := results.Read(filepath.Join("..", "results", "judge", "testdata", "saved"))
	if err != nil {
		t.Fatal(err)
	}
	figures, err := RunFigures(r)
	if err != nil || len(figures) < 5 {
		t.Fatalf("%d figures, %v", len(figures), err)
	}
	for _, f := range figures[:5] {
		if f.Low == nil || f.High == nil || *f.Low > f.Value || *f.High < f.Value {
			t.Errorf("%s: %v", f.Name(), f)
		}
	}
}

func TestMarkdown(t *testing.T) {
	for file, draw := range map[string]func(*bytes.Buffer) error{
		"failed.md":     func(b *bytes.Buffer) error { return RunMarkdown(b, sampleRun(t)) },
		"experiment.md": func(b *bytes.Buffer) error { return ExperimentMarkdown(b, smallExperiment()) },
	} {
		var b bytes.Buffer
		if err := draw(&b); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("testdata", file)
		if *update {
			if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil || b.String() != string(want) {
			t.Errorf("%s (%v):\n%s", file, err, b.String())
		}
		checkTables(t, file, b.String())
	}
}

// checkTables holds that each row of a Markdown table has as many cells as its heading.
func checkTables(t *testing.T, file, markdown string) {
	t.Helper()
	columns := 0
	for line := range strings.Lines(markdown) {
		if !strings.HasPrefix(line, "|") {
			columns = 0
			continue
		}
		bars := strings.Count(line, "|") - strings.Count(line, `\|`)
		if columns != 0 && bars != columns {
			t.Errorf("%s: %d bars where the heading has %d: %s", file, bars, columns, line)
		}
		columns = bars
	}
}

// TestHostileMarkdown: names cannot leave their cell or add markup.
func TestHostileMarkdown(t *testing.T) {
	got := plainMarkdown("a|b\n<img src=x> `c` [d](e) *f* @g #1 \\|")
	want := `a\|b` + "�" + `&lt;img src=x&gt; ` + "\\`c\\`" + ` \[d\](e) \*f\* @&#8203;g \#1 \\\|`
	if got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

// TestRunAnnotations: what failed comes before what could not be told.
func TestRunAnnotations(t *testing.T) {
	var levels []string
	for _, a := range RunAnnotations(sampleRun(t)) {
		if l := string(a.Level); len(levels) == 0 || levels[len(levels)-1] != l {
			levels = append(levels, l)
		}
	}
	if !slices.Equal(levels, []string{"error", "notice"}) {
		t.Errorf("levels in order: %v", levels)
	}
	r := sampleRun(t)
	r.Verdict = results.Verdict{Outcome: results.Invalid, Invalid: []string{"the generator was starved"}}
	if all := RunAnnotations(r); len(all) != 1 || all[0].Level != export.Error ||
		!strings.Contains(all[0].Title, "not valid") {
		t.Errorf("of an invalid run: %+v", all)
	}
}
