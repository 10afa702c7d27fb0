package scenarios

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// TestPoliciesHasItsGates: the scenario policies judges evaluations of both kinds, and uploads the module that ships.
func TestPoliciesHasItsGates(t *testing.T) {
	plan, err := Read("policies")
	if err != nil {
		t.Fatal(err)
	}
	var gates []string
	for _, threshold := range plan.Thresholds {
		gates = append(gates, threshold.Name()+" "+threshold.Source)
	}
	for _, want := range []string{
		"http_req_failed rate==0", "checks rate==1",
		"http_req_duration{name:module,scenario:evaluations} p(95)<50",
		"http_req_duration{name:expression,scenario:evaluations} p(95)<50",
	} {
		if !slices.Contains(gates, want) {
			t.Errorf("%q is not among %q", want, gates)
		}
	}
	module, err := os.ReadFile("../server/policy/examples/owner.wasm")
	if err != nil {
		t.Fatal(err)
	}
	uploaded := ""
	for _, step := range plan.Setup {
		if step.Name == "upload" {
			uploaded = step.Body.Text()
		}
	}
	if uploaded != string(module) {
		t.Errorf("the scenario uploads %.100q, and not server/policy/examples/owner.wasm", strings.TrimSpace(uploaded))
	}
}
