package judge

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// stagesOf30s are measurements of so many stages of 30 s each, of one rate, with a P95 a second.
func stagesOf30s(stages int, steady bool, p95 func(stage, second int) float64) *results.Measurements {
	m := measured()
	l := m.Loads[0]
	l.Executor, l.MeasuredTo, m.Elapsed = "ramping-arrival-rate", float64(30*stages), float64(30*stages)
	m.Points = nil
	base := m.Series[0]
	m.Series = nil
	for k := range stages {
		name := fmt.Sprintf("s%d", k)
		l.Stages = append(l.Stages, results.Stage{
			Name: name, From: float64(30 * k), To: float64(30*k + 30),
			Steady: steady,
		})
		s := *base
		s.Stage, s.Tags = name, map[string]string{"scenario": "warm", "name": "get", "stage": name}
		m.Series = append(m.Series, &s)
		for second := range 30 {
			m.Points = append(m.Points, results.Point{
				Scenario: "warm", Second: 30*k + second, Requests: 100,
				P95: p95(k, second), Max: 1000,
			})
		}
	}
	return m
}

// TestStageThatIsNotSteady: a stage whose P95 rises within it is not said to have held without a word.
func TestStageThatIsNotSteady(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	course := func(stage, second int) float64 {
		v := 7.0
		if stage == 1 { // it rises from 7 to 20 ms
			v += 13 * float64(second) / 29
		}
		return v * (1 + 0.05*random.NormFloat64())
	}
	judge := func(m *results.Measurements, stage string, limit float64) (results.Gate, results.Verdict) {
		t.Helper()
		m.Series[1].Response = histogram()
		for i := range 1000 {
			m.Series[1].Response.Record(time.Duration(1+i%19) * time.Millisecond)
		}
		th := threshold("http_req_duration", "p95", "<", limit)
		th.Selector = map[string]string{"stage": stage}
		v, err := Run(m, []scenarios.Threshold{th})
		if err != nil {
			t.Fatal(err)
		}
		return v.Gates[0], v
	}
	if g, v := judge(stagesOf30s(2, true, course), "s1", 50); !g.Passed ||
		!strings.HasPrefix(g.Unsteady, "not steady: P95 response time moved by +") || v.Outcome != results.Pass ||
		!strings.Contains(strings.Join(v.Warnings, "\n"), "warm: the stage s1 was not steady: P95 response time") {
		t.Errorf("far from the limit: %s, %+v, %q", v.Outcome, g, v.Warnings)
	}
	if g, v := judge(stagesOf30s(2, true, course), "s1", 19.5); g.Passed || !g.Unresolved ||
		v.Outcome != results.Unresolved || !strings.Contains(g.Reason, "by the end of the stage it had reached") {
		t.Errorf("beyond the limit by its end: %s, %+v", v.Outcome, g)
	}
	if g, _ := judge(stagesOf30s(2, true, course), "s0", 2000); !g.Passed || g.Unsteady != "" {
		t.Errorf("a steady stage: %+v", g)
	}
	if g, v := judge(stagesOf30s(2, false, course), "s1", 50); !g.Passed || g.Unsteady != "" ||
		strings.Contains(fmt.Sprint(v.Warnings), "not steady") {
		t.Errorf("a ramp is meant to move: %+v, %q", g, v.Warnings)
	}
}

// TestSteadyStages simulates how often any of six stages in which nothing moves is called not steady: of a P95 that
// moves by 20 % from second to second by itself, and that remembers nothing or a half of its predecessor: the test
// supposes the first. To suppose the second took most of its power over steps and bends, at no fewer alarms.
func TestSteadyStages(t *testing.T) {
	const runs = 300
	for _, memory := range []float64{0, 0.5} {
		random := rand.New(rand.NewPCG(7, uint64(10*memory)))
		alarms, x := 0, 0.0
		for range runs {
			m := stagesOf30s(6, true, func(int, int) float64 {
				x = memory*x + math.Sqrt(1-memory*memory)*random.NormFloat64()
				return 8 * math.Exp(0.2*x)
			})
			if len(movedStagesOf(m)) > 0 {
				alarms++
			}
		}
		t.Logf("memory %v: %d of %d runs", memory, alarms, runs)
		if most := map[float64]int{0: 3, 0.5: 30}[memory]; alarms > most {
			t.Errorf("memory %v: %d of %d runs without a trend have a stage that is not steady", memory, alarms, runs)
		}
	}
}
