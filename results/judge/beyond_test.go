package judge

import (
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

// TestRecovery: until the end of the last second that was beyond an objective.
func TestRecovery(t *testing.T) {
	tags := map[string]string{"scenario": "a", "name": "get"}
	objectives := []scenarios.Threshold{objective(t, "http_req_duration", "p(95)<50")}
	for name, c := range map[string]struct {
		p95    []float64 // of seconds 0 to 2 beyond, and those after
		failed map[int]int64
		want   float64 // below 0: not seen
	}{
		"at once":    {[]float64{90, 90, 90, 10, 10, 10}, nil, 0},
		"later":      {[]float64{90, 90, 90, 70, 60, 10}, nil, 2},
		"once more":  {[]float64{90, 90, 90, 10, 60, 10}, nil, 2},
		"failures":   {[]float64{90, 90, 90, 10, 10, 10}, map[int]int64{3: 1}, 1},
		"not at all": {[]float64{90, 90, 90, 90, 90, 90}, nil, -1},
		"not seen":   {[]float64{90, 90, 90}, nil, -1},
	} {
		m := &results.Measurements{Series: []*results.Series{{Scenario: "a", Name: "get", Tags: tags}}}
		for i, p95 := range c.p95 {
			m.Points = append(m.Points, results.Point{
				Scenario: "a", Request: "get", Second: i, Requests: 10, Failed: c.failed[i], P95: p95, P99: 2 * p95,
			})
		}
		got := Recovery(m, 3, objectives)
		if got == nil && c.want >= 0 || got != nil && *got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// TestBehaviour: the words for what a service does beyond its capacity.
func TestBehaviour(t *testing.T) {
	for want, b := range map[string]results.Beyond{
		"holds": {Share: 0.95}, "degrades": {Share: 0.6}, "collapses": {Share: 0.3},
		"sheds": {Share: 0.8, Refused: 0.3},
	} {
		if got := Behaviour(&b); got != want {
			t.Errorf("%+v: %s, want %s", b, got, want)
		}
	}
	if got := Behaviour(&results.Beyond{Share: 0.1, Refused: 0.8}); got != "collapses" {
		t.Errorf("little is answered beside refusals: %s", got)
	}
}
