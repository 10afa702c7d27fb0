package loadgen

import (
	"fmt"
	"net/http"
	"reflect"
	"testing"
	"time"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/judge"
	"github.com/policycortex/headroom/scenarios"
)

// TestChecksAreCounted: both engines count the same, a failed check is no failed request, and thresholds judge them.
func TestChecksAreCounted(t *testing.T) {
	t.Parallel()
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/slow":
			time.Sleep(500 * time.Millisecond)
		case "/0", "/1":
			w.Header().Set("X-N", r.URL.Path[1:])
		}
		fmt.Fprintf(w, `{"path": %q}`, r.URL.Path)
	})
	requests := []scenarios.Request{
		{
			Name: "two", Weight: 1, Method: "GET", Timeout: 5 * time.Second,
			Path: scenarios.Template{{Literal: "/"}, {Value: "n"}},
			Values: []scenarios.Value{{
				Name: "n", Keys: scenarios.RangeKeys{From: 0, To: 1},
				Choice: scenarios.Sequential,
			}},
			Checks: []scenarios.Check{
				{Name: "is 0", Header: "X-N", Test: scenarios.Equals, Want: "0"},
				{Name: "is 0 or 1", JSON: scenarios.JSONPath{{Key: "path"}}, Test: scenarios.Regex, Want: "^/[01]$"},
				{Name: "small", Size: true, Test: scenarios.Within, Max: 14},
			},
		},
	}
	slow := []scenarios.Request{{
		Name: "slow", Weight: 1, Method: "GET", Path: literal("/slow"), Timeout: 50 * time.Millisecond,
		Checks: []scenarios.Check{{Name: "found", Statuses: []int{200}}},
	}}
	sideBySide(t, bothEngines, func(t *testing.T, engine scenarios.Engine) {
		plan := planOf(scenarios.Scenario{
			Load:   scenarios.ConstantRate{Rate: 100, Duration: time.Second, MaxVUs: 8},
			Warmup: 500 * time.Millisecond, Requests: requests,
		})
		plan.Scenarios = append(plan.Scenarios,
			planOf(scenarios.Scenario{
				Name: "slow", Load: scenarios.ConstantRate{Rate: 5, Duration: time.Second},
				Requests: slow,
			}).Scenarios[0])
		plan.Engine = engine
		m := run1(t, plan, url, Options{})
		if got, want := m.Series[0].Checks, []results.Check{
			{Name: "is 0", Passed: 25, Failed: 25, Unmet: "X-N: 1"},
			{Name: "is 0 or 1", Passed: 50},
			{Name: "small", Passed: 50},
		}; !reflect.DeepEqual(got, want) {
			t.Errorf("checks %v, want %v", got, want)
		}
		if got, want := m.Series[1].Checks,
			[]results.Check{{Name: "found", Failed: 5}}; !reflect.DeepEqual(got, want) {
			t.Errorf("checks without answers %v, want %v", got, want)
		}
		if s := m.Series[0]; s.Failed != 0 || s.Requests != 50 || s.Statuses[200] != 50 ||
			s.Response.Count() != 50 || s.BytesReceived != 50*14 {
			t.Errorf("%d of %d failed: %v", s.Failed, s.Requests, s)
		}
		v, err := judge.Run(m, []scenarios.Threshold{
			{Metric: "checks", Aggregation: scenarios.Aggregation{Name: "rate"}, Op: "==", Limit: 125.0 / 155},
			{
				Metric: "checks", Selector: map[string]string{"check": "is 0"},
				Aggregation: scenarios.Aggregation{Name: "rate"}, Op: "==", Limit: 0.5,
			},
			{
				Metric: "checks", Selector: map[string]string{"scenario": "slow"},
				Aggregation: scenarios.Aggregation{Name: "rate"}, Op: ">", Limit: 0,
			},
		})
		if err != nil || !v.Gates[0].Passed || !v.Gates[1].Passed || v.Gates[2].Passed || v.Gates[1].Samples != 50 {
			t.Errorf("%+v, %v", v.Gates, err)
		}
	})
}
