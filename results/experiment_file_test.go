package results

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/policycortex/headroom/results/experiment"
	"github.com/policycortex/headroom/scenarios"
)

// savedExperiment is a small one: a gate, two blocks, and the requests of a name in both arms.
func savedExperiment() *Experiment {
	gate := experiment.Gate{Figure: "http_req_duration p(95)", Tolerance: 0.05}
	e := &Experiment{
		Name: "x", Started: time.Date(2026, 11, 29, 7, 0, 0, 0, time.UTC), Elapsed: 48.5, Outcome: Fail,
		Command: []string{"headroom", "ab", "x.yaml"},
		Base:    ArmRecord{Kind: "url", Label: "base", URL: "http://127.0.0.1:1"},
		Design:  DesignRecord{Seed: 7, Looks: []int{8, 12}},
		Gates: []ExperimentGate{{
			GateState: experiment.GateState{Gate: gate, Decision: experiment.Failed, Change: 0.12, High: 0.14},
			Source:    "p(95)<+5%", Metric: "http_req_duration", Unit: "ms",
			Course: []GatePoint{{Blocks: 2, Value: 0.1, Change: 0.12, FailsFrom: 0.3}},
		}},
		Figures: []ExperimentFigure{{
			Estimate: experiment.Estimate{Figure: gate.Figure, Blocks: 2, Base: 1, Head: 1.12, Change: 0.12},
			Metric:   "http_req_duration", Statistic: "p(95)", Unit: "ms",
		}},
	}
	for number := range 2 {
		b := BlockRecord{Block: experiment.Block{Number: number}, Seconds: 24}
		for _, arm := range experiment.Order(7, number) {
			b.Slices = append(b.Slices, experiment.Slice{Arm: arm, Figures: map[string]float64{gate.Figure: 1}})
		}
		e.Blocks = append(e.Blocks, b)
	}
	for _, arm := range []experiment.Arm{experiment.Base, experiment.Head} {
		h := NewHistogram()
		for i := range 1000 {
			h.Record(time.Duration(i) * time.Millisecond)
		}
		e.Requests = append(e.Requests, ArmRequests{
			Arm: arm, Scenario: "s", Name: "GET /a b,c", Requests: 1001, Failed: 1, Response: h,
		})
	}
	return e
}

func TestSaveAndReadExperiment(t *testing.T) {
	dir := t.TempDir()
	e := savedExperiment()
	if err := SaveExperiment(dir, e); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, filepath.Join(dir, ExperimentFile)} {
		back, err := ReadExperiment(path)
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range back.Requests {
			if !near(r.Response.Percentile(95), 950) || r.Response.Count() != 1000 {
				t.Errorf("the histogram of %s changed on the way: %d responses", r.Arm, r.Response.Count())
			}
			back.Requests[i].Response = e.Requests[i].Response
		}
		if !reflect.DeepEqual(back, e) {
			t.Errorf("read\n%+v\nsaved\n%+v", back, e)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestSaveExperimentKeepsTheRest saves numbers that JSON has not.
func TestSaveExperimentKeepsTheRest(t *testing.T) {
	dir := t.TempDir()
	e := savedExperiment()
	e.Gates[0].FailsFrom, e.Gates[0].Course[0].PassesBelow = math.Inf(1), math.Inf(-1)
	e.Gates[0].Noise = math.NaN()
	e.Blocks[0].Slices[0].Figures["cpu_per_request"] = math.Inf(1)
	unknown := e.Figures[0]
	unknown.Figure, unknown.PairNoise = "cpu_per_request", math.NaN()
	e.Figures = append(e.Figures, unknown)
	if err := SaveExperiment(dir, e); err != nil {
		t.Fatal(err)
	}
	back, err := ReadExperiment(dir)
	if err != nil {
		t.Fatal(err)
	}
	g := back.Gates[0]
	if g.FailsFrom != 1000 || g.Course[0].PassesBelow != -1000 || g.Noise != 0 || g.Change != 0.12 {
		t.Errorf("the gate is %+v", g)
	}
	if _, there := back.Blocks[0].Slices[0].Figures["cpu_per_request"]; there || len(back.Figures) != 1 {
		t.Errorf("figures that are none are kept: %+v, %+v", back.Blocks[0].Slices[0], back.Figures)
	}
	if warnings := strings.Join(back.Warnings, "\n"); warnings != "cpu_per_request is left out: too few of its slices "+
		"count\nnumbers of the record that could not be computed stand as 0: 1" {
		t.Errorf("it warns of %q", warnings)
	}
}

func TestReadExperimentRefuses(t *testing.T) {
	dir := t.TempDir()
	if _, err := ReadExperiment(dir); err == nil || !strings.Contains(err.Error(), "holds no experiment.json") {
		t.Errorf("an empty directory: %v", err)
	}
	if err := SaveExperiment(dir, savedExperiment()); err != nil {
		t.Fatal(err)
	}
	doc := read(t, filepath.Join(dir, ExperimentFile))
	for _, c := range []struct{ from, to, want string }{
		{`"version": 1`, `"version": 9`, "is version 9 and this headroom reads version 1: use the headroom that wrote it"},
		{`"version": 1`, `"version": 1x`, "the file is damaged"},
		{`"outcome": "FAIL"`, `"outcome": "FINE"`, `an outcome of "FINE" is not possible`},
		{`"tolerance": 0.05`, `"tolerance": -1`, "a tolerance of -1 is not possible"},
		{`"arm": "head",` + "\n      \"scenario\"", `"arm": "tail",` + "\n      \"scenario\"", `the arm "tail"`},
		{`"failed": 1`, `"failed": 2000`, "2000 of 1001 requests GET /a b,c failed, which is not possible"},
		{`"name": "GET /a b,c"`, `"name": "other"`, "no histogram base:s/other"},
		{`"seed": 7`, `"seed": "7"`, "the file is damaged"},
	} {
		changed := bytes.Replace(doc, []byte(c.from), []byte(c.to), 1)
		if bytes.Equal(changed, doc) {
			t.Fatalf("%s is not in the file", c.from)
		}
		os.WriteFile(filepath.Join(dir, ExperimentFile), changed, 0o644)
		if _, err := ReadExperiment(dir); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.to, err, c.want)
		}
	}
	os.WriteFile(filepath.Join(dir, ExperimentFile), doc, 0o644)
	os.Remove(filepath.Join(dir, histogramsFile))
	if _, err := ReadExperiment(dir); err == nil || !strings.Contains(err.Error(), "holds no histograms.hlog") {
		t.Errorf("lost histograms: %v", err)
	}
}

func TestExperimentHasNoSecrets(t *testing.T) {
	const secret = "correct-horse-battery"
	e := savedExperiment()
	e.Head.Command = "serve --token " + secret
	e.Warnings = []string{"the server said \x1b[31m" + secret}
	e.Scenario.Overrides = []string{"target.url=http://u:" + secret + "@host"}
	secrets := &scenarios.Redactor{}
	secrets.Add(secret)
	e.Redact(secrets)
	doc, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(doc, []byte(secret)) || strings.Contains(e.Warnings[0], "\x1b") {
		t.Errorf("redacted: %s", doc)
	}
}

func FuzzParseExperiment(f *testing.F) {
	dir := f.TempDir()
	if err := SaveExperiment(dir, savedExperiment()); err != nil {
		f.Fatal(err)
	}
	var files [2][]byte
	for i, name := range []string{ExperimentFile, histogramsFile} {
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			f.Fatal(err)
		}
		files[i] = content
	}
	f.Add(files[0], files[1])
	f.Add([]byte(`{"version":1,"outcome":"PASS"}`), []byte("Tag=x"))
	f.Fuzz(func(t *testing.T, doc, log []byte) {
		e, err := parseExperiment(doc, log)
		if err != nil {
			return
		}
		e.makeFinite()
		if _, err := json.Marshal(e); err != nil {
			t.Errorf("what was read cannot be saved: %v", err)
		}
	})
}
