package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/policycortex/headroom/reports"
	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/experiment"
)

// savedExperiment saves an experiment whose texts are hostile, and whose only gate failed.
func savedExperiment(t *testing.T, dir string) {
	t.Helper()
	gate := experiment.Gate{Figure: "http_req_duration p(95)", Tolerance: 0.05}
	e := &results.Experiment{
		Name: hostileText, Outcome: results.Fail, Started: time.Unix(1e9, 0).UTC(), Warnings: []string{hostileText},
		Command: []string{"headroom", "ab", hostileText}, Base: results.ArmRecord{Kind: "url", Label: hostileText},
		Gates: []results.ExperimentGate{{
			GateState: experiment.GateState{Gate: gate, Decision: experiment.Failed, Change: 0.2, Low: 0.1, High: 0.3},
			Metric:    "http_req_duration", Source: "p(95)<+5%",
		}},
		Requests: []results.ArmRequests{{Arm: experiment.Base, Scenario: "s", Name: hostileText, Requests: 1}},
	}
	if err := results.SaveExperiment(dir, e); err != nil {
		t.Fatal(err)
	}
}

// TestReportOfExperiment: the reports of a saved experiment are drawn again, the same ones, and control no terminal.
func TestReportOfExperiment(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	savedExperiment(t, dir)
	files := []string{reports.HTMLFile, reports.SummaryFile, reports.JUnitFile}
	drawn := map[string]string{}
	for _, path := range []string{dir, filepath.Join(dir, results.ExperimentFile)} {
		p := headroom(t, "report", path)
		p.exits(t, exitOK)
		says(t, p.stdout.String(), filepath.Join(dir, reports.HTMLFile))
		harmless(t, "standard output", p.stdout.String())
		for _, name := range files {
			content, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			if before, again := drawn[name]; again && before != string(content) {
				t.Errorf("%s is another one when it is drawn again", name)
			}
			drawn[name] = string(content)
		}
	}
	for _, name := range files[1:] {
		harmless(t, name, drawn[name])
		says(t, drawn[name], "requests are slower")
	}
}

func TestReportRefusesExperiments(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	savedExperiment(t, dir)
	p := headroom(t, "report", dir, "--hdr")
	p.exits(t, exitUsage)
	says(t, p.stderr.String(), "leave out --hdr")
	if err := os.WriteFile(filepath.Join(dir, results.ExperimentFile), []byte(`{"version": 9}`), 0o600); err != nil {
		t.Fatal(err)
	}
	p = headroom(t, "report", dir)
	p.exits(t, exitUsage)
	says(t, p.stderr.String(), "its format is version 9", "use the headroom that wrote it")
}
