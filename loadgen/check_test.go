package loadgen

import (
	"fmt"
	"math"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

func jsonPath(steps ...any) scenarios.JSONPath {
	path := scenarios.JSONPath{}
	for _, s := range steps {
		switch s := s.(type) {
		case string:
			path = append(path, scenarios.JSONStep{Key: s})
		case int:
			path = append(path, scenarios.JSONStep{Index: s, IsIndex: true})
		}
	}
	return path
}

func TestChecks(t *testing.T) {
	const body = `{"id": "a\"b", "n": 1.50, "ok": true, "none": null, "": 0, "items": [{"id": 7}, {"id": 8, "a b": [1]}], "0": "zero"}`
	path := jsonPath
	inf := math.Inf(1)
	tests := []struct {
		check scenarios.Check
		want  bool
	}{
		{scenarios.Check{Statuses: []int{200, 201}}, true},
		{scenarios.Check{Statuses: []int{404}}, false},
		{scenarios.Check{Size: true, Test: scenarios.Within, Min: 1, Max: float64(len(body))}, true},
		{scenarios.Check{Size: true, Test: scenarios.Within, Max: float64(len(body) - 1)}, false},
		{scenarios.Check{Header: "x-count", Test: scenarios.Exists}, true},
		{scenarios.Check{Header: "X-None", Test: scenarios.Exists}, false},
		{scenarios.Check{Header: "X-None", Test: scenarios.Absent}, true},
		{scenarios.Check{Header: "X-COUNT", Test: scenarios.Equals, Want: "12"}, true},
		{scenarios.Check{Header: "X-Count", Test: scenarios.Regex, Want: "^1"}, true},
		{scenarios.Check{Header: "X-Count", Test: scenarios.Within, Min: 12, Max: inf}, true},
		{scenarios.Check{Header: "X-Count", Test: scenarios.Within, Min: 13, Max: inf}, false},
		{scenarios.Check{JSON: path(), Test: scenarios.Exists}, true},
		{scenarios.Check{JSON: path("id"), Test: scenarios.Equals, Want: `a"b`}, true},
		{scenarios.Check{JSON: path("n"), Test: scenarios.Equals, Want: "1.5"}, true},
		{scenarios.Check{JSON: path("n"), Test: scenarios.Equals, Want: "1.51"}, false},
		{scenarios.Check{JSON: path("n"), Test: scenarios.Within, Min: 1, Max: 1.5}, true},
		{scenarios.Check{JSON: path("id"), Test: scenarios.Within, Min: 0, Max: inf}, false},
		{scenarios.Check{JSON: path("ok"), Test: scenarios.Equals, Want: "true"}, true},
		{scenarios.Check{JSON: path("none"), Test: scenarios.Exists}, true},
		{scenarios.Check{JSON: path("none", "x"), Test: scenarios.Exists}, false},
		{scenarios.Check{JSON: path(""), Test: scenarios.Equals, Want: "0"}, true},
		{scenarios.Check{JSON: path("items", 0, "id"), Test: scenarios.Equals, Want: "7"}, true},
		{scenarios.Check{JSON: path("items", -1, "a b", 0), Test: scenarios.Equals, Want: "1"}, true},
		{scenarios.Check{JSON: path("items", -3), Test: scenarios.Exists}, false},
		{scenarios.Check{JSON: path("items", 2), Test: scenarios.Absent}, true},
		{scenarios.Check{JSON: path("items", "0"), Test: scenarios.Exists}, false},
		{scenarios.Check{JSON: path(0), Test: scenarios.Exists}, false},
		{scenarios.Check{JSON: path("items", 1, "id"), Test: scenarios.Regex, Want: "^[89]$"}, true},
	}
	plan := &scenarios.Request{}
	var want uint64
	for i, test := range tests {
		plan.Checks = append(plan.Checks, test.check)
		if test.want {
			want |= 1 << i
		}
	}
	in, err := newInspection(plan, nil)
	if err != nil {
		t.Fatal(err)
	}
	a := &answer{}
	for range 2 { // its memory is used again
		a.start(in)
		a.header([]byte("X-CoUnT"), []byte("12"))
		a.header([]byte("X-Count"), []byte("13"))
		a.piece([]byte(body[:20]))
		a.piece([]byte(body[20:]))
		got := a.passed(200, int64(len(body)))
		for i, test := range tests {
			if (got^want)>>i&1 == 1 {
				t.Errorf("%+v was judged %v", test.check, !test.want)
			}
		}
	}
	for name, body := range map[string]string{"not JSON": `{"id": 1} x`, "too big": `{"id": "` + strings.Repeat("x", maxKeptBody) + `"}`} {
		a.start(in)
		a.piece([]byte(body))
		if _, err := a.json(); err == nil {
			t.Errorf("%s made no error", name)
		}
	}
}

// TestChecksAreCounted: both engines count the same, a failed check is no failed request, and thresholds judge them.
func TestChecksAreCounted(t *testing.T) {
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
			Name: "two", Weight: 1, Method: "GET", Timeout: 5 * time.Second, Path: scenarios.Template{{Literal: "/"}, {Value: "n"}},
			Values: []scenarios.Value{{Name: "n", Keys: scenarios.RangeKeys{From: 0, To: 1}, Choice: scenarios.Sequential}},
			Checks: []scenarios.Check{
				{Name: "is 0", Header: "X-N", Test: scenarios.Equals, Want: "0"},
				{Name: "is 0 or 1", JSON: jsonPath("path"), Test: scenarios.Regex, Want: "^/[01]$"},
				{Name: "small", Size: true, Test: scenarios.Within, Max: 14},
			},
		},
	}
	slow := []scenarios.Request{{
		Name: "slow", Weight: 1, Method: "GET", Path: literal("/slow"), Timeout: 50 * time.Millisecond,
		Checks: []scenarios.Check{{Name: "found", Statuses: []int{200}}},
	}}
	for _, engine := range bothEngines {
		t.Run(string(engine), func(t *testing.T) {
			plan := planOf(scenarios.Scenario{Load: scenarios.ConstantRate{Rate: 100, Duration: time.Second, MaxVUs: 8}, Warmup: 500 * time.Millisecond, Requests: requests})
			plan.Scenarios = append(plan.Scenarios, planOf(scenarios.Scenario{Name: "slow", Load: scenarios.ConstantRate{Rate: 5, Duration: time.Second}, Requests: slow}).Scenarios[0])
			plan.Engine = engine
			m := run1(t, plan, url, Options{})
			if got, want := m.Series[0].Checks, []results.Check{
				{Name: "is 0", Passed: 25, Failed: 25, Unmet: "X-N: 1"}, {Name: "is 0 or 1", Passed: 50}, {Name: "small", Passed: 50},
			}; !reflect.DeepEqual(got, want) {
				t.Errorf("checks %v, want %v", got, want)
			}
			if got, want := m.Series[1].Checks, []results.Check{{Name: "found", Failed: 5}}; !reflect.DeepEqual(got, want) {
				t.Errorf("checks without answers %v, want %v", got, want)
			}
			if s := m.Series[0]; s.Failed != 0 || s.Requests != 50 || s.Statuses[200] != 50 || s.Response.Count() != 50 || s.BytesReceived != 50*14 {
				t.Errorf("%d of %d failed: %v", s.Failed, s.Requests, s)
			}
			v, err := results.Judge(m, []scenarios.Threshold{
				{Metric: "checks", Aggregation: scenarios.Aggregation{Name: "rate"}, Op: "==", Limit: 125.0 / 155},
				{Metric: "checks", Selector: map[string]string{"check": "is 0"}, Aggregation: scenarios.Aggregation{Name: "rate"}, Op: "==", Limit: 0.5},
				{Metric: "checks", Selector: map[string]string{"scenario": "slow"}, Aggregation: scenarios.Aggregation{Name: "rate"}, Op: ">", Limit: 0},
			})
			if err != nil || !v.Gates[0].Passed || !v.Gates[1].Passed || v.Gates[2].Passed || v.Gates[1].Samples != 50 {
				t.Errorf("%+v, %v", v.Gates, err)
			}
		})
	}
}
