package judge

import (
	"strings"
	"testing"
	"time"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// TestCourse: in each second, what failed or came late is not good, and an objective holds only for what it selects.
func TestCourse(t *testing.T) {
	plan := &scenarios.Plan{Scenarios: []scenarios.Scenario{{
		Name: "a", Requests: []scenarios.Request{{Name: "get"}, {Name: "put"}},
	}}}
	load := &results.Load{Scenario: "a", MeasuredTo: 3}
	m := &results.Measurements{Loads: []*results.Load{load}}
	for _, name := range []string{"get", "put"} {
		m.Series = append(m.Series, &results.Series{
			Scenario: "a", Name: name, Tags: map[string]string{"scenario": "a", "name": name},
		})
	}
	const ms = time.Millisecond
	for _, want := range CourseThresholds(plan) {
		s := results.NewSeconds(want, load)
		times := []*results.Histogram{histogram(5*ms, 6*ms, 70*ms, 80*ms), nil, histogram(5 * ms)}
		for i, requests := range []int64{4, 0, 1} {
			failed := int64(0)
			if want.Selector["name"] == "put" {
				failed = requests / 4 * 3
			}
			h := times[i]
			if want.Metric != scenarios.HTTPReqDuration {
				h = nil
			}
			if err := s.Add(i, requests, failed, h); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Add(4, 9, 9, nil); err != nil { // what came after the end belongs to none of the seconds
			t.Fatal(err)
		}
		s.End(3)
		m.Seconds = append(m.Seconds, s)
	}
	for _, c := range []struct {
		objectives []scenarios.Threshold
		want       [3]float64
	}{
		{nil, [3]float64{4 + 1, 0, 2}},
		{[]scenarios.Threshold{objective(t, "http_req_duration", "p(95)<50")}, [3]float64{2 + 1, 0, 2}},
		{[]scenarios.Threshold{objective(t, "http_req_duration{name:get}", "p(95)<50")}, [3]float64{2 + 1, 0, 2}},
		{[]scenarios.Threshold{objective(t, "http_req_duration{name:put}", "p(95)<5.5")}, [3]float64{4 + 1, 0, 2}},
		{[]scenarios.Threshold{objective(t, "http_req_duration{name:put}", "p(95)<1")}, [3]float64{4 + 0, 0, 1}},
	} {
		course, err := Course(m, c.objectives)
		if err != nil || len(course) != 3 {
			t.Fatalf("%+v, %v", course, err)
		}
		for i, want := range c.want {
			if course[i].Goodput != want {
				t.Errorf("%+v: second %d: %v/s, want %v/s", c.objectives, i, course[i].Goodput, want)
			}
		}
		if !near(course[0].P95, 80) || course[1].P95 != 0 || !near(course[2].P95, 5) {
			t.Errorf("P95: %+v", course)
		}
	}
}

// recovering is a service that was overloaded for three seconds. late and failed are how many of the requests of each
// second are late, or failed.
func recovering(t *testing.T, requests int64, late, failed []int64) *results.Measurements {
	t.Helper()
	plan := &scenarios.Plan{Scenarios: []scenarios.Scenario{{Name: "a", Requests: []scenarios.Request{{Name: "get"}}}}}
	load := &results.Load{Scenario: "a", MeasuredTo: float64(len(late))}
	m := &results.Measurements{Loads: []*results.Load{load}, Series: []*results.Series{
		{Scenario: "a", Name: "get", Tags: map[string]string{"scenario": "a", "name": "get"}},
	}}
	for _, want := range CourseThresholds(plan) {
		s := results.NewSeconds(want, load)
		for i, n := range late {
			all := requests
			if n < 0 { // nothing was answered
				all, n = 0, 0
			}
			h := results.NewHistogram()
			for j := range all {
				took := 10 * time.Millisecond
				if j < n {
					took = 100 * time.Millisecond
				}
				h.Record(took)
			}
			bad := int64(0)
			if i < len(failed) {
				bad = failed[i]
			}
			if want.Metric != scenarios.HTTPReqDuration {
				h = nil
			}
			if err := s.Add(i, all, bad, h); err != nil {
				t.Fatal(err)
			}
		}
		s.End(load.MeasuredTo)
		m.Seconds = append(m.Seconds, s)
	}
	return m
}

// TestRecovery: from when on the objectives hold. One request of a second decides nothing.
func TestRecovery(t *testing.T) {
	failures := []scenarios.Threshold{objective(t, "http_req_failed", "rate<0.05")}
	p95 := []scenarios.Threshold{objective(t, "http_req_duration", "p(95)<50")}
	other := []scenarios.Threshold{objective(t, "http_req_duration{name:put}", "p(95)<50")}
	for name, c := range map[string]struct {
		objectives   []scenarios.Threshold
		requests     int64
		late, failed []int64
		want         float64 // below 0: not seen
	}{
		"at once":            {p95, 100, []int64{90, 90, 90, 0, 0, 0}, nil, 0},
		"later":              {p95, 100, []int64{90, 90, 90, 70, 60, 0}, nil, 2},
		"once more":          {p95, 100, []int64{90, 90, 90, 0, 60, 0}, nil, 2},
		"as many as may":     {p95, 100, []int64{90, 90, 90, 4, 3, 4}, nil, 0},
		"not at all":         {p95, 100, []int64{90, 90, 90, 90, 90, 90}, nil, -1},
		"not in the end":     {p95, 100, []int64{90, 90, 90, 0, 0, 90}, nil, -1},
		"not seen":           {p95, 100, []int64{90, 90, 90}, nil, -1},
		"no answers":         {p95, 100, []int64{90, 90, 90, -1, -1, -1}, nil, -1},
		"answers end":        {p95, 100, []int64{90, 90, 90, 0, 0, -1}, nil, -1},
		"few requests":       {p95, 20, []int64{20, 20, 20, 1, 0, 0}, nil, 0},
		"few, later":         {p95, 20, []int64{20, 20, 20, 18, 0, 0}, nil, 1},
		"some may fail":      {failures, 100, []int64{0, 0, 0, 0, 0, 0}, []int64{50, 50, 50, 4, 4, 4}, 0},
		"too many fail":      {failures, 100, []int64{0, 0, 0, 0, 0, 0}, []int64{50, 50, 50, 40, 6, 4}, 2},
		"0.1 % fail":         {p95, 1000, []int64{0, 0, 0, 0, 0, 0}, []int64{500, 500, 500, 0, 1, 0}, 0},
		"1 % fail":           {p95, 1000, []int64{0, 0, 0, 0, 0, 0}, []int64{500, 500, 500, 10, 0, 0}, 1},
		"of other requests":  {other, 100, []int64{90, 90, 90, 90, 90, 90}, nil, 0},
		"others, that fails": {other, 100, []int64{0, 0, 0, 0, 0, 0}, []int64{50, 50, 50, 50, 50, 50}, -1},
	} {
		got, err := Recovery(recovering(t, c.requests, c.late, c.failed), 3, c.objectives)
		if err != nil || got == nil && c.want >= 0 || got != nil && *got != c.want {
			t.Errorf("%s: %v, %v; want %v", name, got, err, c.want)
		}
	}
	got, err := Recovery(recovering(t, 100, []int64{90, 90, 90, 90, 0, 0}, nil), 3.5, p95)
	if err != nil || got == nil || *got != 0.5 {
		t.Errorf("%v, %v; want half a second: the fourth second is late", got, err)
	}
}

// TestBehaviour: the words for what a service does beyond its capacity, and why there is none.
func TestBehaviour(t *testing.T) {
	m, objectives := measured(), []scenarios.Threshold{objective(t, "http_req_duration", "p(95)<2000")}
	for want, b := range map[string]results.Beyond{
		"holds": {Share: 0.95}, "degrades": {Share: 0.6}, "collapses": {Share: 0.3},
		"sheds": {Share: 0.8, Refused: 0.3},
	} {
		b.Seconds = 8
		if got, why := Behaviour(m, &b, objectives); got != want || why != "" {
			t.Errorf("%+v: %s, %s; want %s", b, got, why, want)
		}
	}
	b := &results.Beyond{Share: 0.1, Refused: 0.8, Seconds: 8}
	if got, _ := Behaviour(m, b, objectives); got != "collapses" {
		t.Errorf("little is answered beside refusals: %s", got)
	}
	b = &results.Beyond{Share: 1, Seconds: 7.9}
	got, why := Behaviour(m, b, objectives)
	if got != "" || why != "not overloaded long enough: with a limit of 2 s it takes 8 s to tell" {
		t.Errorf("%q, %q", got, why)
	}
	m.Loads[0].OwnLag = histogram(300 * time.Millisecond)
	got, why = Behaviour(m, &results.Beyond{Share: 1, Seconds: 8}, objectives)
	if got != "" || !strings.Contains(why, "the generator itself was late") {
		t.Errorf("%q, %q", got, why)
	}
}
