package judge

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// streamed is a healthy run of 10 subscribers: 1000 events in 10 s, delivered in 1 to 100 ms.
func streamed() *results.Measurements {
	s := results.NewStream("live", "stream", 10)
	s.Timed, s.IDs = true, true
	s.Attempts, s.Opened, s.Events, s.Numbered = 10, 10, 1000, 1000
	s.ConnectedSeconds, s.ExpectedSeconds = 99, 100
	for i := range 1000 {
		s.Delivery.Record(time.Duration(1+i/10) * time.Millisecond)
	}
	s.FirstByte.Record(5 * time.Millisecond)
	s.FirstEvent.Record(50 * time.Millisecond)
	s.Gap.Record(200 * time.Millisecond)
	return &results.Measurements{
		Elapsed: 15,
		Loads: []*results.Load{{
			Scenario: "live", Executor: "subscribers", Planned: 10, Sent: 10, MaxVUs: 10, MeasuredFrom: 5,
			MeasuredTo: 15,
			Lag:        histogram(time.Millisecond), OwnLag: histogram(time.Millisecond),
		}},
		Streams: []*results.Stream{s},
	}
}

func TestStreamAggregates(t *testing.T) {
	m := streamed()
	m.Streams[0].Breaks, m.Streams[0].Repeated, m.Streams[0].Missed = 5, 2, 3
	for _, tt := range []struct {
		metric, aggregation string
		want                float64
		unit                string
		samples             int64
	}{
		{"stream_delivery", "p", 95, "ms", 1000},
		{"stream_delivery", "max", 100, "ms", 1000},
		{"stream_first_byte", "avg", 5, "ms", 1},
		{"stream_first_event", "max", 50, "ms", 1},
		{"stream_gap", "min", 200, "ms", 1},
		{"stream_events", "count", 1000, "", 1000},
		{"stream_events", "rate", 100, "/s", 1000},
		{"stream_breaks", "count", 5, "", 10},
		{"stream_breaks", "rate", 0.5, "/s", 10},
		{"stream_connected", "rate", 0.99, "", 10},
		{"stream_repeated", "count", 2, "", 1000},
		{"stream_missed", "count", 3, "", 1000},
	} {
		th := threshold(tt.metric, tt.aggregation, "<", 1)
		if tt.aggregation == "p" {
			th.Aggregation.Percentile = 95
		}
		for _, selector := range []map[string]string{nil, {"scenario": "live"}} {
			th.Selector = selector
			a, err := aggregate(m, th)
			if err != nil || !near(a.value, tt.want) || a.unit != tt.unit || a.samples != tt.samples {
				t.Errorf("%s %s %v: %+v, %v; want %v %s of %d", tt.metric, tt.aggregation, selector, a, err, tt.want,
					tt.unit, tt.samples)
			}
		}
		th.Selector = map[string]string{"scenario": "other"}
		g, err := evaluate(m, th, 0)
		if err != nil || g.Samples != 0 || g.Passed {
			t.Errorf("%s of no stream: %+v, %v", tt.metric, g, err)
		}
	}
}

// TestEveryMetricOfStreamsIsAggregated: a row of the table of metrics that nothing aggregates is an error at the end of
// a run.
func TestEveryMetricOfStreamsIsAggregated(t *testing.T) {
	found := 0
	for _, metric := range scenarios.Metrics {
		if metric.From != scenarios.FromStreams {
			continue
		}
		found++
		aggregation := map[scenarios.MetricKind]string{
			scenarios.Trend: "max", scenarios.Counter: "count", scenarios.Rate: "rate",
		}[metric.Kind]
		a, err := aggregate(streamed(), threshold(string(metric.Name), aggregation, "<", 1))
		if err != nil || a.samples == 0 {
			t.Errorf("%s: %+v, %v", metric.Name, a, err)
		}
	}
	if found != 9 {
		t.Errorf("found %d metrics", found)
	}
}

func TestStreamVerdicts(t *testing.T) {
	onDelivery := threshold("stream_delivery", "p", "<", 100)
	onDelivery.Aggregation.Percentile = 95
	all := []scenarios.Threshold{
		onDelivery, threshold("stream_connected", "rate", ">", 0.9), threshold("stream_breaks", "count", "<", 100),
	}
	for name, tt := range map[string]struct {
		change     func(m *results.Measurements)
		thresholds []scenarios.Threshold
		want       results.Outcome
		says       string // among the failures, reasons and warnings; empty: no warning at all
	}{
		"healthy": {func(*results.Measurements) {}, all, results.Pass, ""},
		"clocks differ": {
			func(m *results.Measurements) { m.Streams[0].FromFuture = 1 }, all, results.Invalid,
			"live: 1 of 1000 events were received before the time that stands in them",
		},
		"clocks differ, and nothing depends on it": {
			func(m *results.Measurements) { m.Streams[0].FromFuture = 1 }, all[1:], results.Pass,
			"received before the time",
		},
		"no times": {
			func(m *results.Measurements) {
				m.Streams[0].Untimed, m.Streams[0].Delivery = 1000, results.NewHistogram()
			}, all, results.Fail, "1000 of 1000 events have no time",
		},
		"a slow generator": {
			func(m *results.Measurements) { m.Loads[0].OwnLag = histogram(20 * time.Millisecond) }, all,
			results.Invalid,
			"live: the generator was starved",
		},
		"breaks that nothing judges": {
			func(m *results.Measurements) { m.Streams[0].Breaks = 3 }, all[:1], results.Pass, "live: 3 streams broke",
		},
		"attempts that nothing judges": {
			func(m *results.Measurements) { m.Streams[0].Attempts = 12 }, all[:1], results.Pass,
			"2 of 12 attempts to open a stream failed",
		},
		"nobody": {
			func(m *results.Measurements) {
				m.Streams[0] = results.NewStream("live", "stream", 10)
				m.Streams[0].Attempts, m.Streams[0].ExpectedSeconds = 10, 100
			}, nil, results.Fail, "nothing succeeded in scenario live: all 10 attempts to open a stream failed",
		},
		"nothing": {
			func(m *results.Measurements) { m.Streams[0] = results.NewStream("live", "stream", 10) }, nil,
			results.Invalid,
			"nothing was measured",
		},
	} {
		m := streamed()
		tt.change(m)
		v, err := Run(m, tt.thresholds)
		said := strings.Join(slices.Concat(v.Failed, v.Invalid, v.Warnings), "\n")
		if err != nil || v.Outcome != tt.want || !strings.Contains(said, tt.says) || tt.says == "" && said != "" {
			t.Errorf("%s: %s, %q, %v; want %s, %q", name, v.Outcome, said, err, tt.want, tt.says)
		}
	}
}
