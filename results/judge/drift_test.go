package judge

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/policycortex/headroom/results"
)

func TestDrifts(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	series := func(p95 func(second int) float64) *results.Measurements {
		m := &results.Measurements{Loads: []*results.Load{{
			Scenario: "s", Executor: "constant-arrival-rate", Open: true,
			MeasuredFrom: 10, MeasuredTo: 70,
		}}}
		for second := range 70 {
			m.Points = append(m.Points, results.Point{
				Scenario: "s", Second: second, Requests: 100,
				P95: p95(second) * (1 + 0.05*random.NormFloat64()), Max: 50,
			})
		}
		return m
	}
	flat := series(func(int) float64 { return 8 })
	faster := series(func(second int) float64 { return max(8, 40-float64(second)) })
	warm := series(func(second int) float64 { return max(8, 40-4*float64(second)) })
	if got := drifts(flat); got != nil {
		t.Errorf("flat: %q", got)
	}
	if got := drifts(warm); got != nil {
		t.Errorf("steady after its warm-up: %q", got)
	}
	if got := drifts(faster); len(got) != 1 || !strings.Contains(got[0], "P95 response time moved by -") {
		t.Errorf("faster and faster: %q", got)
	}
	faster.Loads[0].Executor = "ramping-arrival-rate"
	if got := drifts(faster); got != nil {
		t.Errorf("a ramp is meant to move: %q", got)
	}
	m := measured()
	m.Loads[0].MeasuredTo = 70
	for _, p := range series(func(second int) float64 { return max(8, 60-float64(second)) }).Points {
		p.Scenario = "warm"
		m.Points = append(m.Points, p)
	}
	v, err := Run(m, nil)
	if err != nil || v.Outcome != results.Pass || !strings.Contains(strings.Join(v.Warnings, ""), "not steady: P95") {
		t.Errorf("%s, %q, %v", v.Outcome, v.Warnings, err)
	}
}
