package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
)

// TestOutage kills the cache and then the replica in the middle of a run, and restarts both: no request fails, and the
// report shows what was done and what the server noticed. It is the shipped scenario in a quarter of its time.
func TestOutage(t *testing.T) {
	t.Parallel()
	outage(t, "process")
}

func outage(t *testing.T, provider string) {
	t.Helper()
	args := []string{"run", "outage.yaml", "--provider", provider, "--out", "out", "--json"}
	for _, set := range []string{
		"environment.fixtures.resources=2000", "scenarios.mixed.rate=100", "scenarios.mixed.duration=15s",
		"scenarios.mixed.warmup=1s",
		"faults.0.at=2s", "faults.1.at=4s", "faults.2.at=5500ms", "faults.3.at=7s", `thresholds.http_reqs="rate>=10"`,
	} {
		args = append(args, "--set", set)
	}
	p := headroom(t, args...)
	if err := p.Run(); err != nil && p.ProcessState.ExitCode() < 0 {
		t.Fatal(err)
	}
	var summary struct {
		Overall     struct{ Requests, Failed int64 }
		Environment struct {
			Servers []struct{ Role string }
		}
		Marks []struct {
			Text, Error string
			Due         float64 `json:"due_seconds"`
			Begun       float64 `json:"begun_seconds"`
		}
		Changes []struct{ Text string }
	}
	if err := json.Unmarshal(p.stdout.Bytes(), &summary); err != nil {
		t.Fatalf("%v\n%s", err, &p.stderr)
	}
	if summary.Overall.Failed != 0 || summary.Overall.Requests < 1000 {
		t.Errorf("%d of %d requests failed\n%s", summary.Overall.Failed, summary.Overall.Requests, &p.stderr)
	}
	if len(summary.Environment.Servers) != 3 || summary.Environment.Servers[1].Role != "replica" {
		t.Errorf("servers %+v", summary.Environment.Servers)
	}
	var done, noticed []string
	for _, m := range summary.Marks {
		done = append(done, m.Text)
		if m.Error != "" || m.Begun < m.Due {
			t.Errorf("fault %+v", m)
		}
	}
	if got := strings.Join(done, ", "); got != "kill cache, kill replica, restart cache, restart replica" {
		t.Errorf("what was done: %s", got)
	}
	for _, c := range summary.Changes {
		noticed = append(noticed, c.Text)
	}
	says(t, strings.Join(noticed, "\n"), "replica: left out", "replica: read from")
	says(t, text(t, filepath.Join(p.Dir, "out", "report.html")), "kill cache", `id="levels-chart"`, `id="lag-chart"`,
		"replica: left out")
	says(t, p.stderr.String(), "Faults (seconds since the start of the run)", "replica PostgreSQL")
}

// TestFaultsThatTheEnvironmentCannotDo are refused before the load begins.
func TestFaultsThatTheEnvironmentCannotDo(t *testing.T) {
	t.Parallel()
	p := headroom(t, "run", "outage.yaml", "--provider", "embedded", "--set", "environment.fixtures.resources=10",
		"--set", "faults.0.action=pause")
	p.Env = append(p.Environ(), "HEADROOM_EMBEDDED_POSTGRES="+machinePostgres(t))
	p.exits(t, exitError)
	says(t, p.stderr.String(), "the cache", "inside this process", "use provider process or docker")
}
