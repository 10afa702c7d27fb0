package reports

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"unicode"

	"github.com/go-echarts/statsview/statics"

	"github.com/policycortex/headroom/results"
)

var trialDrawers = map[string]func(io.Writer, *results.Experiment) error{
	".txt": ExperimentText, ".json": ExperimentSummaryJSON, ".xml": ExperimentJUnit, ".html": ExperimentHTML,
}

func drawTrial(t testing.TB, kind string, e *results.Experiment) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := trialDrawers[kind](&b, e); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestExperimentGolden(t *testing.T) {
	for name, experiment := range sampleTrials {
		for _, kind := range []string{".json", ".xml", ".txt"} {
			t.Run(name+kind, func(t *testing.T) {
				holdGolden(t, "experiment-"+name+kind, drawTrial(t, kind, experiment(t)))
			})
		}
	}
}

// hostileExperiment is one in which every text that someone else could have written is hostile.
func hostileExperiment(t testing.TB) *results.Experiment {
	t.Helper()
	sample := failedTrial
	sample.vetoes = 8
	e := sample.make(t)
	e.Name, e.Description, e.Command = hostile, hostile, []string{"headroom", hostile}
	e.Scenario = results.Scenario{File: hostile, Text: hostile, Overrides: []string{hostile}}
	e.Environment = hostileRun(t).Environment
	e.Reasons, e.Warnings = []string{hostile}, []string{hostile}
	arm := results.ArmRecord{
		Kind: hostile, Label: hostile, Revision: hostile, Subject: hostile, Command: hostile, Image: hostile,
		URL: hostile, Settings: map[string]string{hostile: hostile},
	}
	e.Base, e.Head = arm, arm
	for _, b := range e.Blocks {
		for i := range b.Slices {
			if b.Slices[i].Veto != "" {
				b.Slices[i].Veto = hostile
			}
		}
	}
	for i := range e.Gates {
		e.Gates[i].Metric, e.Gates[i].Source, e.Gates[i].Unit = hostile, hostile, hostile
	}
	for i := range e.Figures {
		if f := &e.Figures[i]; len(f.Tags) > 0 {
			f.Tags = map[string]string{"name": hostile + f.Tags["name"]}
		}
	}
	for i := range e.Requests {
		e.Requests[i].Scenario, e.Requests[i].Name = hostile, hostile+e.Requests[i].Name
	}
	return e
}

func TestHostileNamesOfExperimentsStayText(t *testing.T) {
	e := hostileExperiment(t)
	var summary map[string]any
	if err := json.Unmarshal(drawTrial(t, ".json", e), &summary); err != nil {
		t.Errorf("summary.json: %v", err)
	} else if summary["name"] != hostile {
		t.Errorf("summary.json names the experiment %q", summary["name"])
	}
	var doc junitSuites
	if err := xml.Unmarshal(drawTrial(t, ".xml", e), &doc); err != nil {
		t.Errorf("junit.xml: %v", err)
	} else if len(doc.Suites) != 1 || len(doc.Suites[0].Cases) != len(e.Gates) {
		t.Errorf("junit.xml was taken apart by the names: %+v", doc)
	}
	for _, c := range string(drawTrial(t, ".txt", e)) {
		if unicode.IsControl(c) && c != '\n' {
			t.Fatalf("the text holds the control character %U", c)
		}
	}
	page := strings.Replace(string(drawTrial(t, ".html", e)), statics.EchartJS, "", 1)
	for _, raw := range []string{"<script>window", "<img", "</textarea>"} {
		if strings.Contains(page, raw) {
			t.Errorf("report.html holds %q", raw)
		}
	}
}

// TestSavedExperimentDrawsTheSame: what was saved and read is drawn as it was before.
func TestSavedExperimentDrawsTheSame(t *testing.T) {
	for name, experiment := range sampleTrials {
		t.Run(name, func(t *testing.T) {
			first, saved, again := t.TempDir(), t.TempDir(), t.TempDir()
			e := experiment(t)
			if err := errors.Join(WriteExperiment(first, e), results.SaveExperiment(saved, e)); err != nil {
				t.Fatal(err)
			}
			back, err := results.ReadExperiment(saved)
			if err != nil {
				t.Fatal(err)
			}
			if err := WriteExperiment(again, back); err != nil {
				t.Fatal(err)
			}
			sameReports(t, first, again)
		})
	}
}

// TestExperimentHeadline holds what the first line says.
func TestExperimentHeadline(t *testing.T) {
	missing := passedTrial.make(t)
	missing.Outcome, missing.Reasons = results.Fail, []string{"no slice has a value of x"}
	close := unresolvedTrial.make(t)
	for i := range close.Gates {
		close.Gates[i].TooNoisy, close.Gates[i].Needed = false, 20
	}
	for name, c := range map[string]struct {
		e    *results.Experiment
		want string
	}{
		"by name": {
			failedTrial.make(t),
			"FAIL: get is slower: p(95) of http_req_duration{name:get} +12.1 % (",
		},
		"most of it":       {oneSlowerTrial.make(t), " 5.53 -> 5.99 ms; most of it: get +22.7 % (+20.2 to +25.3 %)\n"},
		"all alike":        {allSlowerTrial.make(t), "; all requests alike: list +9.1 % ("},
		"CPU time":         {busierTrial.make(t), "FAIL: a request takes more CPU time: cpu_per_request +8.2 % ("},
		"slower with it":   {busierTrial.make(t), "; slower with it: p(50) of list +4.1 % ("},
		"requests fail":    {failingTrial.make(t), "FAIL: more requests fail: rate of http_req_succeeded -3.0 % ("},
		"not slower":       {passedTrial.make(t), "PASS: not slower by more than 5 %: p(95) of http_req_duration{"},
		"open":             {unresolvedTrial.make(t), "; 5 % would take about 84 blocks, 35 min\n"},
		"close to it":      {close, "  - the change lies close to the tolerance: a longer experiment"},
		"disturbed":        {invalidTrial.make(t), "INVALID: 15 of 32 pairs of slices do not count, because the"},
		"no figure":        {missing, "FAIL: no slice has a value of x\n"},
		"within tolerance": {failedTrial.make(t), "  - p(95) of http_req_duration is within its tolerance of 5 %, "},
	} {
		if text := string(drawTrial(t, ".txt", c.e)); !strings.Contains(text, c.want) {
			t.Errorf("%s: the text has no %q:\n%.600s", name, c.want, text)
		}
	}
}

// TestExperimentJUnitOutcome: whatever the outcome, CI sees it, also where no gate says it.
func TestExperimentJUnitOutcome(t *testing.T) {
	open := unresolvedTrial.make(t)
	for _, c := range []struct {
		outcome                   results.Outcome
		failures, errors, skipped bool
	}{
		{results.Fail, true, false, true},
		{results.Invalid, false, true, false},
		{results.Unresolved, false, false, true},
	} {
		open.Outcome, open.Reasons = c.outcome, []string{"no slice of the head has a value of x"}
		var doc junitSuites
		if err := xml.Unmarshal(drawTrial(t, ".xml", open), &doc); err != nil {
			t.Fatal(err)
		}
		s := doc.Suites[0]
		if s.Failures > 0 != c.failures || s.Errors > 0 != c.errors || s.Skipped > 0 != c.skipped {
			t.Errorf("%s: %d failures, %d errors, %d skipped", c.outcome, s.Failures, s.Errors, s.Skipped)
		}
	}
}

// TestRepeatedCommand holds that a branch is named by the revision that it stood for.
func TestRepeatedCommand(t *testing.T) {
	e := passedTrial.make(t)
	base := e.Base.Revision
	e.Head = results.ArmRecord{Kind: "revision", Revision: "abc"}
	for command, want := range map[string]string{
		"ab x.yaml":                            "ab x.yaml --base " + base + " --head abc --seed 2",
		"ab x.yaml --base main --head=feature": "ab x.yaml --base " + base + " --head=abc --seed 2",
		"ab x.yaml --seed 9 --head a":          "ab x.yaml --seed 2 --head abc --base " + base,
	} {
		e.Command = strings.Fields(command)
		if got := strings.Join(newTrial(e).repeat(), " "); got != want {
			t.Errorf("%s: %s, want %s", command, got, want)
		}
	}
	e.Command = nil
	if len(newTrial(e).repeat()) > 0 {
		t.Error("an experiment without a command has one that repeats it")
	}
}

func TestChangesAreShown(t *testing.T) {
	for _, c := range []struct {
		change, low, high float64
		want              string
	}{
		{0.118, 0.097, 0.14, "+11.8 % (95 % interval +9.7 to +14.0 %)"},
		{0, 0, 0, "0.00 % (95 % interval 0.00 to 0.00 %)"},
		{-0.0001, -0.05, 0.05, "0.0 % (95 % interval -5.0 to +5.0 %)"},
		{0.001, -0.0012, 0.0031, "+0.10 % (95 % interval -0.12 to +0.31 %)"},
		{2, -0.9, 1000, "+200.0 % (95 % interval -90.0 to >+1,000 %)"},
	} {
		if got := changed95(c.change, c.low, c.high); got != c.want {
			t.Errorf("%v: %s, want %s", c.change, got, c.want)
		}
	}
}
