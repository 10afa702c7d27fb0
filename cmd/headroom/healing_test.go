package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/policycortex/headroom/results"
)

// smallHealing makes the shipped scenario one of 400 requests a second and 13 seconds. Its gates of times depend on the
// machine; those of the first level of the cache do not.
var smallHealing = []string{
	"environment.fixtures.resources=2000", "environment.server.tuning_window=500ms", "scenarios.sick.rate=400",
	"scenarios.sick.duration=1s", "scenarios.healing.rate=400", "scenarios.healing.startTime=2s",
	"scenarios.healing.duration=8s", "scenarios.healed.rate=400", "scenarios.healed.startTime=11s",
	"scenarios.healed.duration=2s", "thresholds.http_req_duration{scenario:healed}=p(95)<20000",
	"thresholds.cache_hit_ratio{scenario:healed,tier:l1}=rate>0.05",
	"thresholds.server_metric{name:headroom_tuning_actions_total,outcome:kept}=count>=1",
	"thresholds.server_metric{scenario:healed,name:headroom_tuning_value,knob:l1_size}=last>100000",
}

// TestHealing runs a badly set server that tunes itself: something is changed for the better, and the run has it with
// its effect, as has its report.
func TestHealing(t *testing.T) {
	t.Parallel()
	run := tuned(t, "healing", smallHealing)
	if run.Environment.ServerSettings["HEADROOM_TUNING"] != "act" {
		t.Errorf("the settings are %v", run.Environment.ServerSettings)
	}
	kept := slices.ContainsFunc(run.Evidence.Tuning, func(a results.TuningAction) bool {
		return a.Outcome == "kept" && a.Before != nil && a.After != nil && a.Reason != "" && a.Text != ""
	})
	if !kept {
		t.Errorf("nothing was kept: %+v", run.Evidence.Tuning)
	}
}

// TestSteady runs a well set server that may tune itself: it changes next to nothing. The small copy is as noisy as its
// machine, so that it allows a trial or two; the shipped scenario has a gate.
func TestSteady(t *testing.T) {
	t.Parallel()
	run := tuned(t, "steady", []string{
		"environment.fixtures.resources=1000", "scenarios.steady.rate=100", "scenarios.steady.duration=4s",
		"scenarios.steady.warmup=1s", "scenarios.alternating.startTime=5s", "scenarios.alternating.startRate=20",
		"scenarios.alternating.stages=[{target: 20, duration: 1s}, {target: 150, duration: 1s}, " +
			"{target: 20, duration: 1s}]",
		"environment.server.tuning_window=500ms", "thresholds.http_req_duration{scenario:steady}=p(95)<20000",
		"thresholds.http_req_duration{scenario:alternating}=p(95)<20000",
	})
	if n := len(run.Evidence.Tuning); n > 3 {
		t.Errorf("%d actions in 8 seconds: %+v", n, run.Evidence.Tuning)
	}
}

// tuned runs a shipped scenario with changes and returns the saved run, whose report must show what was tuned, if
// anything was.
func tuned(t *testing.T, scenario string, sets []string) *results.Run {
	t.Helper()
	p, out := small(t, scenario, sets...)
	run := p.holds(t, out)
	if run.Evidence == nil || len(run.Evidence.Missing) > 0 {
		t.Fatalf("%+v", run.Evidence)
	}
	page := text(t, filepath.Join(out, "report.html"))
	if got, want := strings.Contains(page, `id="tuning"`), len(run.Evidence.Tuning) > 0; got != want {
		t.Errorf("the report has a section on tuning: %t, want %t", got, want)
	}
	return run
}
