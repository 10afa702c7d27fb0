package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/policycortex/headroom/results"
)

// smallCause are the settings of a short run of the smoke scenario of which a gate on queries cannot hold.
var smallCause = []string{
	"environment.fixtures.resources=1000", "environment.instances=2", "scenarios.warm.rate=150",
	"scenarios.warm.duration=3s", "scenarios.warm.warmup=500ms", "trace.ratio=0.3", "thresholds=null",
	`thresholds={"db_query_duration{query:get_resource}":"p(95)<0.001","http_req_failed":"rate<0.5"}`,
}

// TestCauseBesideTheGate runs the reference system with a gate on queries that cannot hold: beside it are the slow
// statements of that query with their plans, and in the run what caches and logs of the instances said. The slowest
// sampled requests have the spans of the instances that answered them, which the report draws.
func TestCauseBesideTheGate(t *testing.T) {
	t.Parallel()
	p, out := small(t, "smoke", smallCause...)
	p.Env = append(os.Environ(), "HEADROOM_SLOW_QUERY=1us")
	p.exits(t, exitCrossed, exitInvalid)
	run, err := results.Read(out)
	if err != nil {
		t.Fatal(err)
	}
	e := run.Evidence
	if e == nil || len(e.Missing) > 0 {
		t.Fatalf("the evidence is %+v", e)
	}
	slow := e.SlowOf("get_resource")
	if len(slow) == 0 || !strings.Contains(slow[0].Plan, "resources") || slow[0].Max <= 0 || slow[0].Last <= 0 {
		t.Errorf("slow statements: %+v", slow)
	}
	if len(e.Caches) != 2 || e.Caches[1].Instance != "2" || e.Caches[0].L1.Entries == 0 || e.Caches[0].L1.TTL <= 0 {
		t.Errorf("caches: %+v", e.Caches)
	}
	failed := func(m results.LogMessage) bool { return m.Level != results.LogWarn }
	if slices.ContainsFunc(e.Log.Messages, failed) {
		t.Errorf("the log has errors: %+v", e.Log)
	}
	work, _ := run.Measurements.WorkIn(results.Span{To: 100})
	if work == nil || work.L1MaxBytes == 0 || work.L1Bytes == 0 {
		t.Errorf("the work of the caches: %+v", work)
	}
	spans, instances := map[string]bool{}, map[string]bool{}
	for _, trace := range run.Measurements.Traces {
		slow := func(s results.SlowRequest) bool { return s.Trace == trace.ID }
		request, root := run.Measurements.Slowest[slices.IndexFunc(run.Measurements.Slowest, slow)], trace.Spans[0]
		// The server begins after the request was sent, and ends before its answer has come.
		if root.At < request.At || root.Length > request.Response || root.Depth != 0 {
			t.Errorf("the span %+v is not within the request %+v", root, request)
		}
		for _, s := range trace.Spans {
			spans[s.Name], instances[s.Instance] = true, true
		}
	}
	for _, name := range []string{"GET /api/v1/resources/:id", "cache get", "cache l2", "sql get_resource"} {
		if !spans[name] {
			t.Errorf("no trace has a span %s, but %v", name, spans)
		}
	}
	if len(instances) != 2 {
		t.Errorf("the spans are of the instances %v", instances)
	}
	says(t, text(t, filepath.Join(out, "run.json")), `"trace.ratio=0.3"`)
	says(t, p.stdout.String(), "Where the slowest sampled requests", "At the same time",
		"slow statement get_resource", "What the server noticed")
	says(t, text(t, filepath.Join(out, "report.html")), `id="besides"`, `class="waterfall"`, "sql get_resource", `href="#trace-`, `href="#slow-`, "statement and plan")
}
