package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/policycortex/headroom/results"
)

// instancesScenario has two requests to a service whose instances are named on the command line.
const instancesScenario = `name: instances
target: {urls: ["http://127.0.0.1:1", "http://127.0.0.1:2"]}
scenarios:
  s:
    executor: constant-arrival-rate
    rate: 50
    duration: 1s
    requests: [{name: a, path: /a}, {name: b, path: /b}]
thresholds:
  http_req_failed: rate==0
`

// twoInstances are the URLs of two servers, which count their requests.
func twoInstances(t *testing.T) (urls []string, counts [2]*atomic.Int64) {
	t.Helper()
	for i := range counts {
		n := &atomic.Int64{}
		counts[i] = n
		s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { n.Add(1) }))
		t.Cleanup(s.Close)
		urls = append(urls, s.URL)
	}
	return urls, counts
}

// TestInstances: the commands take a service of several instances, send to all of them, and record and show them.
func TestInstances(t *testing.T) {
	t.Parallel()
	urls, counts := twoInstances(t)
	override := "target.urls=[" + strings.Join(urls, ", ") + "]"
	run := headroom(t, "run", "instances.yaml", "--set", override, "--out", "out")
	write(t, run.Dir, "instances.yaml", instancesScenario)
	run.exits(t, exitOK, exitInvalid)
	if a, b := counts[0].Load(), counts[1].Load(); a+b != 50 || a < 20 || b < 20 {
		t.Errorf("the instances got %d and %d requests", a, b)
	}
	saved, err := results.Read(filepath.Join(run.Dir, "out"))
	if err != nil {
		t.Fatal(err)
	}
	if e := saved.Environment; e.Target != urls[0] || !slices.Equal(e.Others, urls[1:]) {
		t.Errorf("recorded %q and %q, want %q", e.Target, e.Others, urls)
	}
	says(t, run.stdout.String(), fmt.Sprintf("Measured against %s, %s (your service)", urls[0], urls[1]))
	says(t, text(t, filepath.Join(run.Dir, "out", "report.html")), urls[1])

	try := headroom(t, "try", "instances.yaml", "--set", override)
	write(t, try.Dir, "instances.yaml", instancesScenario)
	try.exits(t, exitOK)
	says(t, try.stdout.String(), urls[0]+"/a", urls[1]+"/b")

	down := headroom(t, "run", "instances.yaml", "--set", "target.urls.0="+urls[0])
	write(t, down.Dir, "instances.yaml", instancesScenario)
	down.exits(t, exitError)
	says(t, down.stderr.String(), "the target http://127.0.0.1:2 does not answer", "correct target.urls")

	for key, overrides := range map[string][]string{
		"target.urls":           {"--set", override},
		"environment.instances": {"--set", "target=null", "--set", "environment={instances: 2}"},
	} {
		ab := headroom(t, append([]string{"ab", "instances.yaml"}, overrides...)...)
		write(t, ab.Dir, "instances.yaml", instancesScenario)
		ab.exits(t, exitUsage)
		says(t, ab.stderr.String(), "compares one instance of each version: remove "+key)
	}
}

// TestReferenceInstances: two instances of the reference server share the other servers and the requests, and what they
// say of themselves is added up.
func TestReferenceInstances(t *testing.T) {
	t.Parallel()
	p := headroom(t, "run", "smoke.yaml", "--provider", "process", "--out", "out", "--quiet",
		"--set", "environment.instances=2", "--set", "environment.fixtures.resources=500", "--set",
		"scenarios.warm.rate=50",
		"--set", "environment.server.postgres_max_conns=3", "--set", "scenarios.warm.duration=3s",
		"--set", "scenarios.warm.warmup=1s", "--set", `thresholds.http_reqs="count>0"`)
	p.exits(t, exitOK, exitCrossed, exitInvalid) // so little load warms no cache
	run, err := results.Read(filepath.Join(p.Dir, "out"))
	if err != nil {
		t.Fatal(err)
	}
	e := run.Environment
	if len(e.Others) != 1 || e.Others[0] == e.Target || !strings.HasPrefix(e.Others[0], "http://127.0.0.1:") {
		t.Errorf("recorded %q and %q", e.Target, e.Others)
	}
	sent, failed := int64(0), int64(0)
	for _, s := range run.Measurements.Series {
		sent, failed = sent+s.Requests, failed+s.Failed
	}
	view := run.Measurements.View("")
	if view == nil || failed > 0 || sent != 100 {
		t.Fatalf("%d of %d requests failed, the server's view is %+v", failed, sent, view)
	}
	// The account may begin and end a little late. One instance alone has half of it.
	if all := view.Tiers["overall"]; all.Hits+all.Misses < 70 || all.Hits+all.Misses > 130 {
		t.Errorf("the instances looked up %d values for 100 requests", all.Hits+all.Misses)
	}
	if got := view.Pools["primary"].MaxConns; got != 6 {
		t.Errorf("their pools have %d connections together, want twice 3", got)
	}
	says(t, p.stdout.String(), e.Target+", "+e.Others[0]+" on PostgreSQL ")
}
