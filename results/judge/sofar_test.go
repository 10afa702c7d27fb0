package judge

import (
	"testing"
	"time"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// TestGatesSofar: a gate is judged over what has been measured, and one without data is not reached rather than failed.
func TestGatesSofar(t *testing.T) {
	s := &results.Series{
		Scenario: "a", Name: "get", Tags: map[string]string{"scenario": "a", "name": "get"}, Requests: 100, Failed: 3,
		Response: results.NewHistogram(), Service: results.NewHistogram(),
	}
	for range 100 {
		s.Response.Record(10 * time.Millisecond)
	}
	m := &results.Measurements{
		Loads:  []*results.Load{{Scenario: "a", Open: true, MeasuredFrom: 0, MeasuredTo: 60, Sent: 100}},
		Series: []*results.Series{s},
	}
	var thresholds []scenarios.Threshold
	for _, source := range [][2]string{
		{"http_req_failed", "rate<0.01"},
		{"http_req_duration", "max<50"},
		{"http_reqs", "rate>=9"},
		{"http_req_duration{name:put}", "p(95)<50"},
	} {
		threshold, err := scenarios.ParseThreshold(source[0], source[1])
		if err != nil {
			t.Fatal(err)
		}
		thresholds = append(thresholds, threshold)
	}
	gates, err := Sofar(m, thresholds, []float64{10})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct{ passed, notReached bool }{{}, {passed: true}, {passed: true}, {notReached: true}} {
		if g := gates[i]; g.Passed != want.passed || g.NotReached != want.notReached {
			t.Errorf("%s %s: passed %v, not reached %v, want %v; it was %v", g.Metric, g.Expression, g.Passed,
				g.NotReached, want, g.Actual)
		}
	}
	if m.Loads[0].MeasuredTo != 60 {
		t.Error("the measurements were changed")
	}
}
