package judge

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

func windowed(metric, aggregation, op string, limit float64, window time.Duration) scenarios.Threshold {
	t := threshold(metric, aggregation, op, limit)
	t.Window = window
	return t
}

// recordedSeconds is the account of a load that is measured from 2 to 10 s: each second has the response times, in
// milliseconds, and as many requests; failed of each failed.
func recordedSeconds(t *testing.T, th scenarios.Threshold, failed int64, times ...[]int) *results.Seconds {
	t.Helper()
	s := results.NewSeconds(th, &results.Load{Scenario: "warm", MeasuredFrom: 1.5, MeasuredTo: 10.2})
	for i, of := range times {
		var h *results.Histogram
		if results.Timed(th.Metric) {
			h = results.NewHistogram()
			for _, ms := range of {
				h.Record(time.Duration(ms) * time.Millisecond)
			}
		}
		if err := s.Add(i+1, int64(len(of)), failed, h); err != nil { // the second before From is left out
			t.Fatal(err)
		}
	}
	return s
}

func TestWorstWindow(t *testing.T) {
	quick := slices.Repeat([]int{1}, 100)
	slow := slices.Repeat([]int{80}, 100)
	late := []int{500, 500}
	steady := [][]int{slow, quick, quick, quick, quick, quick, quick, quick, quick} // the first is the warm-up's
	with := func(second int, times []int) [][]int {
		all := slices.Clone(steady)
		all[second-1] = times
		return all
	}
	tests := []struct {
		name   string
		t      scenarios.Threshold
		failed int64
		times  [][]int
		passed bool
		actual float64
		window results.Window
	}{
		{
			"all well", windowed("http_req_duration", "max", "<", 50, 3*time.Second), 0, steady, true, 1,
			results.Window{From: 2, Seconds: 3, Of: 6},
		},
		{
			"one slow second", windowed("http_req_duration", "max", "<", 50, 3*time.Second), 0, with(6, slow),
			false, 80,
			results.Window{From: 4, Seconds: 3, Of: 6},
		},
		{
			"a mean dilutes it", windowed("http_req_service_duration", "avg", "<", 50, 4*time.Second), 0, with(6, slow),
			true, 20.75,
			results.Window{From: 3, Seconds: 4, Of: 5},
		},
		{
			"late answers are of the last second", windowed("http_req_duration", "max", "<", 50, 2*time.Second), 0,
			append(slices.Clone(steady), quick, late), false, 500,
			results.Window{From: 8, Seconds: 2, Of: 7},
		},
		{
			"a low rate", windowed("http_reqs", "rate", ">", 90, 2*time.Second), 0, with(5, quick[:20]), false, 60,
			results.Window{From: 4, Seconds: 2, Of: 7},
		},
		{
			"late answers are no rate", windowed("http_reqs", "rate", "<", 101, 2*time.Second),
			0, append(slices.Clone(steady), quick, late), true, 100,
			results.Window{From: 2, Seconds: 2, Of: 7},
		},
		{
			"failures", windowed("http_req_failed", "rate", "<", 0.1, 2*time.Second), 5, with(9, quick[:10]), false,
			10. / 110,
			results.Window{From: 8, Seconds: 2, Of: 7},
		},
	}
	tests[6].t.Limit = 0.05
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := &results.Measurements{Seconds: []*results.Seconds{recordedSeconds(t, tt.t, tt.failed, tt.times...)}}
			m.Seconds[0].End(10.2)
			g, err := evaluate(m, tt.t, 0)
			if err != nil {
				t.Fatal(err)
			}
			if g.Passed != tt.passed || g.Actual < 0.99*tt.actual || g.Actual > 1.01*tt.actual || g.Window == nil ||
				g.Window.From != tt.window.From || g.Window.Seconds != tt.window.Seconds ||
				g.Window.Of != tt.window.Of {
				t.Errorf("got %+v in %+v, want %v in %+v", g, g.Window, tt.actual, tt.window)
			}
		})
	}
}

func TestWindowWithoutData(t *testing.T) {
	quick := slices.Repeat([]int{1}, 100)
	th := windowed("http_req_duration", "p", "<", 50, 2*time.Second)
	th.Aggregation.Percentile = 95
	for name, tt := range map[string]struct {
		m    *results.Measurements
		want string
	}{
		"nothing at all": {&results.Measurements{}, "no window of 2 s fits in the measured time"},
		"a window without": {&results.Measurements{Seconds: []*results.Seconds{recordedSeconds(t, th, 0, quick, quick,
			quick, nil, nil, quick, quick, quick, quick)}}, "no response came in the 2 s from 4 s on"},
		"silence to the end": {&results.Measurements{Seconds: []*results.Seconds{recordedSeconds(t, th, 0, quick, quick,
			quick)}}, "no response came in the 2 s from 4 s on"},
	} {
		for _, s := range tt.m.Seconds {
			s.End(10.2)
		}
		if g, err := evaluate(tt.m, th, 0); err != nil || g.Passed || g.Samples != 0 ||
			!strings.Contains(g.Reason, tt.want) {
			t.Errorf("%s: %+v, %v", name, g, err)
		}
	}
}

// A rate without an answer is no data, and ends a run that is to abort: nothing can come into that window any more. A
// percentile is told in every window or in none.
func TestWindowsWithFewAnswers(t *testing.T) {
	quick, few := slices.Repeat([]int{1}, 100), slices.Repeat([]int{1}, 5)
	rate := windowed("http_reqs", "rate", "<", 500, time.Second)
	rate.AbortOnFail = true
	m := &results.Measurements{Seconds: []*results.Seconds{recordedSeconds(t, rate, 0, quick, quick, nil, quick)}}
	if g, err := Crossed(m, []scenarios.Threshold{rate}, []float64{5}); err != nil || g == nil || g.Samples != 0 ||
		g.Window.From != 3 {
		t.Errorf("a second without an answer: %+v, %v", g, err)
	}
	p95 := windowed("http_req_duration", "p", "<", 50, time.Second)
	p95.Aggregation.Percentile = 95
	m = &results.Measurements{Seconds: []*results.Seconds{recordedSeconds(t, p95, 0, quick, quick, quick, quick, few,
		quick, quick, quick, quick)}}
	m.Seconds[0].End(10.2)
	if g, err := evaluate(m, p95, 0); err != nil || !g.Passed || g.Window.Fewest != 5 ||
		!strings.Contains(tooFewSamples(p95, g), "it has 5 samples and needs") {
		t.Errorf("P95 of five: %+v in %+v, %v", g, g.Window, err)
	}
}

// While a run goes on only windows that are over are judged, and the earlier ones not again.
func TestWindowsOfARunThatGoesOn(t *testing.T) {
	quick, slow := slices.Repeat([]int{1}, 100), slices.Repeat([]int{80}, 100)
	th := windowed("http_req_duration", "max", "<", 50, 2*time.Second)
	th.AbortOnFail = true
	m := &results.Measurements{Seconds: []*results.Seconds{recordedSeconds(t, th, 0, quick, quick, slow)}}
	if g, err := Crossed(m, []scenarios.Threshold{th}, []float64{4}); err != nil || g == nil || g.Window.Of != 1 ||
		g.Actual < 79 {
		t.Errorf("%+v, %v", g, err)
	}
	m = &results.Measurements{Seconds: []*results.Seconds{recordedSeconds(t, th, 0, quick, quick)}}
	if g, err := Crossed(m, []scenarios.Threshold{th}, []float64{3}); err != nil || g != nil {
		t.Errorf("one second is no window of two: %+v, %v", g, err)
	}
	m = &results.Measurements{Seconds: []*results.Seconds{recordedSeconds(t, th, 0, quick, slow, quick, quick, quick,
		quick, quick, quick, quick)}}
	if first, all, err := secondsOf(m, th, 5); err != nil || first != 5 || len(all) != 5 || all[0].requests != 100 {
		t.Errorf("from %d on: %+v, %v", first, all, err)
	}
}

// The seconds of the parts of a run judge as those of the whole do.
func TestWindowsOfShards(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	th := windowed("http_req_duration", "p", "<", 50, 3*time.Second)
	th.Aggregation.Percentile = 90
	var whole [][]int
	parts := make([][][]int, 3)
	for range 9 {
		var of []int
		for range 200 {
			of = append(of, random.IntN(100))
		}
		whole = append(whole, of)
		for i := range parts {
			var part []int
			for k := i; k < len(of); k += len(parts) {
				part = append(part, of[k])
			}
			parts[i] = append(parts[i], part)
		}
	}
	one, split := &results.Measurements{Seconds: []*results.Seconds{recordedSeconds(t, th, 0, whole...)}},
		&results.Measurements{}
	for _, p := range parts {
		split.Seconds = append(split.Seconds, recordedSeconds(t, th, 0, p...))
	}
	for _, m := range []*results.Measurements{one, split} {
		for _, s := range m.Seconds {
			s.End(10.2)
		}
	}
	a, err := evaluate(one, th, 0)
	b, err2 := evaluate(split, th, 0)
	if err != nil || err2 != nil || a.Actual != b.Actual || *a.Window != *b.Window || a.Samples != 600 ||
		b.Samples != 600 {
		t.Errorf("%+v, and of shards %+v; %v, %v", a, b, err, err2)
	}
}

func TestSecondsOfAStage(t *testing.T) {
	th := windowed("http_reqs", "rate", ">", 1, time.Second)
	th.Selector = map[string]string{scenarios.StageTag: "peak"}
	l := &results.Load{
		MeasuredFrom: 2, MeasuredTo: 30,
		Stages: []results.Stage{{Name: "climb", From: 2, To: 10}, {Name: "peak", From: 10, To: 20}},
	}
	if s := results.NewSeconds(th, l); s.From != 10 || s.To != 20 {
		t.Errorf("%+v", s)
	}
}
