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
			args := []string{"run", "instances.yaml", "--provider", "process", "--out", "out", "--quiet"}
			for _, set := range []string{
				"environment.balancer=" + balancer, "environment.instances=2", "environment.fixtures.resources=500",
				"environment.server.postgres_max_conns=4", "scenarios.reads.rate=100", "scenarios.reads.duration=19s",
				"scenarios.reads.warmup=1s", "faults.0.at=2s", "faults.1.at=5s", "faults.2.at=7s", "faults.3.at=10s",
				"faults.4.at=12s", `thresholds.http_req_duration="p(95)<20000"`,
			} {
				args = append(args, "--set", set)
			}
			p := headroom(t, args...)
			p.holds(t, filepath.Join(p.Dir, "out"))
			run, err := results.Read(filepath.Join(p.Dir, "out"))
			if err != nil {
				t.Fatal(err)
			}
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

// edgeScenario reads few resources through an edge.
const edgeScenario = `name: edge
environment:
  fixtures: {resources: 500}
  instances: 2
  balancer: nginx
  edge: varnish
  server: {postgres_max_conns: 4}
scenarios:
  reads:
    executor: constant-arrival-rate
    rate: 200
    duration: 8s
    warmup: 2s
    requests:
      - name: get
        path: /api/v1/resources/{{resource}}
        headers: {X-Tenant-ID: "{{tenant}}"}
        values:
          resource: {fixture: resource_id, first: 50}
          tenant: {fixture: tenant_id, first: 1}
thresholds:
  http_req_failed: rate==0
  cache_hit_ratio{tier:edge}: rate>0.7
  http_req_cache_hit: rate>0.7
`

// TestEdgeInARun: most requests are answered before they reach the server, and the run says so.
func TestEdgeInARun(t *testing.T) {
	t.Parallel()
	for edge, program := range map[string]string{"varnish": "varnishd", "nginx": "nginx"} {
		t.Run(edge, func(t *testing.T) {
			t.Parallel()
			needBalancer(t, program)
			needBalancer(t, "nginx")
			p := headroom(t, "run", "edge.yaml", "--provider", "process", "--out", "out", "--quiet", "--set",
				"environment.edge="+edge)
			write(t, p.Dir, "edge.yaml", edgeScenario)
			p.holds(t, filepath.Join(p.Dir, "out"))
			run, err := results.Read(filepath.Join(p.Dir, "out"))
			if err != nil {
				t.Fatal(err)
			}
			m := &run.Measurements
			view := m.View("")
			if view == nil || len(m.Incidents) > 0 {
				t.Fatalf("the server's view %+v, incidents %v, warnings %q", view, m.Incidents, m.Warnings)
			}
			// The accounts are taken one after the other, while requests go on.
			all, behind := view.Tiers["edge"], view.Tiers["overall"]
			if looked := all.Hits + all.Misses; looked < 1100 || looked > 1300 || behind.Hits+behind.Misses > looked/2 {
				t.Errorf("of 1200 requests the edge has %+v and the servers %+v", all, behind)
			}
			if s := run.Environment.Servers; len(s) < 2 || s[0].Role != "edge" || s[1].Role != "balancer" {
				t.Errorf("servers %+v", s)
			}
		})
	}
}
