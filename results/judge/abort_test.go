package judge

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// stagedRun is a run of two stages of 1,000 requests of 1 to 1000 ms each, from 20 to 40 s and from 40 to 45 s, that is
// not over.
func stagedRun() *results.Measurements {
	m := measured()
	m.Elapsed, m.Loads[0].MeasuredTo, m.Loads[0].LastAnswer = 45, 45, 45
	m.Loads[0].Stages = []results.Stage{
		{Name: "first", From: 20, To: 40, LastAnswer: 40},
		{Name: "second", From: 40, To: 45, LastAnswer: 45},
	}
	var series []*results.Series
	for _, st := range m.Loads[0].Stages {
		s := *m.Series[0]
		s.Stage, s.Tags = st.Name, map[string]string{"scenario": "warm", "name": "get", "stage": st.Name}
		series = append(series, &s)
	}
	m.Series = series
	return m
}

// ofStage is a threshold that stagedRun crosses in each of its stages.
func ofStage(stage string) scenarios.Threshold {
	th := threshold("http_req_duration", "p95", "<", 1)
	th.Selector, th.AbortOnFail, th.DelayAbortEval = map[string]string{"stage": stage}, true, 10*time.Second
	return th
}

// TestAbortCountsFromItsOwnStart: what a threshold waits counts from where that begins which it selects, and not beyond
// its end.
func TestAbortCountsFromItsOwnStart(t *testing.T) {
	dropped := threshold("dropped_iterations", "count", ">", 5000)
	dropped.AbortOnFail, dropped.DelayAbortEval = true, 10*time.Second
	all := threshold("http_req_duration", "p95", "<", 1)
	all.AbortOnFail, all.DelayAbortEval = true, 10*time.Second
	for _, tt := range []struct {
		threshold scenarios.Threshold
		settled   float64
		want      bool
	}{
		{ofStage("first"), 21.4, false}, // one stall
		{ofStage("first"), 29, false},
		{ofStage("first"), 30, true},
		{ofStage("second"), 44, false},
		{ofStage("second"), 45, true}, // it is over after 5 s, and no more will come
		{all, 29, false},
		{all, 30, true},
		{dropped, 9, false},
		{dropped, 10, true},
	} {
		g, err := Crossed(stagedRun(), []scenarios.Threshold{tt.threshold}, []float64{tt.settled})
		if err != nil || (g != nil) != tt.want {
			t.Errorf("%s after %v s: %+v, %v, want %v", tt.threshold.Name(), tt.settled, g, err, tt.want)
		}
	}
}

// TestNotReached: what the end of the run came before has neither held nor been crossed.
func TestNotReached(t *testing.T) {
	rate := threshold("http_reqs", "rate", ">", 1)
	rate.Selector = map[string]string{"stage": "second"}
	window := windowed("http_req_duration", "max", "<", 50, 10*time.Second)
	later := threshold("dropped_iterations", "count", "<", 1)
	later.Selector = map[string]string{"scenario": "later"}
	unsent := threshold("http_req_failed", "rate", "<", 0.5)
	unsent.Selector = map[string]string{"name": "never"}
	by := results.Gate{Metric: ofStage("first").Name(), Expression: "p95<", Samples: 1000, Actual: 950}
	endAt := func(m *results.Measurements, at float64) {
		m.Elapsed, m.Loads[0].MeasuredTo, m.Loads[0].Cut, m.Loads[0].ScheduledTo = at, at, at < 45, 45
		m.Loads = append(m.Loads, &results.Load{
			Scenario: "later", Open: true, MeasuredFrom: 60, MeasuredTo: 60,
			ScheduledTo: 70, Cut: true, Lag: results.NewHistogram(), OwnLag: results.NewHistogram(),
		})
		if s := m.Series[1]; at <= 40 {
			s.Requests, s.Failed, s.Response, s.Service = 0, 0, results.NewHistogram(), results.NewHistogram()
		}
	}
	for name, tt := range map[string]struct {
		change func(*results.Measurements)
		want   results.Outcome
		states string // of the gates: crossed, held or not reached
	}{
		"aborted in the first stage": {
			func(m *results.Measurements) { endAt(m, 30); m.Aborted, m.AbortedBy = "x", &by },
			results.Fail, "c n n n n n",
		},
		"interrupted in the first stage": {
			func(m *results.Measurements) { endAt(m, 30); m.Interrupted = true },
			results.Invalid, "c n n n n n",
		},
		"aborted in the second stage": {
			func(m *results.Measurements) { endAt(m, 42); m.Aborted, m.AbortedBy = "x", &by },
			results.Fail, "c n n n n c",
		},
		"not ended early": {func(*results.Measurements) {}, results.Fail, "c c h c c c"},
		"nothing was answered in what was sent": {
			func(m *results.Measurements) {
				endAt(m, 42)
				m.Aborted, m.AbortedBy = "x", &by
				m.Series[1].Response = results.NewHistogram()
			}, results.Fail, "c n n n n c",
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := stagedRun()
			never := *m.Series[0]
			never.Name, never.Requests, never.Failed = "never", 0, 0
			never.Response, never.Service, never.Tags = results.NewHistogram(), results.NewHistogram(),
				map[string]string{"scenario": "warm", "name": "never", "stage": "first"}
			m.Series = append(m.Series, &never)
			tt.change(m)
			v, err := Run(m, []scenarios.Threshold{ofStage("first"), ofStage("second"), rate, window, later, unsent})
			var states []string
			for _, g := range v.Gates {
				switch {
				case g.Passed && !g.NotReached:
					states = append(states, "h")
				case g.NotReached && !g.Passed && strings.HasPrefix(g.Reason, "not reached ("):
					states = append(states, "n")
				default:
					states = append(states, "c")
				}
			}
			if got := strings.Join(states, " "); err != nil || v.Outcome != tt.want || got != tt.states {
				t.Errorf("%s, %s, %v, want %s, %s", v.Outcome, got, err, tt.want, tt.states)
			}
			for _, reason := range slices.Concat(v.Invalid, v.Failed) {
				if name != "interrupted in the first stage" {
					t.Errorf("says %q", reason)
				}
			}
		})
	}
	// Whatever ended the run early: what was not reached is no pass.
	m := stagedRun()
	endAt(m, 30)
	m.Aborted = "by something else"
	if v, err := Run(m, []scenarios.Threshold{rate}); err != nil || v.Outcome != results.Unresolved {
		t.Errorf("%s, %v", v.Outcome, err)
	}
}

// TestCutStageIsNotReached: whatever the little that was measured of a stage looks like, gates on it have neither held
// nor been crossed when the run's end cut it off, and nothing is said of what they cannot tell.
func TestCutStageIsNotReached(t *testing.T) {
	of := func(metric, aggregation, op string, limit float64, stage string) scenarios.Threshold {
		th := threshold(metric, aggregation, op, limit)
		if stage != "" {
			th.Selector = map[string]string{"stage": stage}
		}
		th.AbortOnFail, th.DelayAbortEval = true, 10*time.Second
		return th
	}
	few := of("http_req_duration", "p99", "<", 200, "second") // 29 samples are too few for it
	enough := of("http_req_failed", "rate", "<", 0.5, "")
	whole := threshold("http_req_failed", "rate", "<", 0.5)
	gates := []scenarios.Threshold{
		ofStage("first"), of("http_req_duration", "p95", "<", 200, "second"), few,
		of("http_reqs", "rate", ">", 100, "second"),
		of("http_req_failed", "rate", "<", 0.5, "second"), enough, whole, of("http_reqs", "count", ">", 5, "second"),
		of("http_reqs", "count", ">", 50, "second"),
	}
	m := stagedRun()
	m.Elapsed, m.Loads[0].MeasuredTo, m.Loads[0].LastAnswer, m.Loads[0].Cut, m.Loads[0].ScheduledTo = 40.43, 40.4,
		40.42, true, 45
	slow := m.Series[1]
	slow.Requests, slow.Failed, slow.Response, slow.Service = 29, 0, results.NewHistogram(), results.NewHistogram()
	for range 29 {
		slow.Response.Record(300 * time.Millisecond)
		slow.Service.Record(300 * time.Millisecond)
	}
	m.Aborted, m.AbortedBy = "x", &results.Gate{
		Metric: ofStage("first").Name(), Expression: "p95<", Op: "<", Target: 1,
		Samples: 1000, Actual: 950,
	}
	v, err := judge(m, gates, []string{"others were there"})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{
		"crossed", "", "", "", "", "held", "(20.4 of 25 s measured)", "held",
		"(0.4 of 5 s measured)",
	} {
		g := v.Gates[i]
		got := g.Reason
		switch {
		case g.Passed:
			got = "held"
		case !g.NotReached && !g.Unresolved:
			got = "crossed"
		}
		if want == "" {
			want = "not reached (0.4 of 5 s measured): the run ended after 40.4 s"
		}
		if !strings.Contains(got, want) || g.NotReached != strings.Contains(want, "measured") {
			t.Errorf("%s %s: %q (unresolved %v), want %q", g.Metric, g.Expression, got, g.Unresolved, want)
		}
	}
	for _, text := range slices.Concat(v.Invalid, v.Warnings) {
		if strings.Contains(text, "stage:second") {
			t.Errorf("says %q", text)
		}
	}
	if st := m.Loads[0].MeasuredStages(); st[0].To != 40 || st[1].From != 40 || st[1].To != 40.4 {
		t.Errorf("stages %+v", st)
	}
}

// TestTooFewSamplesNamesTheGateOnce: reports put the gate's name before its reason.
func TestTooFewSamplesNamesTheGateOnce(t *testing.T) {
	rare := threshold("http_req_duration", "p99.99", "<", 2000)
	rare.AbortOnFail, rare.DelayAbortEval = true, time.Second
	m := measured()
	v, err := Run(m, []scenarios.Threshold{rare})
	if err != nil || len(v.Invalid) != 1 ||
		!strings.HasPrefix(v.Invalid[0], "http_req_duration p99.99<: it has 1000 samples and needs at least 10000.") {
		t.Errorf("%q, %v", v.Invalid, err)
	}
	m.Aborted = "x"
	v, err = Run(m, []scenarios.Threshold{rare})
	if err != nil || !v.Gates[0].Unresolved || strings.Contains(v.Gates[0].Reason, "http_req_duration") {
		t.Errorf("%+v, %v", v.Gates[0], err)
	}
}
