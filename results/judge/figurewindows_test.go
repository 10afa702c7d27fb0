package judge

import (
	"strings"
	"testing"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// sampled is a run of 10 seconds whose service was asked at the end of each. The scenario is measured from the third
// second on.
func sampled() *results.Measurements {
	figures := results.Figures{}
	for _, f := range []results.Figure{
		{Name: "waits_seconds_total", Labels: map[string]string{"pool": "a"}, Kind: "counter"},
		{Name: "waits_seconds_total", Labels: map[string]string{"pool": "b"}, Kind: "counter"},
		{Name: "took_seconds", Kind: "histogram"},
		{Name: "lag", Kind: "gauge", Value: 2},
	} {
		figures[f.Key()] = f
	}
	m := &results.Measurements{
		Loads: []*results.Load{{Scenario: "a", MeasuredFrom: 1.7, MeasuredTo: 10.2}},
		Views: []results.ServerView{{Seconds: 8, Figures: figures}, {Scenario: "a", Seconds: 8, Figures: figures}},
	}
	lag := []float64{99, 98, 2, 2, 9, 2, 2, 2, 2, 3}
	for i, v := range lag {
		m.Samples = append(m.Samples, results.Sample{At: float64(i) + 1.01, Figures: map[string]float64{
			`waits_seconds_total{pool="a"}`: 1, `waits_seconds_total{pool="b"}`: 0, "took_seconds": 10, "lag": v,
		}})
	}
	m.Samples[0].Figures["took_seconds"] = 1000               // in the warm-up
	m.Samples[5].Figures[`waits_seconds_total{pool="b"}`] = 4 // from 5 s to 6 s
	return m
}

func TestFigureWindows(t *testing.T) {
	for name, c := range map[string]struct {
		selector, expression string
		change               func(*results.Measurements)
		passed               bool
		actual               float64
		unit, reason         string
		window               results.Window
	}{
		"a burst of a counter": {
			selector: "waits_seconds_total", expression: "count<5 for 2s", actual: 6, unit: "s",
			window: results.Window{From: 4, Seconds: 2, Of: 7},
		},
		"of one series": {
			selector: "waits_seconds_total,pool:a", expression: "rate<=1 for 3s", passed: true, actual: 1, unit: "s/s",
			window: results.Window{From: 2, Seconds: 3, Of: 6},
		},
		"too little": {
			selector: "waits_seconds_total,scenario:a", expression: "rate>1.5 for 4s", actual: 1, unit: "s/s",
			window: results.Window{From: 6, Seconds: 4, Of: 5},
		},
		"observations": {
			selector: "took_seconds", expression: "count<=20 for 2s", passed: true, actual: 20,
			window: results.Window{From: 2, Seconds: 2, Of: 7},
		},
		"a peak of a gauge": {
			selector: "lag", expression: "max<5 for 2s", actual: 9,
			window: results.Window{From: 3, Seconds: 2, Of: 7},
		},
		"its mean": {
			selector: "lag", expression: "avg<5 for 4s", passed: true, actual: 3.75,
			window: results.Window{From: 2, Seconds: 4, Of: 5},
		},
		"what it is at the end of one": {
			selector: "lag", expression: "last<5 for 3s", actual: 9,
			window: results.Window{From: 2, Seconds: 3, Of: 6},
		},
		"a gauge that was not read once": {
			selector: "lag", expression: "max<10 for 2s", passed: true, actual: 9,
			change: func(m *results.Measurements) { m.Samples[6].Figures, m.Samples[6].NoFigures = nil, true },
			window: results.Window{From: 3, Seconds: 2, Of: 7},
		},
		"a counter that was not read once": {
			selector: "waits_seconds_total", expression: "count<50 for 2s", unit: "s",
			change: func(m *results.Measurements) { m.Samples[6].Figures, m.Samples[6].NoFigures = nil, true },
			reason: "no data: the metrics could not be read in the 2 s from 5 s on",
			window: results.Window{From: 5, Seconds: 2, Of: 7},
		},
		"a service that did not answer": {
			selector: "lag", expression: "max<50 for 1s",
			change: func(m *results.Measurements) { m.Samples = m.Samples[:5] },
			reason: "no data: the metrics could not be read in the 1 s from 5 s on",
			window: results.Window{From: 5, Seconds: 1, Of: 8},
		},
		"a gauge that was read in a third of a window": {
			selector: "lag", expression: "max<50 for 3s",
			change: func(m *results.Measurements) { m.Samples = append(m.Samples[:5], m.Samples[7:]...) },
			reason: "no data: the metrics could not be read in the 3 s from 4 s on",
			window: results.Window{From: 4, Seconds: 3, Of: 6},
		},
		"longer than the measured time": {
			selector: "lag", expression: "max<50 for 1m", reason: "no window of 60 s fits in the measured time",
		},
		"quantiles of histograms": {
			selector: "took_seconds", expression: "p(95)<1 for 2s",
			reason: "no data: took_seconds is a histogram, which has count, rate and no p(95) in windows",
		},
		"no such metric": {selector: "none", expression: "count<1 for 2s", reason: "the service has no none"},
	} {
		t.Run(name, func(t *testing.T) {
			m := sampled()
			if c.change != nil {
				c.change(m)
			}
			threshold, err := scenarios.ParseThreshold("server_metric{name:"+c.selector+"}", c.expression)
			if err != nil {
				t.Fatal(err)
			}
			g, err := evaluate(m, threshold, 0)
			if err != nil {
				t.Fatal(err)
			}
			window := results.Window{}
			if g.Window != nil {
				window = *g.Window
				window.Fewest = 0
			}
			if g.Passed != c.passed || g.Actual != c.actual || g.Unit != c.unit || window != c.window ||
				!strings.Contains(g.Reason, c.reason) || (c.reason == "") != (g.Reason == "") {
				t.Errorf("got %+v in %+v", g, g.Window)
			}
		})
	}
}
