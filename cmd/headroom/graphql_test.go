package main

import "testing"

// TestGraphQLInARun is the shipped scenario in a small copy: the same content in both languages, from the same levels
// of the cache, without errors.
func TestGraphQLInARun(t *testing.T) {
	t.Parallel()
	p, out := small(t, "graphql",
		"environment.fixtures.resources=500", "environment.server.postgres_max_conns=4", "scenarios.same.rate=200",
		"scenarios.same.duration=5s", "scenarios.same.warmup=2s",
		// These depend on the machine.
		"thresholds.http_reqs=count>0", "thresholds.http_req_duration{name:one_rest}=p(95)<20000",
		"thresholds.http_req_duration{name:one_graphql}=p(95)<20000",
		"thresholds.http_req_duration{name:page_rest}=p(95)<20000",
		"thresholds.http_req_duration{name:page_graphql}=p(95)<20000",
		"thresholds.http_req_duration{name:nested_graphql}=max<20000",
		"thresholds.http_req_cache_hit{name:one_graphql}=rate>0.3",
		"thresholds.http_req_cache_hit{name:page_graphql}=rate>0.3")
	run := p.holds(t, out)
	for _, name := range []string{"one_graphql", "page_graphql", "nested_graphql", "change_graphql"} {
		s, err := run.Measurements.Summarize(map[string]string{"name": name})
		if err != nil || s.Requests == 0 || s.Failed != 0 {
			t.Errorf("%s: %d of %d failed, %v", name, s.Failed, s.Requests, err)
		}
	}
}
