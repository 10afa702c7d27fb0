package main

import "testing"

// smallFull makes the shipped scenario one of 6 seconds on 1,000 resources. Its gates do not depend on the machine.
var smallFull = []string{
	"environment.fixtures.resources=1000", "environment.server.postgres_max_conns=4",
	"environment.server.warm_resources=100",
	"scenarios.reads.rate=150", "scenarios.reads.duration=6s", "scenarios.reads.warmup=1s",
	"scenarios.walks.duration=6s", "scenarios.walks.warmup=1s",
	"scenarios.changes.duration=6s", "scenarios.changes.warmup=1s",
	"scenarios.upkeep.rate=10", "scenarios.upkeep.startTime=2s", "scenarios.upkeep.duration=4s",
	"scenarios.upkeep.warmup=500ms",
	`thresholds={http_req_failed: "rate==0", checks: "rate==1", "db_query_duration{query:refresh_compliance}": "max<60000",
	"server_metric{name:headroom_http_request_duration_seconds,status:2xx}": ["count>500", "p(50)<=30"],
	"server_metric{name:headroom_http_shed_total}": "count==0",
	"server_metric{name:headroom_db_pool_max_connections,server:primary}": "last==4"}`,
}

// TestFull sends to every endpoint of the reference server, with settings that a scenario gives it, and judges what it
// says of itself. Nothing fails, every request was sent, and all that thresholds are about was measured.
func TestFull(t *testing.T) {
	t.Parallel()
	p, out := small(t, "full", smallFull...)
	run := p.holds(t, out)
	for _, s := range run.Measurements.Series {
		if s.Requests == 0 {
			t.Errorf("%s of %s was not sent", s.Name, s.Scenario)
		}
	}
	for _, g := range run.Verdict.Gates {
		if g.Samples == 0 {
			t.Errorf("%s %s has no data: %s", g.Metric, g.Expression, g.Reason)
		}
	}
	view := run.Measurements.View("")
	for _, query := range []string{
		"get_resource", "list_resources", "count_resources", "create_policy", "list_policies", "record_evaluations",
		"list_current_evaluations", "upsert_costs", "cost_totals", "refresh_compliance", "follow_events",
	} {
		if view.Queries[query].Count == 0 {
			t.Errorf("no query %s", query)
		}
	}
	for name, want := range map[string]string{
		"HEADROOM_WARM_RESOURCES": "100", "HEADROOM_READY_WHEN_WARM": "true", "HEADROOM_REQUEST_TIMEOUT": "10s",
		"HEADROOM_POSTGRES_MAX_CONNS": "4", "GOGC": "400",
	} {
		if got := run.Environment.ServerSettings[name]; got != want {
			t.Errorf("%s was %q, not %s", name, got, want)
		}
	}
}
