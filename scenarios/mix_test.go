package scenarios

import (
	"math"
	"strconv"
	"strings"
	"testing"
	"time"
)

func mixed() *Plan {
	return &Plan{Seed: 1, Scenarios: []Scenario{
		{
			Name: "read", Load: ConstantRate{Rate: 90, Duration: time.Minute, MaxVUs: 10, Arrivals: Poisson},
			StartTime: time.Second, Warmup: time.Second,
			Requests: []Request{{Name: "get", Weight: 3}, {Name: "list", Weight: 1}},
		},
		{
			Name: "write", Load: ConstantRate{Rate: 10, Duration: time.Minute, MaxVUs: 5},
			Requests: []Request{{Name: "get", Flow: "life", Weight: 1}, {Name: "delete", Flow: "life", Step: 1}},
		},
	}, Thresholds: []Threshold{{Metric: HTTPReqs}}}
}

func TestMixAtRate(t *testing.T) {
	plan := mixed()
	m, err := NewMix(plan)
	if err != nil || m.Workers() != 15 {
		t.Fatal(m.Workers(), err)
	}
	at := m.AtRate(1000, Stretch{Discard: 2 * time.Second, Measure: 6 * time.Second, Grace: time.Second, Seed: 9})
	for i, want := range []float64{900, 100} {
		s := at.Scenarios[i]
		l := s.Load.(RampingRate)
		if math.Abs(l.StartRate-want) > 1e-9 || l.Length() != 8*time.Second || len(l.Stages) != 1+Pieces ||
			l.Stages[0].Name != "" || l.Stages[0].Duration != s.Warmup || s.Warmup != 2*time.Second ||
			s.StartTime != 0 || s.GracefulStop != time.Second {
			t.Errorf("%+v, want a rate of %v", s, want)
		}
		for n, piece := range l.Stages[1:] {
			if piece.Name != strconv.Itoa(n+1) || piece.Target != l.StartRate || piece.Duration != time.Second {
				t.Errorf("piece %d: %+v", n, piece)
			}
		}
	}
	if at.Seed != 9 || at.Scenarios[0].Load.(RampingRate).Arrivals != Poisson || len(at.Thresholds) != 1 {
		t.Errorf("%+v", at)
	}
	if plan.Scenarios[0].Load.(ConstantRate).Rate != 90 || plan.Seed != 1 {
		t.Errorf("the plan itself was changed: %+v", plan)
	}
}

// TestMixSent: a scenario sends at least one iteration in ten seconds, so that the sum may be more than was asked for.
func TestMixSent(t *testing.T) {
	m, _ := NewMix(mixed())
	for rate, want := range map[float64]float64{1000: 1000, 1: 1, 0.5: 0.55, 0.1: 0.2} {
		if got := m.Sent(rate); math.Abs(got-want) > 1e-9 {
			t.Errorf("of %v/s, %v/s are sent, want %v/s", rate, got, want)
		}
		sum := 0.0
		for _, s := range m.AtRate(rate, Stretch{Measure: time.Second}).Scenarios {
			sum += s.Load.(RampingRate).StartRate
		}
		if math.Abs(sum-want) > 1e-9 {
			t.Errorf("the plan for %v/s sends %v/s, want %v/s", rate, sum, want)
		}
	}
}

func TestMixSteps(t *testing.T) {
	m, _ := NewMix(mixed())
	plan := m.Steps([]Stage{
		{Name: "beyond", Target: 100, Duration: time.Second},
		{Name: "after", Target: 50, Duration: time.Second},
	},
		time.Second, 3)
	l := plan.Scenarios[1].Load.(RampingRate)
	if l.StartRate != 10 || l.Length() != 2*time.Second || len(l.Stages) != 4 || l.Stages[3].Target != 5 ||
		l.Stages[3].Name != "after" || l.Stages[2].Duration != 0 || l.MaxVUs != 5 {
		t.Errorf("%+v", l)
	}
}

func TestMixClosed(t *testing.T) {
	m, _ := NewMix(mixed())
	plan := m.Closed(4, Stretch{Measure: time.Second})
	if len(plan.Scenarios) != 1 || plan.Scenarios[0].Load.(Users).VUs != 4 || plan.Thresholds != nil {
		t.Fatalf("%+v", plan)
	}
	want := map[string]int{"read get": 67_500, "read list": 22_500, "write get": 10_000, "write delete": 0}
	for _, r := range plan.Scenarios[0].Requests {
		if r.Weight != want[r.Name] {
			t.Errorf("%s has the weight %d, want %d", r.Name, r.Weight, want[r.Name])
		}
	}
	one := mixed()
	one.Scenarios = one.Scenarios[:1]
	m, _ = NewMix(one)
	plan = m.Closed(4, Stretch{Measure: time.Second})
	if plan.Scenarios[0].Requests[0].Name != "get" {
		t.Errorf("%+v", plan.Scenarios[0])
	}
}

// TestNewMixEngines: users send the requests of all scenarios by one engine, whoever has chosen it.
func TestNewMixEngines(t *testing.T) {
	for _, c := range []struct {
		plan, first, second Engine
		ok                  bool
	}{
		{"", "", "", true},
		{EngineWire, "", EngineWire, true},
		{"", EngineAuto, "", true},
		{"", "", EngineVegeta, false},
		{EngineVegeta, EngineWire, "", false},
	} {
		plan := mixed()
		plan.Engine, plan.Scenarios[0].Engine, plan.Scenarios[1].Engine = c.plan, c.first, c.second
		_, err := NewMix(plan)
		if (err == nil) != c.ok || err != nil && !strings.Contains(err.Error(), "give them the same engine") {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestNewMixRefuses(t *testing.T) {
	plan := mixed()
	plan.Scenarios[0].Load = Users{VUs: 1}
	plan.Faults = []Fault{{}}
	_, err := NewMix(plan)
	if err == nil || !strings.Contains(err.Error(), "read has the executor constant-vus") ||
		!strings.Contains(err.Error(), "faults") {
		t.Errorf("%v", err)
	}
}

// TestNewMixSessions: users with sessions are those of one scenario, and could not send the requests of others.
func TestNewMixSessions(t *testing.T) {
	plan := mixed()
	plan.Scenarios[0].Cookies = true
	_, err := NewMix(plan)
	if err == nil || !strings.Contains(err.Error(), "the users of scenario read have sessions") {
		t.Errorf("%v", err)
	}
	plan.Scenarios = plan.Scenarios[:1]
	if _, err := NewMix(plan); err != nil {
		t.Errorf("one scenario with sessions: %v", err)
	}
}
