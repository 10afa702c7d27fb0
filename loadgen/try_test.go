package loadgen

import (
	"strings"
	"testing"

	"github.com/policycortex/headroom/scenarios"
)

// TestNoSuchTrial: of names that are not there the nearest one is suggested, or those of requests and flows are listed.
func TestNoSuchTrial(t *testing.T) {
	many := make([]scenarios.Request, 30)
	for i := range many {
		many[i].Name = strings.Repeat("m", i+1)
	}
	plan := planOf(scenarios.Scenario{Requests: append(flowOf("checkout", 1, scenarios.Request{Name: "login"},
		scenarios.Request{Name: "pay"}), scenarios.Request{Name: "home", Weight: 1})})
	for name, want := range map[string]string{
		"pya":     `there is no request or flow "pya"; did you mean "pay"?`,
		"chekout": `there is no request or flow "chekout"; did you mean "checkout"?`,
		"nosuch":  `there is no request or flow "nosuch"; there are checkout, login, pay, home`,
	} {
		if _, _, err := Trials(plan, nil, []string{name}); err == nil || err.Error() != want {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, _, err := Trials(planOf(scenarios.Scenario{Requests: many}), nil, []string{"nosuch"}); err == nil ||
		!strings.HasSuffix(err.Error(), " and 10 more") {
		t.Errorf("got %v", err)
	}
	for _, name := range []string{"checkout", "pay"} {
		if trials, _, err := Trials(plan, nil, []string{name}); err != nil || len(trials) != 1 {
			t.Errorf("%s: %v, %v", name, trials, err)
		}
	}
}
