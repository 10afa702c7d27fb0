package main

import (
	"strings"
	"testing"

	"github.com/policycortex/headroom/results"
)

// smallSoak makes the shipped scenario one of a quarter of a minute.
var smallSoak = []string{
	"environment.fixtures.resources=1000", "environment.server.postgres_max_conns=4", "environment.replica=false",
	"scenarios.mixed.rate=100", "scenarios.mixed.duration=18s", "scenarios.mixed.warmup=2s",
	// These depend on the machine, and on a longer run.
	"thresholds.generator_memory_growth=value<1000000000", "thresholds.server_memory_growth=value<1000000000",
	"thresholds.p95_drift=value<1000", "thresholds.http_req_duration=max<60000",
	"thresholds.dropped_iterations=count<100",
}

// TestSoak: the gates on what the processes hold have data, and the generator stays within its 64 MiB. A limit that is
// too low is crossed.
func TestSoak(t *testing.T) {
	t.Parallel()
	p, out := small(t, "soak", append(smallSoak, "thresholds.server_files=max<5")...)
	p.exits(t, exitCrossed, exitInvalid)
	run, err := results.Read(out)
	if err != nil {
		t.Fatal(err)
	}
	settings := run.Environment.GeneratorSettings // those of the load, not of the start
	if settings["GOGC"] != "1000" || !strings.HasPrefix(settings["GOMEMLIMIT"], "what lives and ") {
		t.Errorf("the generator's settings are %v", settings)
	}
	if len(run.Verdict.Gates) != 12 {
		t.Fatalf("%d gates", len(run.Verdict.Gates))
	}
	for _, g := range run.Verdict.Gates {
		if want := g.Metric != "server_files"; g.Samples == 0 || g.Passed != want {
			t.Errorf("%s %s: %v of %d samples, passed: %v", g.Metric, g.Expression, g.Actual, g.Samples, g.Passed)
		}
	}
}
