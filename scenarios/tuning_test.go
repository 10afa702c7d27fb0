package scenarios

import (
	"slices"
	"testing"
)

// TestTuningScenariosHaveTheirGates holds what the two scenarios of a server that tunes itself must show: that a bad
// start heals, and that a good one is left alone.
func TestTuningScenariosHaveTheirGates(t *testing.T) {
	for name, wants := range map[string][]string{
		"healing": {
			"http_req_duration p(95)<50", "http_req_failed rate<0.001", "cache_hit_ratio rate<0.55",
			"cache_hit_ratio rate>0.6", "server_metric count>=3", "server_metric last>1000000",
		},
		"steady": {"http_req_duration p(95)<50", "http_req_failed rate<0.001", "server_metric count<=3"},
	} {
		plan, err := Read(name)
		if err != nil {
			t.Fatal(err)
		}
		acts := slices.ContainsFunc(plan.Environment.Server, func(s Setting) bool {
			return s.Name == "tuning" && s.Value == "act"
		})
		if !acts {
			t.Errorf("%s: the server has %+v", name, plan.Environment.Server)
		}
		var gates []string
		for _, threshold := range plan.Thresholds {
			gates = append(gates, string(threshold.Metric)+" "+threshold.Source)
		}
		for _, want := range wants {
			if !slices.Contains(gates, want) {
				t.Errorf("%s: %q is not among %q", name, want, gates)
			}
		}
	}
}
