package scenarios

import (
	"slices"
	"testing"
)

// TestGraphQLHasTheTarget: the scenario graphql asks for the same content in both languages equally often, and holds
// each to a percentile of which that of GraphQL is at most 1.5 times the other.
func TestGraphQLHasTheTarget(t *testing.T) {
	plan, err := Read("graphql")
	if err != nil {
		t.Fatal(err)
	}
	weights := map[string]float64{}
	for _, r := range plan.Scenarios[0].Requests {
		weights[r.Name] = float64(r.Weight)
	}
	var gates []string
	for _, threshold := range plan.Thresholds {
		gates = append(gates, threshold.Name()+" "+threshold.Source)
	}
	for _, what := range []string{"one", "page"} {
		if weights[what+"_rest"] == 0 || weights[what+"_rest"] != weights[what+"_graphql"] {
			t.Errorf("%s: the weights are %v", what, weights)
		}
		for _, want := range []string{
			"http_req_duration{name:" + what + "_rest} p(95)<10",
			"http_req_duration{name:" + what + "_graphql} p(95)<15",
		} {
			if !slices.Contains(gates, want) {
				t.Errorf("%q is not among %q", want, gates)
			}
		}
	}
}
