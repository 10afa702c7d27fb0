package judge

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// measured returns a healthy run: 1000 requests in 10 s, of 1 to 1000 ms.
func measured() *results.Measurements {
	s := &results.Series{
		Scenario: "warm", Name: "get", Method: "GET",
		Tags:     map[string]string{"scenario": "warm", "name": "get", "method": "GET", "team": "core"},
		Requests: 1000, Failed: 10, CacheAnswers: 900, CacheHits: 450, BytesSent: 5000, BytesReceived: 20000,
		Statuses: map[int]int64{200: 990, 500: 10}, Errors: map[string]int64{"status 500": 10},
		ErrorSamples: map[string]string{},
		Response:     results.NewHistogram(), Service: results.NewHistogram(),
	}
	for i := 1; i <= 1000; i++ {
		s.Response.Record(time.Duration(i) * time.Millisecond)
		s.Service.Record(time.Duration(i) * time.Millisecond / 2)
	}
	view := results.NewServerView("")
	view.Seconds = 10
	view.Queries["get_resource"] = results.QueryStats{
		Count:    2,
		Duration: histogram(time.Millisecond, 3*time.Millisecond),
	}
	view.Tiers["l1"] = results.TierStats{Hits: 3, Misses: 1}
	view.Tiers["overall"] = results.TierStats{Hits: 9, Misses: 1}
	return &results.Measurements{
		Engine: "test", Started: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Elapsed: 10,
		Loads: []*results.Load{{
			Scenario: "warm", Executor: "constant-arrival-rate", Open: true, Planned: 1000, Sent: 1000,
			MeasuredPlanned: 1000,
			MaxVUs:          10, MeasuredTo: 10, LastAnswer: 10, Lag: histogram(time.Millisecond),
			OwnLag: histogram(time.Millisecond),
		}},
		Series: []*results.Series{s},
		Points: []results.Point{{Scenario: "warm", Second: 0, Requests: 1000, P50: 500}},
		Views:  []results.ServerView{view},
	}
}

func histogram(values ...time.Duration) *results.Histogram {
	h := results.NewHistogram()
	for _, v := range values {
		h.Record(v)
	}
	return h
}

func near(a, b float64) bool { return math.Abs(a-b) <= 0.001*math.Max(math.Abs(a), math.Abs(b)) }

func threshold(metric, aggregation, op string, limit float64) scenarios.Threshold {
	t := scenarios.Threshold{
		Metric: scenarios.MetricName(metric), Op: scenarios.Operator(op), Limit: limit,
		Source: aggregation + op,
	}
	t.Aggregation.Name = aggregation
	if p, ok := map[string]float64{"p95": 95, "p99": 99, "p99.99": 99.99}[aggregation]; ok {
		t.Aggregation = scenarios.Aggregation{Name: "p", Percentile: p}
	}
	return t
}

func TestJudgeAggregates(t *testing.T) {
	for _, tt := range []struct {
		metric, aggregation string
		selector            map[string]string
		want                float64
		unit                string
		samples             int64
	}{
		{"http_req_duration", "p95", nil, 950, "ms", 1000},
		{"http_req_duration", "med", map[string]string{"team": "core"}, 500, "ms", 1000},
		{"http_req_duration", "avg", nil, 500.5, "ms", 1000},
		{"http_req_duration", "min", nil, 1, "ms", 1000},
		{"http_req_duration", "max", nil, 1000, "ms", 1000},
		{"http_req_service_duration", "p95", nil, 475, "ms", 1000},
		{"http_reqs", "count", nil, 1000, "", 1000},
		{"http_reqs", "rate", nil, 100, "/s", 1000},
		{"http_req_failed", "rate", nil, 0.01, "", 1000},
		{"http_req_cache_hit", "rate", nil, 0.5, "", 900},
		{"data_sent", "count", nil, 5000, "B", 1000},
		{"data_received", "rate", nil, 2000, "B/s", 1000},
		{"dropped_iterations", "count", nil, 0, "", 1000},
		{"schedule_lag", "max", map[string]string{"scenario": "warm"}, 1, "ms", 1},
		{"db_query_duration", "max", nil, 3, "ms", 2},
		{"db_query_duration", "max", map[string]string{"query": "get_resource"}, 3, "ms", 2},
		{"cache_hit_ratio", "rate", nil, 0.9, "", 10},
		{"cache_hit_ratio", "rate", map[string]string{"tier": "l1"}, 0.75, "", 4},
		// no data
		{"http_req_duration", "p95", map[string]string{"name": "other"}, 0, "ms", 0},
		{"db_query_duration", "max", map[string]string{"scenario": "cold"}, 0, "ms", 0},
		{"cache_hit_ratio", "rate", map[string]string{"tier": "l2"}, 0, "", 0},
	} {
		th := threshold(tt.metric, tt.aggregation, ">=", 0)
		th.Selector = tt.selector
		v, err := Run(measured(), []scenarios.Threshold{th})
		if err != nil {
			t.Fatal(err)
		}
		g := v.Gates[0]
		if !near(g.Actual, tt.want) || g.Unit != tt.unit || g.Samples != tt.samples || g.Passed != (tt.samples > 0) {
			t.Errorf("%s %s: %+v, want %v %s of %d", th.Name(), tt.aggregation, g, tt.want, tt.unit, tt.samples)
		}
		if tt.samples == 0 && (v.Outcome != results.Fail || g.Reason == "") {
			t.Errorf("%s over no data: %s", th.Name(), v.Outcome)
		}
	}
}

// starvedTail makes two of a hundred sends half a second late.
func starvedTail(m *results.Measurements) {
	m.Loads[0].OwnLag = results.NewHistogram()
	for i := range 100 {
		m.Loads[0].OwnLag.Record(map[bool]time.Duration{true: 500 * time.Millisecond}[i < 2])
	}
}

func TestJudgeOutcome(t *testing.T) {
	for _, tt := range []struct {
		name      string
		change    func(*results.Measurements)
		threshold scenarios.Threshold
		want      results.Outcome
		say       string
	}{
		{"held", nil, threshold("http_req_duration", "p95", "<", 970), results.Pass, ""},
		{"crossed", nil, threshold("http_req_duration", "p95", "<", 930), results.Fail, ""},
		{"nobody can tell", nil, threshold("http_req_duration", "p95", "<", 951), results.Unresolved, ""},
		{"nor so", nil, threshold("http_req_duration", "p95", ">=", 951), results.Unresolved, ""},
		{"strict", nil, threshold("http_req_failed", "rate", "<", 0.01), results.Fail, ""},
		{
			"percentile beyond the samples", nil, threshold("http_req_duration", "p99.99", "<", 2000), results.Invalid,
			"at least 10000",
		},
		{
			"99.6 % sent", func(m *results.Measurements) { m.Loads[0].Sent, m.Loads[0].Dropped = 996, 4 },
			threshold("http_reqs", "count", ">", 0), results.Pass, "",
		},
		{
			"99.4 % sent", func(m *results.Measurements) { m.Loads[0].Sent, m.Loads[0].Dropped = 994, 6 },
			threshold("http_reqs", "count", ">", 0), results.Invalid, "994 of 1000",
		},
		{
			"invalid goes before failed", func(m *results.Measurements) { m.Loads[0].Sent = 900 },
			threshold("http_req_duration", "p95", "<", 1), results.Invalid, "900 of 1000",
		},
		{
			"out of files", func(m *results.Measurements) {
				m.Loads[0].OutOfFiles, m.Health = 1, &results.Health{FileLimit: 40, FilesNeeded: 130}
			},
			threshold("http_req_duration", "p95", "<", 1), results.Invalid,
			"out of file descriptors (limit 40) for 1 request: raise it with ulimit -n 130 or more: the run needs at " +
				"least that many",
		},
		{
			// merged shards have several limits
			"out of files somewhere", func(m *results.Measurements) { m.Loads[0].OutOfFiles = 2 },
			threshold("http_reqs", "count", ">", 0), results.Invalid,
			"out of file descriptors for 2 requests: raise their limit with ulimit -n",
		},
		{
			"out of ports", func(m *results.Measurements) {
				m.Loads[0].OutOfPorts, m.Health = 3,
					&results.Health{PortRange: 28232}
			},
			threshold("http_reqs", "count", ">", 0), results.Invalid,
			"out of local ports (28232 for one address of the target) for 3 requests: widen " +
				"net.ipv4.ip_local_port_range",
		},
		{
			"out of ports and stopped", func(m *results.Measurements) {
				m.Aborted, m.Loads[0].OutOfPorts,
					m.Loads[0].Sent = "x", 3, 900
			},
			threshold("http_reqs", "count", "<", 1), results.Invalid, "out of local ports for 3 requests",
		},
		{
			"starved", func(m *results.Measurements) { m.Loads[0].OwnLag = histogram(150 * time.Millisecond) },
			threshold("http_reqs", "count", ">", 0), results.Invalid, "5 % of the requests were sent more than 150",
		},
		{
			"starved at a percentile that is judged", starvedTail,
			threshold("http_req_duration", "p99", "<", 2000), results.Invalid,
			"1 % of the requests were sent more than 500",
		},
		{
			"starved at a percentile that is not judged", starvedTail,
			threshold("http_req_duration", "p95", "<", 2000), results.Pass, "",
		},
		{
			"own lag small beside the response time",
			func(m *results.Measurements) { m.Loads[0].OwnLag = histogram(50 * time.Millisecond) },
			threshold("http_reqs", "count", ">", 0), results.Pass, "",
		},
		{
			"nothing measured", func(m *results.Measurements) { m.Series[0].Requests = 0 },
			threshold("http_reqs", "count", ">", 0), results.Invalid, "nothing was measured",
		},
		{
			"interrupted", func(m *results.Measurements) { m.Interrupted = true },
			threshold("http_reqs", "count", ">", 0), results.Invalid, "interrupted after 10.0 s",
		},
		{
			"aborted with requests still late", func(m *results.Measurements) { m.Aborted, m.Loads[0].Sent = "x", 900 },
			threshold("http_reqs", "count", "<", 1), results.Fail, "",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := measured()
			if tt.change != nil {
				tt.change(m)
			}
			v, err := Run(m, []scenarios.Threshold{tt.threshold})
			if err != nil {
				t.Fatal(err)
			}
			if v.Outcome != tt.want || !strings.Contains(strings.Join(v.Invalid, "\n"), tt.say) {
				t.Errorf("%s %q, want %s %q", v.Outcome, v.Invalid, tt.want, tt.say)
			}
		})
	}
}

// What an interrupted run had no time to send is not held against the generator.
func TestInterruptedWithRequestsStillLate(t *testing.T) {
	m := measured()
	m.Interrupted, m.Loads[0].Sent = true, 900
	v, err := Run(m, []scenarios.Threshold{threshold("http_reqs", "count", ">", 0)})
	if err != nil || len(v.Invalid) != 1 || !strings.HasPrefix(v.Invalid[0], "interrupted after 10.0 s") {
		t.Errorf("%q, %v", v.Invalid, err)
	}
}

// A percentile takes as many samples as the documentation says: that one of them is expected beyond it. The median is
// one.
func TestFewestSamples(t *testing.T) {
	median := scenarios.Threshold{Metric: "http_req_duration", Aggregation: scenarios.Aggregation{Name: "med"}}
	if few, enough := tooFewSamples(median, results.Gate{Samples: 1}),
		tooFewSamples(median, results.Gate{Samples: 2}); !strings.Contains(few,
		"it has 1 sample and needs at least 2.") || enough != "" {
		t.Errorf("of 1: %q, of 2: %q", few, enough)
	}
	for percentile, need := range map[float64]int64{
		50: 2, 90: 10, 95: 20, 99: 100, 99.5: 200, 99.9: 1000, 99.95: 2000,
		99.99: 10_000, 99.999: 100_000,
	} {
		th := scenarios.Threshold{
			Metric:      "schedule_lag",
			Aggregation: scenarios.Aggregation{Name: "p", Percentile: percentile},
		}
		if why := tooFewSamples(th, results.Gate{Samples: need}); why != "" {
			t.Errorf("P%v of %d: %s", percentile, need, why)
		}
		if why := tooFewSamples(th, results.Gate{Samples: need - 1}); !strings.Contains(why,
			fmt.Sprintf("needs at least %d.", need)) {
			t.Errorf("P%v of %d: %q", percentile, need-1, why)
		}
	}
}

// TestBest: which values a threshold can have at best.
func TestBest(t *testing.T) {
	for _, tt := range []struct {
		metric, aggregation, op string
		limit, want             float64 // 0: none
		change                  func(*results.Measurements)
	}{
		{"http_req_cache_hit", "rate", ">", 0.4, 1, nil},
		{"cache_hit_ratio", "rate", ">=", 0.4, 1, nil},
		{"http_req_failed", "rate", "<", 0.4, 0, nil},
		{"http_req_duration", "p95", "<", 50, 0, nil},
		{"http_reqs", "rate", ">", 90, 100, nil},
		{"http_reqs", "rate", ">", 120, 0, nil}, // more than was asked
		{"http_reqs", "rate", ">", 90, 0, func(m *results.Measurements) { m.Loads[0].Open = false }},
		{"http_reqs", "rate", ">", 90, 0, func(m *results.Measurements) { m.Series[0].Tags["flow"] = "f" }},
		{"data_received", "rate", ">", 90, 0, nil},
	} {
		m := measured()
		if tt.change != nil {
			tt.change(m)
		}
		got := newGate(m, threshold(tt.metric, tt.aggregation, tt.op, tt.limit)).Best
		if (got != nil) != (tt.want != 0) || got != nil && *got != tt.want {
			t.Errorf("%s %s %s %v: %v, want %v", tt.metric, tt.aggregation, tt.op, tt.limit, got, tt.want)
		}
	}
}

// TestRateCountsTheTimeUntilTheLastAnswer: a system that answers for ten more seconds has served half of what was
// asked.
func TestRateCountsTheTimeUntilTheLastAnswer(t *testing.T) {
	m := measured()
	m.Loads[0].LastAnswer = 20
	v, err := Run(m, []scenarios.Threshold{threshold("http_reqs", "rate", ">=", 100)})
	if err != nil || v.Gates[0].Actual != 50 {
		t.Errorf("%+v, %v", v.Gates[0], err)
	}
}

func TestCrossed(t *testing.T) {
	th := threshold("http_req_duration", "p95", "<", 1)
	th.AbortOnFail, th.DelayAbortEval = true, 5*time.Second
	for _, tt := range []struct {
		elapsed float64
		abort   bool
		want    bool
	}{{4, true, false}, {5, true, true}, {5, false, false}} {
		th.AbortOnFail = tt.abort
		g, err := Crossed(measured(), []scenarios.Threshold{th}, []float64{tt.elapsed})
		if err != nil || (g != nil) != tt.want {
			t.Errorf("%+v: %+v, %v", tt, g, err)
		}
	}
	empty := &results.Measurements{}
	th.AbortOnFail = true
	if g, err := Crossed(empty, []scenarios.Threshold{th}, nil); g != nil || err != nil {
		t.Errorf("no data yet, and it aborts: %+v, %v", g, err)
	}
}

// The threshold that ended a run has been crossed, even if what was under way by then was answered so well that the
// figures of the end hold it.
func TestAbortedRunHasFailed(t *testing.T) {
	th := threshold("http_req_failed", "rate", "<", 0.0101)
	th.AbortOnFail = true
	m := measured()
	m.Series[0].Requests = 900 // of which 10 have failed
	by, err := Crossed(m, []scenarios.Threshold{th}, []float64{1})
	if err != nil || by == nil {
		t.Fatalf("not crossed: %v", err)
	}
	m.Series[0].Requests = 1000
	m.Aborted, m.AbortedBy = "x", by
	v, err := Run(m, []scenarios.Threshold{threshold("http_reqs", "count", ">", 0), th})
	if err != nil || v.Outcome != results.Fail || v.Gates[0].Samples != 1000 || v.Gates[1].Samples != 900 ||
		v.Gates[1].Passed {
		t.Errorf("%s, %+v, %v", v.Outcome, v.Gates, err)
	}
	// It had no time for the samples that other percentiles take.
	v, err = Run(m, []scenarios.Threshold{threshold("http_req_duration", "p99.99", "<", 2000), th})
	if err != nil || v.Outcome != results.Fail || v.Gates[0].Passed || !v.Gates[0].Unresolved ||
		!strings.Contains(v.Gates[0].Reason, "at least 10000") {
		t.Errorf("%s, %q, %+v, %v", v.Outcome, v.Invalid, v.Gates, err)
	}
}

func TestWarnings(t *testing.T) {
	m := measured()
	for _, tt := range []struct {
		thresholds []scenarios.Threshold
		want       int
	}{
		{nil, 2},
		{[]scenarios.Threshold{threshold("http_reqs", "count", ">", 0)}, 1},
		{[]scenarios.Threshold{threshold("http_req_failed", "rate", "<", 1)}, 0},
	} {
		v, err := Run(m, tt.thresholds)
		if err != nil || len(v.Warnings) != tt.want {
			t.Errorf("%d thresholds: %q, %v", len(tt.thresholds), v.Warnings, err)
		}
	}
}

// A stage's rate is that of its own window.
func TestStageIsJudgedByItsOwnWindow(t *testing.T) {
	m := measured()
	peak := *m.Series[0]
	peak.Stage, peak.Tags = "peak", map[string]string{"scenario": "warm", "name": "get", "stage": "peak"}
	peak.Skipped = 3
	m.Series = append(m.Series, &peak)
	m.Loads[0].Stages = []results.Stage{{Name: "peak", From: 4, To: 6, LastAnswer: 5}}
	for stage, want := range map[string]float64{"peak": 500, "": 200} {
		th := threshold("http_reqs", "rate", ">", 0)
		if stage != "" {
			th.Selector = map[string]string{"stage": stage}
		}
		v, err := Run(m, []scenarios.Threshold{th})
		if err != nil || v.Gates[0].Actual != want {
			t.Errorf("stage %q: %+v, %v, want %v", stage, v.Gates, err, want)
		}
	}
	if all, err := m.ByRequest(); err != nil || len(all) != 1 || all[0].Requests != 2000 || all[0].Skipped != 3 ||
		all[0].Response.Count() != 2000 || m.Series[0].Response.Count() != 1000 {
		t.Errorf("%+v, %v", all, err)
	}
	run, dir := &results.Run{Measurements: *m}, t.TempDir()
	if err := results.Save(dir, run); err != nil {
		t.Fatal(err)
	}
	if back, err := results.Read(dir); err != nil || back.Measurements.Series[1].Stage != "peak" ||
		back.Measurements.Series[1].Response.Count() != 1000 {
		t.Errorf("saved and read: %v", err)
	}
}
