package scenarios

import (
	"strings"
	"testing"
	"time"
)

func TestObjective(t *testing.T) {
	plan := &Plan{Target: Target{URL: "http://127.0.0.1:1"}, Scenarios: []Scenario{{
		Name: "main", Load: ConstantRate{Rate: 1}, Requests: []Request{{Name: "get", Method: "GET", Weight: 1}},
	}}}
	for text, want := range map[string]string{
		"p(95)<20":                                      "http_req_duration: p(95)<20",
		" p(99) < 5 ":                                   "http_req_duration: p(99) < 5",
		"http_req_duration{name:get}: p(50)<1":          "http_req_duration{name:get}: p(50)<1",
		"http_req_failed:rate<0.01":                     "http_req_failed: rate<0.01",
		"http_req_failed{name:get,method:GET}:rate<0.1": "http_req_failed{method:GET,name:get}: rate<0.1",
	} {
		got, err := plan.Objective(text)
		if err != nil || got.Name()+": "+got.Source != want {
			t.Errorf("%q is %s: %s, %v; want %s", text, got.Name(), got.Source, err, want)
		}
	}
	for text, want := range map[string]string{
		"":                                       "no comparison",
		"fast":                                   "no comparison",
		"p(95)<":                                 "",
		"http_req_duration{name:post}: p(95)<20": "no request",
		"latency: p(95)<20":                      "no metric",
		"cache_hit_ratio: rate>0.9":              "reference server",
		"http_req_duration{name: p(95)<20":       "",
	} {
		if got, err := plan.Objective(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is %+v, %v; want an error with %q", text, got, err, want)
		}
	}
}

func FuzzObjective(f *testing.F) {
	plan := &Plan{Scenarios: []Scenario{{
		Name: "main", Load: ConstantRate{Rate: 1}, Requests: []Request{{Name: "get", Method: "GET", Weight: 1}},
	}}}
	for _, text := range []string{"p(95)<20", "http_req_failed{name:get}: rate<0.1", ":", "}:", "{}:p(1)<1"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := plan.Objective(text)
		if err == nil && got.Source == "" {
			t.Errorf("%q has no expression", text)
		}
	})
}

func TestPeakRate(t *testing.T) {
	at := func(start time.Duration, l Load) Scenario { return Scenario{StartTime: start, Load: l} }
	minute := time.Minute
	for name, c := range map[string]struct {
		all  []Scenario
		want float64
	}{
		"none":  {nil, 0},
		"users": {[]Scenario{at(0, Users{VUs: 5, Duration: minute})}, 0},
		"sine":  {[]Scenario{at(0, SineRate{Rate: 100, Amplitude: 50, Duration: minute})}, 150},
		"together": {[]Scenario{
			at(0, ConstantRate{Rate: 100, Duration: minute}),
			at(0, ConstantRate{Rate: 7, Duration: minute}),
		}, 107},
		"one after the other": {[]Scenario{
			at(0, ConstantRate{Rate: 100, Duration: minute}), at(minute, ConstantRate{Rate: 70, Duration: minute}),
		}, 100},
		"ramp": {[]Scenario{at(0, RampingRate{StartRate: 3, Stages: []Stage{
			{Target: 20, Duration: minute}, {Target: 1, Duration: minute},
		}})}, 20},
		"bursts": {[]Scenario{at(0, Bursts{Size: 10, Every: 2 * time.Second, Duration: minute})}, 5},
	} {
		if got := (&Plan{Scenarios: c.all}).PeakRate(nil); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// TestPeakRateOfRecordings: what is replayed at the same time adds up.
func TestPeakRateOfRecordings(t *testing.T) {
	replay := func(name string, start time.Duration) Scenario {
		return Scenario{Name: name, StartTime: start, Load: Replay{Duration: time.Minute}}
	}
	steady := Scenario{Name: "steady", Load: ConstantRate{Rate: 7, Duration: time.Minute}}
	recorded := map[string]float64{"web": 300, "api": 200}
	for name, c := range map[string]struct {
		all  []Scenario
		want float64
	}{
		"together":            {[]Scenario{replay("web", 0), replay("api", 0)}, 500},
		"one after the other": {[]Scenario{replay("web", 0), replay("api", time.Minute)}, 300},
		"beside a schedule":   {[]Scenario{steady, replay("api", 0)}, 207},
	} {
		if got := (&Plan{Scenarios: c.all}).PeakRate(recorded); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
