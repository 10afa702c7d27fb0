package main

import "testing"

// TestPolicies runs a small copy of the shipped scenario: the module is uploaded from the scenario file, and
// evaluations by it and by the expression are what its checks want.
func TestPolicies(t *testing.T) {
	t.Parallel()
	p, out := small(t, "policies",
		"environment.fixtures.resources=500", "environment.server.postgres_max_conns=4",
		"scenarios.evaluations.rate=60", "scenarios.evaluations.duration=6s", "scenarios.evaluations.warmup=1s",
		"scenarios.recorded.duration=6s", "scenarios.recorded.warmup=1s",
		// These depend on the machine.
		"thresholds.http_req_duration{scenario:evaluations,name:module}=max<60000",
		"thresholds.http_req_duration{scenario:evaluations,name:expression}=max<60000",
		"thresholds.http_req_duration{scenario:evaluations,name:document}=max<60000",
		"thresholds.http_req_duration{scenario:evaluations,name:read}=max<60000",
		"thresholds.http_req_duration{scenario:recorded,name:evaluate_and_record}=max<60000",
		"thresholds.http_reqs{scenario:evaluations}=count>0")
	run := p.holds(t, out)
	for _, name := range []string{"module", "expression", "document", "read"} {
		s, err := run.Measurements.Summarize(map[string]string{"scenario": "evaluations", "name": name})
		if err != nil || s.Requests < 5 || s.Failed != 0 {
			t.Errorf("%s: %d of %d failed, %v", name, s.Failed, s.Requests, err)
		}
	}
}
