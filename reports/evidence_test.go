package reports

import (
	"strings"
	"testing"

	"github.com/policycortex/headroom/results"
)

// sampleEvidence is what a server noticed that had a slow query, a small L1 and a replica far behind.
func sampleEvidence() *results.Evidence {
	return &results.Evidence{
		Slow: []results.SlowStatement{
			{
				Query: "list_resources", SQL: "-- name: list_resources\nSELECT id FROM resources WHERE tenant_id = $1",
				Count: 12, Replica: 3, Max: 341.27, Last: 58.204,
				Plan: "Seq Scan on resources  (cost=0.00..1234.00 rows=9)",
			},
			{Query: "get_resource", SQL: "SELECT 1", Count: 1, Max: 120.5, Last: 4.5, PlanFault: "no connection"},
		},
		Caches: []results.CacheState{
			sampleCache("1", "l1_too_small", "L1 serves fewer than 80 % of the requests. Allow it more memory."),
			sampleCache("2", "l1_too_small", "L1 serves fewer than 80 % of the requests. Allow it more memory."),
		},
		Log: results.ServerLog{
			Messages: []results.LogMessage{
				{Level: "ERROR", Text: "query failed", Count: 1, First: 33.5, Last: 33.5, Details: "error=timeout"},
				{Level: "WARN", Text: "the replica lags", Count: 12, First: -1.25, Last: 41, Details: `lag="3 s"`},
			},
			LeftOut: 3,
		},
		Missing: []string{"of instance 2: its log: permission denied"},
		Tuning: []results.TuningAction{
			{
				Instance: "1", At: 4.25, Knob: "pool", Text: "1 connections → 2 connections",
				Reason: "45 % of the queries waited",
				Figure: "share of queries that waited for a connection", Before: new(0.45), After: new(0.02),
				RequestBefore: new(12.5), RequestAfter: new(3.25), Outcome: "kept", Note: "it helped",
			},
			{
				Instance: "2", At: 9.5, Knob: "plan_kind", Subject: "-- name: list_resources\nSELECT 1",
				Text: "as Postgres chooses → planned for its parameters", Reason: "it was slow", Outcome: "advised",
			},
		},
	}
}

func sampleCache(instance, code, text string) results.CacheState {
	return results.CacheState{
		Instance: instance, HitRate: new(0.7123), Evictions: 20_412, Expirations: 12, Invalidations: 3,
		L1: results.L1State{
			Bytes: 63_900_000, MaxBytes: 64_000_000, Entries: 51_200, TTL: 60, LastDecision: "grow",
		},
		Prefetch: results.Prefetched{Prefetched: 100, Used: 60, Lost: 30, Dropped: 1},
		Recommendations: []results.Recommendation{
			{Code: code, Text: text, Numbers: map[string]float64{"l1_hit_rate": 0.7, "l1_largest_bytes": 64e6}},
		},
	}
}

// noticedRun crossed a gate on queries, one on hits and one on response times, and has what the server noticed.
func noticedRun(t testing.TB) *results.Run {
	t.Helper()
	r := sampleRun(t)
	r.Evidence, r.Measurements.Slowest, r.Measurements.Traces = sampleEvidence(), sampleSlowest(), sampleTraces()
	for i := range r.Measurements.Samples {
		r.Measurements.Samples[i].Work = &results.ServerWork{
			L1Bytes: int64(i+1) * 1e6, L1MaxBytes: 64e6, L1TTL: 60, Evictions: 10, Prefetched: 3, PrefetchUsed: 2,
			GCPauses: 0.5, GC: 0.02,
		}
		r.Measurements.Samples[i].Footprint = &results.Footprint{Memory: 200e6 + int64(i)*1e6}
	}
	for i := range r.Measurements.Views {
		v := &r.Measurements.Views[i]
		v.GCSeconds, v.GCPauses = 1.07, 0.0123
	}
	r.Verdict.Gates = append(r.Verdict.Gates, results.Gate{
		Metric: "db_query_duration{query:list_resources}", Expression: "p(95)<5", Op: "<", Target: 5,
		Actual: 7.31, Unit: "ms", Samples: 180, Margin: -0.462,
	}, results.Gate{
		Metric: "cache_hit_ratio", Expression: "rate>0.95", Op: ">", Target: 0.95, Actual: 0.9246, Samples: 13000,
		Best: new(1.0), Margin: -0.508,
	}, results.Gate{
		Metric: "http_req_failed", Expression: "rate<0.001 for 10s", Op: "<", Target: 0.001, Actual: 0.04, Samples: 600,
		Margin: -39, Window: &results.Window{From: 30, Seconds: 10, Of: 41, Fewest: 500},
	})
	return r
}

// sampleSlowest are slow requests, of which one timed out and two were sampled.
func sampleSlowest() []results.SlowRequest {
	return []results.SlowRequest{
		{
			Scenario: "cold", Request: "list-resources", Iteration: 1234, At: 33.1, Response: 5003.2, Waited: 3.2,
			Error: "timeout", Connection: "reused",
		},
		{
			Scenario: "cold", Request: "list-resources", Iteration: 1301, Trace: "4bf92f3577b34da6a3ce929d0e0e4736",
			At: 34, Response: 124, Waited: 0.25, Connect: 0.125, TLS: 1.5, FirstByte: 122.5, Status: "200",
			Instance: 2, Connection: "new",
		},
		{
			Scenario: "warm", Request: "get-resource", Iteration: 77, Trace: "00f067aa0ba902b700f067aa0ba902b7",
			At: 12.5, Response: 2.5, FirstByte: 2, Status: "200", OfSampled: true,
		},
	}
}

// sampleTraces are the spans of a request that waited for a query.
func sampleTraces() []results.Trace {
	kind := func(hit string) map[string]string {
		return map[string]string{"headroom.cache.kind": "list", "headroom.cache.hit": hit}
	}
	return []results.Trace{{ID: "4bf92f3577b34da6a3ce929d0e0e4736", LeftOut: 2, Spans: []results.TraceSpan{
		{
			Name: "GET /api/v1/resources", Instance: "2", At: 34.0021, Length: 120.25,
			Attributes: map[string]string{"http.response.status_code": "200"},
		},
		{Name: "cache get", Instance: "2", Depth: 1, At: 34.0022, Length: 119.5, Attributes: kind("")},
		{Name: "cache l2", Instance: "2", Depth: 2, At: 34.0023, Length: 0.5, Attributes: kind("false")},
		{
			Name: "sql list_resources", Instance: "2", Depth: 2, At: 34.003, Length: 118, Error: "it was cancelled",
			Attributes: map[string]string{"headroom.db.role": "replica", "headroom.db.rows": "9"},
		},
		{Name: "refresh", Instance: "2", Depth: 1, At: 34.13, Length: 40}, // goes on after the answer
	}}}
}

// hostileEvidence is evidence in which every text is hostile.
func hostileEvidence() *results.Evidence {
	return &results.Evidence{
		Slow:    []results.SlowStatement{{Query: hostile, SQL: hostile, Plan: hostile}, {PlanFault: hostile}},
		Caches:  []results.CacheState{sampleCache(hostile, hostile, hostile)},
		Log:     results.ServerLog{Messages: []results.LogMessage{{Level: hostile, Text: hostile, Details: hostile}}},
		Missing: []string{hostile},
		Tuning: []results.TuningAction{{
			Instance: hostile, Knob: hostile, Subject: hostile, Text: hostile, Reason: hostile, Figure: hostile,
			Outcome: hostile, Note: hostile,
		}},
	}
}

// TestNoticed draws what was measured beside gates that did not hold, and what the server noticed.
func TestNoticed(t *testing.T) {
	for _, kind := range []string{".json", ".txt"} {
		holdGolden(t, "noticed"+kind, draw(t, kind, noticedRun(t)))
	}
	page := string(draw(t, ".html", noticedRun(t)))
	for _, want := range []string{
		`<h3 id="besides">At the same time</h3>`, `id="slow-1"`, `<a href="#slow-1">more</a>`, "Seq Scan on resources",
		"no plan: no connection", "20,412", "l1_hit_rate 0.7, l1_largest_bytes 64,000,000", "1, 2</td>",
		"the replica lags", `id="slowest-sampled"`, `id="l1-chart"`, `id="server-memory-chart"`,
		"<code>4bf92f3577b34da6a3ce929d0e0e4736</code>", "3 lines of further messages left out", "permission denied",
		`<h2 id="tuning-title">Tuning</h2>`, "plan_kind of list_resources", "2 actions: 1 kept, 1 advised",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	own := string(draw(t, ".html", passedRun(t))) + string(draw(t, ".txt", passedRun(t)))
	if strings.Contains(own, "What the server noticed") || strings.Contains(own, "At the same time") {
		t.Error("a run of another service that passed has a section on what the server noticed")
	}
}

// TestBesidesAreOfTheTime: a gate with a window has what happened in it alone, and one that held has nothing.
func TestBesidesAreOfTheTime(t *testing.T) {
	d, err := newDigest(noticedRun(t))
	if err != nil {
		t.Fatal(err)
	}
	all := d.Besides()
	if len(all) != 4 {
		t.Fatalf("%d gates have something beside them: %+v", len(all), all)
	}
	last := all[3]
	text := besidesText(all[3:])
	says := func(part string) bool { return strings.Contains(text, part) }
	if last.From != 30 || last.To != 40 || !says("kill cache") || !says("breaker of l2") || says("kill replica") ||
		!says("query failed") {
		t.Errorf("beside the gate of 30 to 40 s:\n%s", text)
	}
	if text := besidesText(all[1:2]); !strings.Contains(text, "slow statement list_resources: 12 executions") ||
		strings.Contains(text, "get_resource") {
		t.Errorf("beside the gate on list_resources:\n%s", text)
	}
}

// TestBesideMemory: a gate on the server's memory has what that depends on, and nothing of response times.
func TestBesideMemory(t *testing.T) {
	r := noticedRun(t)
	r.Verdict.Gates = []results.Gate{{
		Metric: "server_memory", Expression: "max<1000", Op: "<", Target: 1000, Actual: 2e8, Unit: "B", Samples: 60,
		Margin: -199_999,
	}}
	d, err := newDigest(r)
	if err != nil {
		t.Fatal(err)
	}
	text := besidesText(d.Besides())
	for part, want := range map[string]bool{
		"L1 of instance": true, "garbage collection": true, "slow statement": false, "waited for a connection": false,
	} {
		if strings.Contains(text, part) != want {
			t.Errorf("%q should be there: %v\n%s", part, want, text)
		}
	}
}
