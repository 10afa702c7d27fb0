package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/policycortex/headroom/results"
)

// balancedScenario reads through a balancer while instances are killed, paused and restarted.
const balancedScenario = `name: balanced
environment:
  fixtures: {resources: 500}
  instances: 2
  balancer: nginx
  server: {postgres_max_conns: 4}
scenarios:
  reads:
    executor: constant-arrival-rate
    rate: 100
    duration: 19s
    maxVUs: 600
    requests:
      - name: get
        weight: 3
        path: /api/v1/resources/{{resource}}
        headers: &tenant {X-Tenant-ID: "{{tenant}}"}
        values:
          resource: {fixture: resource_id, first: 100}
          tenant: &one {fixture: tenant_id, first: 1}
      - name: list
        path: /api/v1/resources?limit=20
        headers: *tenant
        values:
          tenant: *one
faults:
  - {at: 1s, instance: 2, action: kill}
  - {at: 4s, instance: 2, action: restart}
  - {at: 7s, instance: 1, action: pause}
  - {at: 10s, instance: 1, action: resume}
  - {at: 12s, target: instances, action: rolling-restart}
thresholds:
  http_req_failed: rate==0
  http_reqs{instance:1}: count>300
  http_reqs{instance:2}: count>300
  http_req_duration{instance:2}: p(95)<20000
`

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
// other.
func TestNoRequestIsLost(t *testing.T) {
	t.Parallel()
	for _, balancer := range []string{"nginx", "haproxy"} {
		t.Run(balancer, func(t *testing.T) {
			t.Parallel()
			needBalancer(t, balancer)
			p := headroom(t, "run", "balanced.yaml", "--provider", "process", "--out", "out", "--quiet", "--set",
				"environment.balancer="+balancer)
			write(t, p.Dir, "balanced.yaml", balancedScenario)
			p.holds(t, filepath.Join(p.Dir, "out"))
			run, err := results.Read(filepath.Join(p.Dir, "out"))
			if err != nil {
				t.Fatal(err)
			}
			m := &run.Measurements
			all, err := m.Summarize(nil)
			if err != nil || all.Failed != 0 || all.Requests != 1900 {
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
