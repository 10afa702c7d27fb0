package main

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// needBalancer skips a test on a developer's machine without the balancer. CI installs it.
func needBalancer(t *testing.T, name string) {
	t.Helper()
	_, err := exec.LookPath(name)
	if err == nil || isFile("/usr/sbin/"+name) {
		return
	}
	if os.Getenv("CI") == "" {
		t.Skip(name + " is not installed")
	}
	t.Fatal(name + " is not installed")
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// TestNoRequestIsLost: no GET fails while an instance is killed, paused, and while all are restarted one after the
// other. It is the shipped scenario in a third of its time.
func TestNoRequestIsLost(t *testing.T) {
	t.Parallel()
	for _, balancer := range []string{"nginx", "haproxy"} {
		t.Run(balancer, func(t *testing.T) {
			t.Parallel()
			needBalancer(t, balancer)
			p, out := small(t, "instances",
				"environment.balancer="+balancer, "environment.instances=2", "environment.fixtures.resources=500",
				"environment.server.postgres_max_conns=4", "scenarios.reads.rate=100", "scenarios.reads.duration=19s",
				"scenarios.reads.warmup=1s", "faults.0.at=2s", "faults.1.at=5s", "faults.2.at=7s", "faults.3.at=10s",
				"faults.4.at=12s", `thresholds.http_req_duration="p(95)<20000"`)
			run := p.holds(t, out)
			m := &run.Measurements
			all, err := m.Summarize(nil)
			if err != nil || all.Failed != 0 || all.Requests != 1800 {
				t.Errorf("%d of %d requests failed, %v", all.Failed, all.Requests, err)
			}
			var done []string
			for _, mark := range m.Marks {
				done = append(done, mark.Text+mark.Error)
			}
			if got := strings.Join(done, ", "); got != "kill instance 2, restart instance 2, pause instance 1, "+
				"resume instance 1, rolling-restart instances" {
				t.Errorf("what was done: %s", got)
			}
			if len(m.Incidents) > 0 || m.View("") == nil {
				t.Errorf("incidents %v, the server's view %+v, warnings %q", m.Incidents, m.View(""), m.Warnings)
			}
			e := run.Environment
			if s := e.Servers[0]; s.Role != "balancer" || !strings.EqualFold(s.Name, balancer) || s.Version == "" {
				t.Errorf("servers %+v", e.Servers)
			}
			if len(e.Others) > 0 || !slices.Contains(e.Settings, "instances=2") {
				t.Errorf("recorded %q, %q and %q", e.Target, e.Others, e.Settings)
			}
			says(t, p.stdout.String(), e.Target+" on "+e.Servers[0].Name+" "+e.Servers[0].Version+", PostgreSQL ")
		})
	}
}
