package results

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/policycortex/headroom/scenarios"
)

// measured returns a healthy run: 1000 requests in 10 s, of 1 to 1000 ms.
func measured() *Measurements {
	s := &Series{
		Scenario: "warm", Name: "get", Method: "GET", Tags: map[string]string{"scenario": "warm", "name": "get", "method": "GET", "team": "core"},
		Requests: 1000, Failed: 10, CacheAnswers: 900, CacheHits: 450, BytesSent: 5000, BytesReceived: 20000,
		Statuses: map[int]int64{200: 990, 500: 10}, Errors: map[string]int64{"status 500": 10}, ErrorSamples: map[string]string{},
		Response: NewHistogram(), Service: NewHistogram(),
	}
	for i := 1; i <= 1000; i++ {
		s.Response.Record(time.Duration(i) * time.Millisecond)
		s.Service.Record(time.Duration(i) * time.Millisecond / 2)
	}
	view := NewServerView("")
	view.Seconds = 10
	view.Queries["get_resource"] = QueryStats{Count: 2, Duration: histogram(time.Millisecond, 3*time.Millisecond)}
	view.Tiers["l1"] = TierStats{Hits: 3, Misses: 1}
	view.Tiers["overall"] = TierStats{Hits: 9, Misses: 1}
	return &Measurements{
		Engine: "test", Started: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Elapsed: 10,
		Loads: []*Load{{
			Scenario: "warm", Executor: "constant-arrival-rate", Open: true, Planned: 1000, Sent: 1000, MeasuredPlanned: 1000,
			MaxVUs: 10, MeasuredTo: 10, LastAnswer: 10, Lag: histogram(time.Millisecond), OwnLag: histogram(time.Millisecond),
		}},
		Series: []*Series{s},
		Points: []Point{{Scenario: "warm", Second: 0, Requests: 1000, P50: 500}},
		Views:  []ServerView{view},
	}
}

func threshold(metric, aggregation, op string, limit float64) scenarios.Threshold {
	t := scenarios.Threshold{Metric: metric, Op: op, Limit: limit, Source: aggregation + op}
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
		v, err := Judge(measured(), []scenarios.Threshold{th})
		if err != nil {
			t.Fatal(err)
		}
		g := v.Gates[0]
		if !near(g.Actual, tt.want) || g.Unit != tt.unit || g.Samples != tt.samples || g.Passed != (tt.samples > 0) {
			t.Errorf("%s %s: %+v, want %v %s of %d", th.Name(), tt.aggregation, g, tt.want, tt.unit, tt.samples)
		}
		if tt.samples == 0 && (v.Outcome != Fail || g.Reason == "") {
			t.Errorf("%s over no data: %s", th.Name(), v.Outcome)
		}
	}
}

// starvedTail makes two of a hundred sends half a second late.
func starvedTail(m *Measurements) {
	m.Loads[0].OwnLag = NewHistogram()
	for i := range 100 {
		m.Loads[0].OwnLag.Record(map[bool]time.Duration{true: 500 * time.Millisecond}[i < 2])
	}
}

func TestJudgeOutcome(t *testing.T) {
	for _, tt := range []struct {
		name      string
		change    func(*Measurements)
		threshold scenarios.Threshold
		want      Outcome
		say       string
	}{
		{"held", nil, threshold("http_req_duration", "p95", "<", 970), Pass, ""},
		{"crossed", nil, threshold("http_req_duration", "p95", "<", 930), Fail, ""},
		{"nobody can tell", nil, threshold("http_req_duration", "p95", "<", 951), Unresolved, ""},
		{"nor so", nil, threshold("http_req_duration", "p95", ">=", 951), Unresolved, ""},
		{"strict", nil, threshold("http_req_failed", "rate", "<", 0.01), Fail, ""},
		{"percentile beyond the samples", nil, threshold("http_req_duration", "p99.99", "<", 2000), Invalid, "at least 10000"},
		{
			"99.6 % sent", func(m *Measurements) { m.Loads[0].Sent, m.Loads[0].Dropped = 996, 4 },
			threshold("http_reqs", "count", ">", 0), Pass, "",
		},
		{
			"99.4 % sent", func(m *Measurements) { m.Loads[0].Sent, m.Loads[0].Dropped = 994, 6 },
			threshold("http_reqs", "count", ">", 0), Invalid, "994 of 1000",
		},
		{
			"invalid goes before failed", func(m *Measurements) { m.Loads[0].Sent = 900 },
			threshold("http_req_duration", "p95", "<", 1), Invalid, "900 of 1000",
		},
		{
			"out of files", func(m *Measurements) {
				m.Loads[0].OutOfFiles, m.Health = 1, &Health{FileLimit: 40, FilesNeeded: 130}
			},
			threshold("http_req_duration", "p95", "<", 1), Invalid, "out of file descriptors (limit 40) for 1 request: raise it with ulimit -n 130 or more, the run needs at least that many",
		},
		{
			"out of files somewhere", func(m *Measurements) { m.Loads[0].OutOfFiles = 2 }, // merged shards have several limits
			threshold("http_reqs", "count", ">", 0), Invalid, "out of file descriptors for 2 requests: raise their limit with ulimit -n",
		},
		{
			"out of ports", func(m *Measurements) { m.Loads[0].OutOfPorts, m.Health = 3, &Health{PortRange: 28232} },
			threshold("http_reqs", "count", ">", 0), Invalid, "out of local ports (28232 for one address of the target) for 3 requests: widen net.ipv4.ip_local_port_range",
		},
		{
			"out of ports and stopped", func(m *Measurements) { m.Aborted, m.Loads[0].OutOfPorts, m.Loads[0].Sent = "x", 3, 900 },
			threshold("http_reqs", "count", "<", 1), Invalid, "out of local ports for 3 requests",
		},
		{
			"starved", func(m *Measurements) { m.Loads[0].OwnLag = histogram(150 * time.Millisecond) },
			threshold("http_reqs", "count", ">", 0), Invalid, "5 % of the requests were sent more than 150",
		},
		{
			"starved at a percentile that is judged", starvedTail,
			threshold("http_req_duration", "p99", "<", 2000), Invalid, "1 % of the requests were sent more than 500",
		},
		{
			"starved at a percentile that is not judged", starvedTail,
			threshold("http_req_duration", "p95", "<", 2000), Pass, "",
		},
		{
			"own lag small beside the response time", func(m *Measurements) { m.Loads[0].OwnLag = histogram(50 * time.Millisecond) },
			threshold("http_reqs", "count", ">", 0), Pass, "",
		},
		{
			"nothing measured", func(m *Measurements) { m.Series[0].Requests = 0 },
			threshold("http_reqs", "count", ">", 0), Invalid, "nothing was measured",
		},
		{
			"interrupted", func(m *Measurements) { m.Interrupted = true },
			threshold("http_reqs", "count", ">", 0), Invalid, "interrupted after 10.0 s",
		},
		{
			"aborted with requests still late", func(m *Measurements) { m.Aborted, m.Loads[0].Sent = "x", 900 },
			threshold("http_reqs", "count", "<", 1), Fail, "",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := measured()
			if tt.change != nil {
				tt.change(m)
			}
			v, err := Judge(m, []scenarios.Threshold{tt.threshold})
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
	v, err := Judge(m, []scenarios.Threshold{threshold("http_reqs", "count", ">", 0)})
	if err != nil || len(v.Invalid) != 1 || !strings.HasPrefix(v.Invalid[0], "interrupted after 10.0 s") {
		t.Errorf("%q, %v", v.Invalid, err)
	}
}

// A percentile takes as many samples as the documentation says: that one of them is expected beyond it. The median is one.
func TestFewestSamples(t *testing.T) {
	median := scenarios.Threshold{Metric: "http_req_duration", Aggregation: scenarios.Aggregation{Name: "med"}}
	if few, enough := tooFewSamples(median, Gate{Samples: 1}), tooFewSamples(median, Gate{Samples: 2}); !strings.Contains(few, "over 1 sample it says nothing; at least 2 are needed.") || enough != "" {
		t.Errorf("of 1: %q, of 2: %q", few, enough)
	}
	for percentile, need := range map[float64]int64{50: 2, 90: 10, 95: 20, 99: 100, 99.5: 200, 99.9: 1000, 99.95: 2000, 99.99: 10_000, 99.999: 100_000} {
		th := scenarios.Threshold{Metric: "schedule_lag", Aggregation: scenarios.Aggregation{Name: "p", Percentile: percentile}}
		if why := tooFewSamples(th, Gate{Samples: need}); why != "" {
			t.Errorf("P%v of %d: %s", percentile, need, why)
		}
		if why := tooFewSamples(th, Gate{Samples: need - 1}); !strings.Contains(why, fmt.Sprintf("at least %d are needed.", need)) {
			t.Errorf("P%v of %d: %q", percentile, need-1, why)
		}
	}
}

// TestMargin: a margin is the share of what may be lost that is left, so that one of a hit ratio says as much as one of a
// time.
func TestMargin(t *testing.T) {
	const none = -99
	for _, tt := range []struct {
		actual float64
		op     string
		limit  float64
		best   float64
		want   float64
	}{
		{25, "<", 50, none, 0.5},
		{75, "<=", 50, none, -0.5},
		{150, ">", 100, none, 0.5},
		{50, ">=", 100, none, -0.5},
		{1, "==", 1, none, 0},
		{1, "<", 0, none, 0},
		{1, "<", 5e-324, none, 0},
		// shares of which more is better
		{1, ">", 0.999, 1, 1},
		{0.9995, ">", 0.999, 1, 0.5},
		{0.998, ">=", 0.999, 1, -1},
		{1, ">=", 1, 1, 0},
		// a rate of which no more was asked than 200/s
		{199, ">", 190, 200, 0.9},
		{180, ">", 190, 200, -1},
		{0, "<", 0.01, none, 1},
		{1, "<", 0.01, none, -99},
	} {
		g := Gate{Actual: tt.actual, Op: tt.op, Target: tt.limit, Samples: 1}
		if tt.best != none {
			g.Best = &tt.best
		}
		if got := g.margin(); !near(got, tt.want) || (got != 0) != g.HasMargin() && tt.limit != 5e-324 {
			t.Errorf("%v %s %v, at best %v: margin %v, want %v", tt.actual, tt.op, tt.limit, tt.best, got, tt.want)
		}
	}
}

// TestBest: which values a threshold can have at best.
func TestBest(t *testing.T) {
	for _, tt := range []struct {
		metric, aggregation, op string
		limit, want             float64 // 0: none
		change                  func(*Measurements)
	}{
		{"http_req_cache_hit", "rate", ">", 0.4, 1, nil},
		{"cache_hit_ratio", "rate", ">=", 0.4, 1, nil},
		{"http_req_failed", "rate", "<", 0.4, 0, nil},
		{"http_req_duration", "p95", "<", 50, 0, nil},
		{"http_reqs", "rate", ">", 90, 100, nil},
		{"http_reqs", "rate", ">", 120, 0, nil}, // more than was asked
		{"http_reqs", "rate", ">", 90, 0, func(m *Measurements) { m.Loads[0].Open = false }},
		{"http_reqs", "rate", ">", 90, 0, func(m *Measurements) { m.Series[0].Tags["flow"] = "f" }},
		{"data_received", "rate", ">", 90, 0, nil},
	} {
		m := measured()
		if tt.change != nil {
			tt.change(m)
		}
		got := best(m, threshold(tt.metric, tt.aggregation, tt.op, tt.limit))
		if (got != nil) != (tt.want != 0) || got != nil && *got != tt.want {
			t.Errorf("%s %s %s %v: %v, want %v", tt.metric, tt.aggregation, tt.op, tt.limit, got, tt.want)
		}
	}
}

// TestRateCountsTheTimeUntilTheLastAnswer: a system that answers for ten more seconds has served half of what was asked.
func TestRateCountsTheTimeUntilTheLastAnswer(t *testing.T) {
	m := measured()
	m.Loads[0].LastAnswer = 20
	v, err := Judge(m, []scenarios.Threshold{threshold("http_reqs", "rate", ">=", 100)})
	if err != nil || v.Gates[0].Actual != 50 {
		t.Errorf("%+v, %v", v.Gates[0], err)
	}
}

// A schedule asks for flows: what is achieved of it are flows, too, and not the requests of their steps.
func TestAchievedRateCountsIterations(t *testing.T) {
	m := measured() // 1000 requests in 10 s
	for _, step := range []struct {
		name, flow, stage string
		requests          int64
	}{{"open", "visit", "", 300}, {"open", "visit", "peak", 200}, {"read", "visit", "", 290}, {"read", "visit", "peak", 190}, {"ping", "other", "", 100}} {
		s := *m.Series[0]
		s.Name, s.Stage, s.Requests = step.name, step.stage, step.requests
		s.Tags = map[string]string{"scenario": "warm", "name": step.name, "flow": step.flow}
		m.Series = append(m.Series, &s)
	}
	if got := m.AchievedRate(m.Loads[0]); got != 160 {
		t.Errorf("%v/s, want 160: 1000 requests and 600 flows in 10 s", got)
	}
}

func TestMeasuredSecondsIsTheUnionOfTheWindows(t *testing.T) {
	m := &Measurements{Loads: []*Load{
		{Scenario: "a", MeasuredFrom: 0, MeasuredTo: 10, LastAnswer: 10},
		{Scenario: "b", MeasuredFrom: 5, MeasuredTo: 12, LastAnswer: 15},
		{Scenario: "c", MeasuredFrom: 20, MeasuredTo: 30, LastAnswer: 25},
	}}
	for names, want := range map[string]float64{"a": 10, "ab": 15, "abc": 25, "c": 10} {
		in := map[string]bool{}
		for _, n := range names {
			in[string(n)] = true
		}
		if got := m.measuredSeconds(in); got != want {
			t.Errorf("%s: %v s, want %v", names, got, want)
		}
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
	empty := &Measurements{}
	th.AbortOnFail = true
	if g, err := Crossed(empty, []scenarios.Threshold{th}, nil); g != nil || err != nil {
		t.Errorf("no data yet, and it aborts: %+v, %v", g, err)
	}
}

// The threshold that ended a run has been crossed, even if what was under way by then was answered so well that the figures
// of the end hold it.
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
	v, err := Judge(m, []scenarios.Threshold{threshold("http_reqs", "count", ">", 0), th})
	if err != nil || v.Outcome != Fail || v.Gates[0].Samples != 1000 || v.Gates[1].Samples != 900 || v.Gates[1].Passed {
		t.Errorf("%s, %+v, %v", v.Outcome, v.Gates, err)
	}
	// It had no time for the samples that other percentiles take.
	v, err = Judge(m, []scenarios.Threshold{threshold("http_req_duration", "p99.99", "<", 2000), th})
	if err != nil || v.Outcome != Fail || v.Gates[0].Passed || !v.Gates[0].Unresolved || !strings.Contains(v.Gates[0].Reason, "at least 10000") {
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
		v, err := Judge(m, tt.thresholds)
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
	m.Loads[0].Stages = []Stage{{Name: "peak", From: 4, To: 6, LastAnswer: 5}}
	for stage, want := range map[string]float64{"peak": 500, "": 200} {
		th := threshold("http_reqs", "rate", ">", 0)
		if stage != "" {
			th.Selector = map[string]string{"stage": stage}
		}
		v, err := Judge(m, []scenarios.Threshold{th})
		if err != nil || v.Gates[0].Actual != want {
			t.Errorf("stage %q: %+v, %v, want %v", stage, v.Gates, err, want)
		}
	}
	if all, err := m.ByRequest(); err != nil || len(all) != 1 || all[0].Requests != 2000 || all[0].Skipped != 3 || all[0].Response.Count() != 2000 || m.Series[0].Response.Count() != 1000 {
		t.Errorf("%+v, %v", all, err)
	}
	run, dir := &Run{Measurements: *m}, t.TempDir()
	if err := Save(dir, run); err != nil {
		t.Fatal(err)
	}
	if back, err := Read(dir); err != nil || back.Measurements.Series[1].Stage != "peak" || back.Measurements.Series[1].Response.Count() != 1000 {
		t.Errorf("saved and read: %v", err)
	}
}
