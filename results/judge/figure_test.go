package judge

import (
	"strings"
	"testing"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// served is a run whose service said something of itself.
func served() *results.Measurements {
	buckets := func(counts ...float64) (all []results.FigureBucket) {
		for i, upper := range []float64{.1, .5, 1} {
			all = append(all, results.FigureBucket{Upper: upper, Count: counts[i]})
		}
		return all
	}
	figures := results.Figures{}
	for _, f := range []results.Figure{
		{Name: "waits_seconds_total", Labels: map[string]string{"pool": "primary"}, Kind: "counter", Value: 5},
		{Name: "waits_seconds_total", Labels: map[string]string{"pool": "replica"}, Kind: "counter", Value: 15},
		{Name: "errors_total", Kind: "counter"},
		{Name: "lag", Labels: map[string]string{"instance": "1"}, Kind: "gauge", Value: 3},
		{Name: "lag", Labels: map[string]string{"instance": "2"}, Kind: "gauge", Value: 4},
		{Name: "state", Labels: map[string]string{"instance": "1"}, Kind: "gauge", Value: 1},
		{Name: "state", Labels: map[string]string{"instance": "2"}, Kind: "gauge", Value: 2},
		{Name: "state", Labels: map[string]string{"instance": "3"}, Kind: "gauge", Value: 3},
		{
			Name: "took_seconds", Labels: map[string]string{"route": "/a"}, Kind: "histogram", Value: 20, Count: 60,
			Buckets: buckets(30, 60, 60),
		},
		{
			Name: "took_seconds", Labels: map[string]string{"route": "/b"}, Kind: "histogram", Value: 20, Count: 40,
			Buckets: buckets(20, 30, 39),
		},
		{Name: "pause_seconds", Kind: "summary", Value: 2, Count: 8},
	} {
		figures[f.Key()] = f
	}
	m := &results.Measurements{
		Loads: []*results.Load{{Scenario: "a", MeasuredFrom: 2, MeasuredTo: 12}},
		Views: []results.ServerView{{Seconds: 10, Figures: figures}, {Scenario: "a", Seconds: 10, Figures: figures}},
	}
	for i := range 12 {
		m.Samples = append(m.Samples, results.Sample{At: float64(i), Figures: map[string]float64{
			`lag{instance="1"}`: float64(100 - 10*i), `lag{instance="2"}`: 4,
		}})
	}
	m.Samples[0].Figures[`queue{of="b"}`] = 99 // in the warm-up
	m.Samples[5].Figures[`queue{of="a"}`] = 7
	m.Samples[6].Figures[`queue{of="b"}`] = 50
	return m
}

func TestFigures(t *testing.T) {
	m := served()
	for _, c := range []struct {
		name, expression string
		passed           bool
		actual           float64
		unit, reason     string
	}{
		{name: "{name:waits_seconds_total,pool:primary}", expression: "count<=5", passed: true, actual: 5, unit: "s"},
		{name: "{name:waits_seconds_total}", expression: "rate<1", actual: 2, unit: "s/s"},
		{name: "{name:waits_seconds_total,scenario:a}", expression: "rate<=2", passed: true, actual: 2, unit: "s/s"},
		{name: "{name:errors_total}", expression: "count==0", passed: true}, // a count of nothing is data
		{name: "{name:errors_total}", expression: "p(95)<1", reason: "a counter, which has count, rate and no p(95)"},
		{name: "{name:lag,pool:other}", expression: "max<1", reason: "the service has no lag with these labels"},
		{name: "{name:nothing}", expression: "count<1", reason: "no data: the service has no nothing"},
		// Those of the warm-up, and of after the measured part, do not count.
		{name: "{name:lag}", expression: "max<=80", passed: true, actual: 80},
		{name: "{name:lag,instance:1}", expression: "min>0", actual: -10},
		{name: "{name:lag,instance:1}", expression: "avg<36", passed: true, actual: 35},
		{name: "{name:lag,instance:1}", expression: "med<=30", passed: true, actual: 30},
		{name: "{name:lag}", expression: "last<4", actual: 4}, // that of the worst instance
		{name: "{name:lag}", expression: "last>3", actual: 3},
		{name: "{name:lag}", expression: "last==4", actual: 3},
		{name: "{name:lag}", expression: "last!=4", actual: 4},
		{name: "{name:state}", expression: "last==2", actual: 1},
		{name: "{name:state}", expression: "last!=2", actual: 2}, // neither the lowest nor the highest
		{name: "{name:state}", expression: "last!=4", passed: true, actual: 1},
		{name: "{name:lag}", expression: "rate<1", reason: "is a gauge"},
		// Series that were gone at the end of the window.
		{name: "{name:queue}", expression: "max<10", actual: 50},
		{name: "{name:queue,of:a}", expression: "max<10", passed: true, actual: 7},
		{name: "{name:queue}", expression: "last<10", reason: "no data: a threshold without"},
		{name: "{name:queue}", expression: "count<10", reason: "the service has no queue"},
		// 50 of 100 were at most 0.1 s, 90 at most 0.5 s, 99 at most 1 s.
		{name: "{name:took_seconds}", expression: "count==100", passed: true, actual: 100},
		{name: "{name:took_seconds}", expression: "rate>=10", passed: true, actual: 10, unit: "/s"},
		{name: "{name:took_seconds}", expression: "avg<0.5", passed: true, actual: .4, unit: "s"},
		{name: "{name:took_seconds}", expression: "p(70)<=0.5", passed: true, actual: .3, unit: "s"},
		{name: "{name:took_seconds}", expression: "p(70)<0.05", actual: .3, unit: "s"},
		// It is above 0.1 s, and at most 0.5 s.
		{name: "{name:took_seconds}", expression: "p(70)<0.51", passed: true, actual: .3, unit: "s"},
		{name: "{name:took_seconds}", expression: "p(70)<0.5", actual: .3, unit: "s", reason: "unresolved: the"},
		{name: "{name:took_seconds}", expression: "p(70)<0.1", actual: .3, unit: "s"},
		{name: "{name:took_seconds}", expression: "p(70)<=0.1", actual: .3, unit: "s"},
		{name: "{name:took_seconds}", expression: "p(70)>0.1", passed: true, actual: .3, unit: "s"},
		{name: "{name:took_seconds}", expression: "p(70)>=0.1", passed: true, actual: .3, unit: "s"},
		{name: "{name:took_seconds}", expression: "p(70)>=0.5", actual: .3, unit: "s", reason: "unresolved: the"},
		{name: "{name:took_seconds}", expression: "p(70)>0.5", actual: .3, unit: "s"},
		{name: "{name:took_seconds}", expression: "p(70)==0.1", actual: .3, unit: "s"},
		{name: "{name:took_seconds}", expression: "p(70)==0.3", actual: .3, unit: "s", reason: "unresolved: the"},
		{name: "{name:took_seconds}", expression: "p(70)!=0.1", passed: true, actual: .3, unit: "s"},
		{name: "{name:took_seconds}", expression: "p(70)<0.4", actual: .3, unit: "s", reason: "unresolved: the"},
		{name: "{name:took_seconds}", expression: "max<5", actual: 1, unit: "s", reason: "unresolved: the"},
		{name: "{name:took_seconds,route:/a}", expression: "max<=0.5", passed: true, actual: .5, unit: "s"},
		{name: "{name:took_seconds}", expression: "last<5", reason: "is a histogram"},
		{name: "{name:pause_seconds}", expression: "avg<1", passed: true, actual: .25, unit: "s"},
		{name: "{name:pause_seconds}", expression: "p(50)<1", reason: "is a summary"},
	} {
		threshold, err := scenarios.ParseThreshold("server_metric"+c.name, c.expression)
		if err != nil {
			t.Errorf("%s %s: %v", c.name, c.expression, err)
			continue
		}
		g, err := evaluate(m, threshold, 0)
		if err != nil {
			t.Fatal(err)
		}
		unresolved := strings.HasPrefix(c.reason, "unresolved")
		near := g.Actual-c.actual < 1e-9 && c.actual-g.Actual < 1e-9
		if g.Passed != c.passed || g.Unresolved != unresolved || !near || g.Unit != c.unit ||
			!strings.Contains(g.Reason, c.reason) || (g.Samples == 0) != (c.reason != "" && !unresolved) {
			t.Errorf("%s %s: %+v", c.name, c.expression, g)
		}
	}
}

// TestFiguresOfFewSeconds: a gauge may have been at its worst while it could not be read.
func TestFiguresOfFewSeconds(t *testing.T) {
	m := served()
	for i := 3; i < 9; i++ {
		m.Samples[i].Figures, m.Samples[i].NoFigures = nil, true
	}
	for expression, want := range map[string]string{"max<1000": "in 4 of 10 seconds only", "last<1000": ""} {
		threshold, err := scenarios.ParseThreshold("server_metric{name:lag}", expression)
		if err != nil {
			t.Fatal(err)
		}
		g, err := evaluate(m, threshold, 0)
		if err != nil || !strings.Contains(g.Reason, want) || g.Passed != (want == "") {
			t.Errorf("%s: %+v, %v", expression, g, err)
		}
	}
}
