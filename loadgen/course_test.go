package loadgen

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/judge"
	"github.com/policycortex/headroom/scenarios"
)

// visits are when a server was asked for what.
type visits struct {
	mu  sync.Mutex
	all map[string][]time.Time // by path
}

func (v *visits) note(path string) (before int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.all == nil {
		v.all = map[string][]time.Time{}
	}
	v.all[path] = append(v.all[path], time.Now())
	return len(v.all[path]) - 1
}

func (v *visits) of(path string) []time.Time {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.all[path]
}

// TestPauses: between the steps of a flow its user waits, in an open model too; the wait is no part of any response
// time, it is one of the iteration's, and other users go on meanwhile.
func TestPauses(t *testing.T) {
	t.Parallel()
	const pause = 150 * time.Millisecond
	sideBySide(t, bothEngines, func(t *testing.T, engine scenarios.Engine) {
		var seen visits
		url := serve(t, func(w http.ResponseWriter, r *http.Request) {
			seen.note(r.URL.Path)
			if strings.HasPrefix(r.URL.Path, "/b/3") { // the flow goes on by another connection
				w.Header().Set("Connection", "close")
			}
		})
		step := func(name string, pause time.Duration) scenarios.Request {
			return scenarios.Request{
				Name: name, Method: "GET", Path: scenarios.Template{{Literal: "/" + name + "/"}, {Value: "iteration"}},
				Pause: scenarios.ThinkTime{Min: pause, Max: pause},
			}
		}
		plan := planOf(scenarios.Scenario{
			Load:     scenarios.ConstantRate{Rate: 50, Duration: 500 * time.Millisecond, MaxVUs: 30},
			Requests: flowOf("f", 1, step("a", pause), step("b", pause), step("c", 0)),
		})
		plan.Engine = engine
		m := run1(t, plan, url, Options{})
		for n := range 25 {
			var at []time.Time
			for _, name := range []string{"a", "b", "c"} {
				at = append(at, seen.of(fmt.Sprintf("/%s/%d", name, n))...)
			}
			if len(at) != 3 || at[1].Sub(at[0]) < pause || at[2].Sub(at[1]) < pause {
				t.Errorf("iteration %d was seen at %v", n, at)
			}
		}
		for _, s := range m.Series {
			if s.Requests != 25 || s.Failed > 0 || s.Skipped > 0 {
				t.Errorf("%s: %d requests, %d failed", s.Name, s.Requests, s.Failed)
			}
			if s.Service.Min() >= 150 {
				t.Errorf("%s took at least %v ms: with the pause", s.Name, s.Service.Min())
			}
		}
		if l := m.Loads[0]; l.Sent != 25 || l.Dropped > 0 || l.Begun != 25 || l.OwnLag.Min() >= 150 {
			t.Errorf("sent %d, dropped %d, begun %d, own lag %v", l.Sent, l.Dropped, l.Begun, l.OwnLag.Min())
		}
		it := m.Iterations[0]
		if it.Completed != 25 || it.Broken != 0 || it.Duration.Count() != 25 || it.Duration.Min() < 300 {
			t.Errorf("%d iterations, %d broken, the shortest took %v ms", it.Completed, it.Broken, it.Duration.Min())
		}
		v, err := judge.Run(m, []scenarios.Threshold{
			{Metric: "iteration_duration", Aggregation: scenarios.Aggregation{Name: "min"}, Op: ">=", Limit: 300},
			{
				Metric: "iteration_duration", Aggregation: scenarios.Aggregation{Name: "max"}, Op: "<", Limit: 300,
				Selector: map[string]string{"flow": "f", "scenario": "test"},
			},
			{
				Metric: "iteration_duration", Aggregation: scenarios.Aggregation{Name: "max"}, Op: "<", Limit: 1e9,
				Selector: map[string]string{"flow": "other"},
			},
		})
		if err != nil || !v.Gates[0].Passed || v.Gates[1].Passed || v.Gates[2].Passed || v.Gates[2].Samples != 0 {
			t.Errorf("%+v, %v", v.Gates, err)
		}
	})
}

// TestEndInPause: iterations that pause when gracefulStop ends are broken off, and what they had not sent is skipped.
func TestEndInPause(t *testing.T) {
	t.Parallel()
	sideBySide(t, bothEngines, func(t *testing.T, engine scenarios.Engine) {
		url := serve(t, func(http.ResponseWriter, *http.Request) {})
		plan := planOf(scenarios.Scenario{
			Load:         scenarios.ConstantRate{Rate: 20, Duration: 500 * time.Millisecond, MaxVUs: 20},
			GracefulStop: 50 * time.Millisecond,
			Requests: flowOf("f", 1,
				scenarios.Request{
					Name: "a", Method: "GET", Path: literal("/"),
					Pause: scenarios.ThinkTime{Min: time.Minute, Max: time.Minute},
				},
				scenarios.Request{Name: "b", Method: "GET", Path: literal("/")},
				scenarios.Request{Name: "c", Method: "GET", Path: literal("/")}),
		})
		plan.Engine = engine
		m := run1(t, plan, url, Options{})
		a, b, c, it := m.Series[0], m.Series[1], m.Series[2], m.Iterations[0]
		if a.Requests != 10 || b.Requests != 0 || b.Skipped != 10 || c.Skipped != 10 || it.Broken != 10 ||
			it.Completed != 0 {
			t.Errorf("%d, then %d (%d skipped, %d), %+v", a.Requests, b.Requests, b.Skipped, c.Skipped, it)
		}
		if m.Elapsed > 30 {
			t.Errorf("it waited for the pause: %v s", m.Elapsed)
		}
	})
}

// TestPolling: a step is sent again until its answer meets the condition; each of its requests counts, what is
// extracted is of the last, and one that is never met fails its flow.
func TestPolling(t *testing.T) {
	t.Parallel()
	sideBySide(t, bothEngines, func(t *testing.T, engine scenarios.Engine) {
		var seen visits
		url := serve(t, func(w http.ResponseWriter, r *http.Request) {
			before := seen.note(r.URL.Path)
			switch {
			case strings.HasSuffix(r.URL.Path, "/never"):
				fmt.Fprint(w, `{"state": "working"}`)
			case strings.HasPrefix(r.URL.Path, "/results/"), before < 2:
				w.WriteHeader(http.StatusNotFound)
			case before == 2:
				fmt.Fprint(w, `{"state": "working"}`)
			default:
				fmt.Fprint(w, `{"state": "done", "result": "r1"}`)
			}
		})
		job := func(end string) scenarios.Request {
			return scenarios.Request{
				Name: "job", Method: "GET",
				Path:           scenarios.Template{{Literal: "/jobs/"}, {Value: "iteration"}, {Literal: end}},
				ExpectedStatus: []int{200, 404},
				Extract:        []scenarios.Extraction{{Name: "result", JSON: scenarios.JSONPath{{Key: "result"}}}},
				Until: &scenarios.Poll{
					Check: scenarios.Check{
						JSON: scenarios.JSONPath{{Key: "state"}}, Test: scenarios.Equals,
						Want: "done",
					},
					Retries: 4, Pause: scenarios.ThinkTime{Min: 20 * time.Millisecond, Max: 20 * time.Millisecond},
				},
				Checks: []scenarios.Check{{Name: "is there", Statuses: []int{200}}},
			}
		}
		result := scenarios.Request{
			Name: "result", Method: "GET", Path: scenarios.Template{{Literal: "/results/"}, {Value: "result"}},
			ExpectedStatus: []int{404},
		}
		load := scenarios.ConstantRate{Rate: 20, Duration: 500 * time.Millisecond, MaxVUs: 20}
		plan := planOf(scenarios.Scenario{Load: load, Requests: flowOf("f", 1, job(""), result)})
		plan.Scenarios = append(plan.Scenarios, planOf(scenarios.Scenario{
			Name: "given up", Load: load, Requests: flowOf("f", 1, job("/never"), result),
		}).Scenarios...)
		plan.Engine = engine
		m := run1(t, plan, url, Options{})
		polled, after := m.Series[0], m.Series[1]
		if polled.Requests != 40 || polled.Failed > 0 || polled.Statuses[404] != 20 || polled.Statuses[200] != 20 ||
			polled.Checks[0].Passed != 20 || polled.Response.Count() != 40 || polled.Response.Min() >= 20 {
			t.Errorf("polled %d times, %d failed: %v", polled.Requests, polled.Failed, polled)
		}
		if at := seen.of("/jobs/0"); len(at) != 4 || at[3].Sub(at[0]) < 60*time.Millisecond {
			t.Errorf("the first job was asked for at %v", at)
		}
		if after.Requests != 10 || len(seen.of("/results/r1")) != 10 || m.Loads[0].Sent != 10 ||
			m.Loads[0].Begun != 10 {
			t.Errorf("%d results, %v; load %+v", after.Requests, seen.all, m.Loads[0])
		}
		if it := m.Iterations[0]; it.Completed != 10 || it.Duration.Min() < 60 {
			t.Errorf("the shortest of %d iterations took %v ms", it.Completed, it.Duration.Min())
		}
		never := m.Series[2]
		const class = "the condition of until was not met"
		want := `it was sent 5 times; the answer was 200 OK: {"state": "working"}`
		if never.Requests != 50 || never.Failed != 10 || never.Errors[class] != 10 ||
			never.ErrorSamples[class] != want ||
			m.Series[3].Skipped != 10 || m.Iterations[1].Broken != 10 {
			t.Errorf("%d times, %d failed: %v, %q; %d skipped, %+v", never.Requests, never.Failed, never.Errors,
				never.ErrorSamples, m.Series[3].Skipped, m.Iterations[1])
		}
	})
}

// TestCourseUnderLoad: steps that are left out are not sent and not skipped, and what is repeated is one iteration.
func TestCourseUnderLoad(t *testing.T) {
	t.Parallel()
	sideBySide(t, bothEngines, func(t *testing.T, engine scenarios.Engine) {
		url := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "1") || strings.HasSuffix(r.URL.Path, "3") {
				fmt.Fprint(w, `{"next": "2"}`)
				return
			}
			fmt.Fprint(w, `{}`)
		})
		none := ""
		next := &scenarios.Condition{Value: "next", Check: scenarios.Check{Test: scenarios.Exists}}
		get := func(name, path string) scenarios.Request {
			return scenarios.Request{Name: name, Method: "GET", Path: literal(path)}
		}
		first := scenarios.Request{
			Name: "first", Method: "GET", Path: scenarios.Template{{Literal: "/"}, {Value: "iteration"}},
			Extract: []scenarios.Extraction{{Name: "next", JSON: scenarios.JSONPath{{Key: "next"}}, Default: &none}},
			Repeat:  scenarios.Repeat{Least: 2, Most: 2},
		}
		second := get("second", "/second")
		second.If = next
		third := get("third", "/third")
		third.Block = &scenarios.Block{Steps: 2, Repeat: scenarios.Repeat{Least: 3, Most: 3}}
		fourth := get("fourth", "/fourth")
		last := get("last", "/last")
		last.If = next
		plan := planOf(scenarios.Scenario{
			Load:     scenarios.ConstantRate{Rate: 20, Duration: 500 * time.Millisecond, MaxVUs: 20},
			Requests: flowOf("f", 1, first, second, third, fourth, last),
		})
		plan.Engine = engine
		m := run1(t, plan, url, Options{})
		want := []int64{20, 2, 30, 30, 2} // of iterations 0 to 9, of which 1 and 3 have a next
		for i, s := range m.Series {
			if s.Requests != want[i] || s.Failed > 0 || s.Skipped > 0 {
				t.Errorf("%s: %d requests, %d failed, %d skipped; want %d", s.Name, s.Requests, s.Failed, s.Skipped,
					want[i])
			}
		}
		l := m.Loads[0]
		if l.Sent != 10 || l.MeasuredPlanned != 10 || m.AchievedRate(l) > 20.001 || m.Iterations[0].Completed != 10 {
			t.Errorf("sent %d of %d, %v per second, %d completed", l.Sent, l.MeasuredPlanned, m.AchievedRate(l),
				m.Iterations[0].Completed)
		}
	})
}

// TestTryFollowsTheCourse: trials send what the load would.
func TestTryFollowsTheCourse(t *testing.T) {
	t.Parallel()
	url := serve(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, `{"state": "done"}`) })
	never := scenarios.Request{Name: "never", Method: "GET", Path: literal("/")}
	never.If = &scenarios.Condition{Value: "state", Check: scenarios.Check{Test: scenarios.Equals, Want: "undone"}}
	plan := planOf(scenarios.Scenario{Requests: flowOf("f", 1,
		scenarios.Request{
			Name: "a", Method: "GET", Path: literal("/"), Repeat: scenarios.Repeat{Least: 2, Most: 2},
			Extract: []scenarios.Extraction{{Name: "state", JSON: scenarios.JSONPath{{Key: "state"}}}},
		},
		never,
		scenarios.Request{
			Name: "b", Method: "GET", Path: literal("/"),
			Until: &scenarios.Poll{
				Check:   scenarios.Check{Body: true, Test: scenarios.Contains, Want: "lost"},
				Retries: 1,
			},
		},
		scenarios.Request{Name: "c", Method: "GET", Path: literal("/")},
	)})
	trials, _, err := Trials(plan, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	err = Try(t.Context(), plan, url, Options{}, trials, func(tried *Tried) {
		text := tried.Request
		if tried.NotSent != "" {
			text += ", not sent: " + tried.NotSent
		}
		if tried.Failure != "" {
			text += ", failed: " + tried.Failure
		}
		got = append(got, fmt.Sprintf("%s, fine %v", text, tried.Fine()))
	})
	want := []string{
		"a, fine true", "a, fine true", "never, not sent: its condition does not hold, fine true", "b, fine true",
		"b, failed: the condition of until was not met: it was sent 2 times, fine false",
		"c, not sent: b failed before it, fine false",
	}
	if err != nil || strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("tried\n%s\nwant\n%s\n%v", strings.Join(got, "\n"), strings.Join(want, "\n"), err)
	}
}

// TestIterationsOfShards: those of a run's parts add up.
func TestIterationsOfShards(t *testing.T) {
	t.Parallel()
	url := serve(t, func(http.ResponseWriter, *http.Request) {})
	var runs []*results.Run
	for i := range 2 {
		plan := planOf(scenarios.Scenario{
			Load: scenarios.ConstantRate{Rate: 50, Duration: 200 * time.Millisecond, MaxVUs: 4},
			Requests: flowOf("f", 1, scenarios.Request{Name: "a", Method: "GET", Path: literal("/")},
				scenarios.Request{Name: "b", Method: "GET", Path: literal("/")}),
		})
		shard := &results.Shard{Index: i, Of: 2}
		runs = append(runs, &results.Run{
			Name: "test", Shard: shard,
			Measurements: *run1(t, plan, url, Options{Shard: shard}),
		})
	}
	merged, err := results.Merge(runs)
	if err != nil {
		t.Fatal(err)
	}
	if it := merged.Measurements.Iterations; len(it) != 1 || it[0].Completed != 10 || it[0].Duration.Count() != 10 {
		t.Errorf("%+v", it)
	}
	if got := merged.Measurements.Loads[0].Begun; got != 10 {
		t.Errorf("%d begun", got)
	}
}
