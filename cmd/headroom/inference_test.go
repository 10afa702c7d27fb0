package main

import (
	"testing"

	"github.com/policycortex/headroom/results"
)

// smallInference makes the shipped scenario one of four seconds.
var smallInference = []string{
	"environment.fixtures.resources=1000", "environment.server.postgres_max_conns=4",
	"scenarios.outlooks.rate=20", "scenarios.outlooks.duration=4s", "scenarios.outlooks.warmup=500ms",
	"scenarios.explanations.rate=8", "scenarios.explanations.duration=4s", "scenarios.explanations.warmup=500ms",
	"scenarios.changes.duration=4s", "scenarios.changes.warmup=0s",
	// These depend on the machine.
	"scenarios.explanations.requests.0.goodput.firstToken=60s",
	"scenarios.explanations.requests.0.goodput.tokenTime=60s",
	"thresholds.http_req_duration{name:forecast}=max<60000", "thresholds.http_req_duration{name:anomalies}=max<60000",
	"thresholds.http_req_first_token=max<60000", "thresholds.http_req_token_gap=max<60000",
	"thresholds.http_req_goodput=count>10", "thresholds.http_req_tokens=count>1000", "thresholds.http_reqs=count>50",
	"thresholds.db_query_duration{query:cost_histories}=max<60000",
}

// TestInference runs a small copy of the scenario: forecasts, anomalies and explanations of the fixture's costs, which
// change meanwhile. A limit that no answer can meet makes its gate fail.
func TestInference(t *testing.T) {
	t.Parallel()
	for name, met := range map[string]bool{"limits that are met": true, "a limit that none meets": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, out := small(t, "inference", smallInference...)
			if !met {
				p.Args = append(p.Args, "--set", "scenarios.explanations.requests.0.goodput.firstToken=1us")
			}
			if met {
				p.holds(t, out)
			} else {
				p.exits(t, exitCrossed, exitInvalid)
			}
			run, err := results.Read(out)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range run.Measurements.Series {
				if s.Name != "explanation" {
					continue
				}
				got := s.Streamed
				if got.Tokens < 50*s.Requests || met != (got.Good == s.Requests) || !met && got.Good > 0 {
					t.Errorf("of %d explanations %d were good, with %d tokens", s.Requests, got.Good, got.Tokens)
				}
			}
		})
	}
}
