package loadgen

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/judge"
	"github.com/policycortex/headroom/scenarios"
)

// concurrency is a server that notes how many requests it has at once, and of which paths.
type concurrency struct {
	now, most atomic.Int64
	delay     time.Duration
	mu        sync.Mutex
	paths     map[string]int
}

func (a *concurrency) handle(_ http.ResponseWriter, r *http.Request) {
	now := a.now.Add(1)
	defer a.now.Add(-1)
	for most := a.most.Load(); now > most && !a.most.CompareAndSwap(most, now); most = a.most.Load() {
	}
	a.mu.Lock()
	if a.paths == nil {
		a.paths = map[string]int{}
	}
	a.paths[r.URL.Path]++
	a.mu.Unlock()
	time.Sleep(a.delay)
}

func eachIteration() []scenarios.Request {
	return []scenarios.Request{{
		Name: "get", Weight: 1, Method: "GET", Path: scenarios.Template{{Literal: "/"}, {Value: "iteration"}},
		Timeout: 10 * time.Second,
	}}
}

// TestCountedIterations: a load of so many iterations ends with the last, each is sent once, its figures are of the
// time that it took, and they say that they are of users who wait.
func TestCountedIterations(t *testing.T) {
	for name, load := range map[string]scenarios.Load{
		"shared": scenarios.SharedIterations{VUs: 7, Iterations: 100, MaxDuration: time.Minute},
		"each":   scenarios.UserIterations{VUs: 10, Iterations: 10, MaxDuration: time.Minute},
		"thinking": scenarios.UserIterations{
			VUs: 10, Iterations: 10, MaxDuration: time.Minute,
			ThinkTime: scenarios.ThinkTime{Min: time.Millisecond, Max: 5 * time.Millisecond},
		},
	} {
		t.Run(name, func(t *testing.T) {
			sideBySide(t, bothEngines, func(t *testing.T, engine scenarios.Engine) {
				server := &concurrency{delay: 10 * time.Millisecond}
				plan := planOf(scenarios.Scenario{Load: load, Requests: eachIteration()})
				plan.Engine = engine
				m := run1(t, plan, serve(t, server.handle), Options{})
				l, s := m.Loads[0], m.Series[0]
				if len(server.paths) != 100 || s.Requests != 100 || s.Failed > 0 {
					t.Errorf("%d requests for %d iterations, %d failed", s.Requests, len(server.paths), s.Failed)
				}
				if most := int(server.most.Load()); most > load.Workers() || most < 2 {
					t.Errorf("%d at once of %d users", most, load.Workers())
				}
				if l.Open || !l.Counted || l.Cut || l.Planned != 100 || l.Sent != 100 || l.Dropped != 0 ||
					l.MeasuredTo > m.Elapsed || l.MeasuredTo < l.LastAnswer-0.01 || m.Elapsed > 30 {
					t.Errorf("%+v after %v s", l, m.Elapsed)
				}
				if rate := m.AchievedRate(l); rate < 100/m.Elapsed-1 {
					t.Errorf("%v per second in %v s", rate, m.Elapsed)
				}
				v, err := judge.Run(m, []scenarios.Threshold{
					{
						Metric: "dropped_iterations", Aggregation: scenarios.Aggregation{Name: "count"}, Op: "==",
						Limit: 0,
					},
					{Metric: "http_reqs", Aggregation: scenarios.Aggregation{Name: "count"}, Op: "==", Limit: 100},
				})
				if err != nil || v.Outcome != results.Pass || v.Gates[0].Samples != 100 || len(m.Warnings) != 1 {
					t.Errorf("%+v, %v, warnings %q", v, err, m.Warnings)
				}
			})
		})
	}
}

// TestIterationsThatWereNotSent: those for which maxDuration was too short are counted, and make the run invalid.
func TestIterationsThatWereNotSent(t *testing.T) {
	t.Parallel()
	for name, load := range map[string]scenarios.Load{
		"shared": scenarios.SharedIterations{VUs: 2, Iterations: 1000, MaxDuration: 300 * time.Millisecond},
		"each":   scenarios.UserIterations{VUs: 2, Iterations: 500, MaxDuration: 300 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			sideBySide(t, bothEngines, func(t *testing.T, engine scenarios.Engine) {
				server := &concurrency{delay: 20 * time.Millisecond}
				plan := planOf(scenarios.Scenario{Load: load, Requests: eachIteration()})
				plan.Engine = engine
				m := run1(t, plan, serve(t, server.handle), Options{})
				l := m.Loads[0]
				if l.Planned != 1000 || l.Sent != m.Series[0].Requests || l.Dropped != 1000-l.Sent || l.Sent == 0 ||
					l.Sent > 40 {
					t.Errorf("%+v", l)
				}
				v, err := judge.Run(m, []scenarios.Threshold{
					{
						Metric: "dropped_iterations", Aggregation: scenarios.Aggregation{Name: "count"}, Op: "==",
						Limit: 0,
					},
				})
				if err != nil || v.Outcome != results.Invalid || v.Gates[0].Passed {
					t.Errorf("%+v, %v", v, err)
				}
			})
		})
	}
}

// TestRampingUsersUnderLoad: there are never more users than the stages have, and those who are to go end what they
// have begun.
func TestRampingUsersUnderLoad(t *testing.T) {
	t.Parallel()
	sideBySide(t, bothEngines, func(t *testing.T, engine scenarios.Engine) {
		server := &concurrency{delay: 5 * time.Millisecond}
		load := scenarios.RampingUsers{Stages: []scenarios.Stage{
			{Target: 6, Duration: 600 * time.Millisecond, Name: "up"},
			{Target: 2},
			{Target: 2, Duration: 400 * time.Millisecond, Name: "few"},
		}}
		plan := planOf(scenarios.Scenario{Load: load, Requests: eachIteration()})
		plan.Engine = engine
		m := run1(t, plan, serve(t, server.handle), Options{})
		var sent int64
		for _, s := range m.Series {
			if s.Failed > 0 || s.Requests == 0 || s.Stage == "" {
				t.Errorf("%d of %d failed in stage %q: %v", s.Failed, s.Requests, s.Stage, s.Errors)
			}
			sent += s.Requests
		}
		// five at the most: the sixth would come when the stage ends
		if most := server.most.Load(); most > 6 || most < 2 || len(server.paths) != int(sent) {
			t.Errorf("%d at once, %d requests for %d iterations", most, sent, len(server.paths))
		}
		if l := m.Loads[0]; l.Open || l.Counted || l.Cut || l.MaxVUs != 6 || l.Dropped > 0 || l.Sent != sent {
			t.Errorf("%+v", l)
		}
	})
}
