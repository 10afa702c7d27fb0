package results

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestTrendOfKnownSeries(t *testing.T) {
	at := []float64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}
	for name, c := range map[string]struct {
		y             []float64
		slope, change float64
		p             float64
	}{
		"all the same": {[]float64{5, 5, 5, 5, 5, 5, 5, 5, 5, 5}, 0, 0, 1},
		// S = 45, variance 125, z = 44/sqrt(125) = 3.935
		"a ramp": {[]float64{10, 12, 14, 16, 18, 20, 22, 24, 26, 28}, 2, 18.0 / 19, 8.3e-5},
		// S = 21 of ties within two groups of 5: variance (10·9·25 - 2·5·4·15)/18 = 91.7, S = 25, z = 2.507
		"a step": {[]float64{1, 1, 1, 1, 1, 2, 2, 2, 2, 2}, 1.0 / 7, 9.0 / 7 / 1.5, 0.0122},
	} {
		got, ok := NewTrend(at, c.y)
		if !ok || math.Abs(got.Slope-c.slope) > 0.04 || math.Abs(got.P-c.p) > 0.02*c.p+1e-12 {
			t.Errorf("%s: %+v, %v; want %+v", name, got, ok, c)
		}
	}
	if _, ok := NewTrend(at[:9], at[:9]); ok {
		t.Error("nine values are too few")
	}
}

// TestTrendErrors holds by simulation that noise is taken for a trend about as often as the level says, and that a
// ramp of 10 % in noise of 2 % is found.
func TestTrendErrors(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 5))
	const trials, n, level = 2000, 30, 0.05
	at, y := make([]float64, n), make([]float64, n)
	var alarms, found int
	for range trials {
		for i := range y {
			at[i], y[i] = float64(i), 100+2*random.NormFloat64()
		}
		if trend, _ := NewTrend(at, y); trend.P < level {
			alarms++
		}
		for i := range y {
			y[i] += 10 * float64(i) / n
		}
		if trend, _ := NewTrend(at, y); trend.P < driftP && trend.Change > driftChange {
			found++
		}
	}
	if share := float64(alarms) / trials; share < 0.03 || share > 0.07 {
		t.Errorf("%.3f of flat series have a trend at the level %v", share, level)
	}
	if share := float64(found) / trials; share < 0.95 {
		t.Errorf("%.3f of the ramps were found", share)
	}
}

func TestDrifts(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	series := func(p95 func(second int) float64) *Measurements {
		m := &Measurements{Loads: []*Load{{Scenario: "s", Executor: "constant-arrival-rate", Open: true, MeasuredFrom: 10, MeasuredTo: 70}}}
		for second := range 70 {
			m.Points = append(m.Points, Point{Scenario: "s", Second: second, Requests: 100, P95: p95(second) * (1 + 0.05*random.NormFloat64()), Max: 50})
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
	v, err := Judge(m, nil)
	if err != nil || v.Outcome != Pass || !strings.Contains(strings.Join(v.Warnings, ""), "not steady: P95") {
		t.Errorf("%s, %q, %v", v.Outcome, v.Warnings, err)
	}
}

// TestLongTrend holds that a run of an hour is tested over means of blocks.
func TestLongTrend(t *testing.T) {
	at, y := make([]float64, 3600), make([]float64, 3600)
	for i := range y {
		at[i], y[i] = float64(i), 100+float64(i)/100+float64(i%7)
	}
	trend, ok := NewTrend(at, y)
	if !ok || math.Abs(trend.Slope-0.01) > 0.001 || trend.P > 1e-6 {
		t.Errorf("%+v", trend)
	}
}
