package loadgen

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/policycortex/headroom/loadgen/arrival"
	"github.com/policycortex/headroom/loadgen/wire"
	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/judge"
	"github.com/policycortex/headroom/scenarios"
)

// warmingServer answers after a time that changes with its age, once a second, and notes the iterations it was sent.
type warmingServer struct {
	latency func(age int) time.Duration // age in seconds since half a second before the first request

	mu      sync.Mutex
	born    time.Time
	sent    []int64
	slowest map[int64]time.Duration // by iteration
}

func (s *warmingServer) handle(_ http.ResponseWriter, r *http.Request) {
	n, _ := strconv.ParseInt(r.URL.Query().Get("n"), 10, 64)
	s.mu.Lock()
	if s.born.IsZero() {
		s.born, s.slowest = time.Now(), map[int64]time.Duration{}
	}
	// A first request that is late must not put the last change after the second in which the schedule has it.
	d := s.latency(int(time.Since(s.born).Seconds() + 0.5))
	s.sent, s.slowest[n] = append(s.sent, n), d
	s.mu.Unlock()
	time.Sleep(d)
}

// snapshot is the server's account of itself: how many requests it has had.
func (s *warmingServer) snapshot(context.Context) (results.Snapshot, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return results.Snapshot{At: time.Now(), Tiers: map[string]results.TierStats{"overall": {Hits: int64(len(s.sent))}}},
		nil
}

// warmingUp is a scenario of 50 requests a second that name their iteration.
func warmingUp(limit, measured time.Duration) scenarios.Scenario {
	return scenarios.Scenario{
		Load: scenarios.ConstantRate{Rate: 50, Duration: limit + measured}, AutoWarmup: true, Warmup: limit,
		Requests: []scenarios.Request{{
			Name: "get", Weight: 1, Method: "GET", Timeout: 5 * time.Second,
			Path: scenarios.Template{{Literal: "/?n="}, {Value: scenarios.ValueIteration}},
		}},
	}
}

// trial is a run against a server of its own.
type trial struct {
	name   string
	plan   *scenarios.Plan
	server *warmingServer
	by     wire.Backend
	m      *results.Measurements
}

// atOnce makes the runs side by side: a warm-up takes its time.
func atOnce(t *testing.T, trials []*trial) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	faults := make([]error, len(trials))
	var all sync.WaitGroup
	for i, one := range trials {
		target := serve(t, one.server.handle)
		all.Go(func() {
			one.m, faults[i] = Run(ctx, one.plan, target, Options{backend: one.by, Snapshot: one.server.snapshot})
		})
	}
	all.Wait()
	if err := errors.Join(faults...); err != nil {
		t.Fatal(err)
	}
}

// settling is a server that gets faster for 12 seconds.
func settling() *warmingServer {
	return &warmingServer{latency: func(age int) time.Duration {
		return time.Duration(20+
			10*max(0, 12-age)) * time.Millisecond
	}}
}

// TestWarmupEndsWhenSteady: the measured part begins when the server has settled and not before, has its whole length,
// and what was sent is the beginning of the one schedule, by every engine.
func TestWarmupEndsWhenSteady(t *testing.T) {
	const limit, measured = 45 * time.Second, 2 * time.Second
	t.Parallel()
	var trials []*trial
	for _, by := range append(wire.Backends(), "vegeta") {
		plan := planOf(warmingUp(limit, measured))
		plan.Thresholds = []scenarios.Threshold{{
			Metric: "http_reqs", Aggregation: scenarios.Aggregation{Name: "rate"}, Op: ">", Limit: 1,
			Window: time.Second, Source: "rate>1 for 1s",
		}}
		one := &trial{name: string(by), plan: plan, server: settling(), by: by}
		if by == "vegeta" {
			plan.Engine, one.by = scenarios.EngineVegeta, wire.Best
		}
		trials = append(trials, one)
	}
	atOnce(t, trials)
	for _, one := range trials {
		t.Run(one.name, func(t *testing.T) {
			m, plan, server := one.m, one.plan, one.server
			l := m.Loads[0]
			if w := l.Warmup; w == nil || w.Ended != results.WarmupSteady || w.Seconds != l.MeasuredFrom ||
				w.Limit != limit.Seconds() || w.Unsteady != nil {
				t.Fatalf("warm-up %+v, measured from %v s", w, l.MeasuredFrom)
			}
			from := time.Duration(l.MeasuredFrom * float64(time.Second))
			sc := arrival.NewSchedule(plan.Scenarios[0].Load, 1)
			first, end := sc.Until(from), sc.Until(from+measured)
			if from%time.Second != 0 || l.Planned != end || l.Sent != end || l.MeasuredPlanned != end-first ||
				m.Series[0].Requests != end-first {
				t.Errorf("from %v: planned %d, sent %d of %d; to be measured %d, measured %d of %d", from, l.Planned,
					l.Sent, end, l.MeasuredPlanned, m.Series[0].Requests, end-first)
			}
			slices.Sort(server.sent)
			for n := range end {
				if int64(len(server.sent)) != end || server.sent[n] != n {
					t.Fatalf("the server got %d requests, %d at place %d", len(server.sent), server.sent[n], n)
				}
				if n >= first && server.slowest[n] > 20*time.Millisecond {
					t.Fatalf("iteration %d was measured, and the server took %v", n, server.slowest[n])
				}
			}
			checkMeasuredPart(t, m, plan, int(l.MeasuredFrom))
		})
	}
}

// checkMeasuredPart holds that everything that is told by time has the measured part that was decided: from a second on
// for two seconds.
func checkMeasuredPart(t *testing.T, m *results.Measurements, plan *scenarios.Plan, from int) {
	for _, p := range m.Points {
		if p.Warmup != (p.Second < from) || p.Second > from+3 {
			t.Errorf("point %+v, measured from %d s", p, from)
		}
	}
	if s := m.Seconds[0]; s.From != from || s.To != from+2 {
		t.Errorf("windows from %d to %d, measured from %d s", s.From, s.To, from)
	}
	v, err := judge.Run(m, plan.Thresholds)
	if err != nil || v.Gates[0].Window == nil || v.Gates[0].Window.Of != 2 ||
		strings.Contains(strings.Join(v.Warnings, ""), "warm-up") {
		t.Errorf("%+v, %v", v, err)
	}
	if view := m.View("test"); view == nil || view.Tiers["overall"].Hits < 50 || view.Tiers["overall"].Hits > 150 {
		t.Errorf("the server's view of the measured 100 requests is %+v", view)
	}
}

// TestClosedWarmupEndsWhenSteady: users, too, stop when the measured part that was decided has ended, also those who
// think.
func TestClosedWarmupEndsWhenSteady(t *testing.T) {
	t.Parallel()
	var trials []*trial
	for _, engine := range bothEngines {
		s := warmingUp(40*time.Second, 2*time.Second)
		think := scenarios.ThinkTime{Min: 100 * time.Millisecond, Max: 300 * time.Millisecond}
		s.Load = scenarios.Users{VUs: 8, ThinkTime: think, Duration: s.Load.Length()}
		plan := planOf(s)
		plan.Engine = engine
		server := &warmingServer{latency: func(int) time.Duration { return 20 * time.Millisecond }}
		trials = append(trials, &trial{name: string(engine), plan: plan, server: server})
	}
	atOnce(t, trials)
	for _, one := range trials {
		t.Run(one.name, func(t *testing.T) {
			m, server := one.m, one.server
			l := m.Loads[0]
			if l.Warmup == nil || l.Warmup.Ended != results.WarmupSteady || l.MeasuredFrom != l.Warmup.Seconds {
				t.Fatalf("warm-up %+v, measured from %v s", l.Warmup, l.MeasuredFrom)
			}
			if l.MeasuredTo > l.MeasuredFrom+2 || m.Series[0].Requests == 0 || m.Series[0].Requests >= l.Sent ||
				l.Sent != int64(len(server.sent)) {
				t.Errorf("measured %v to %v s, %d of %d requests, %d arrived", l.MeasuredFrom, l.MeasuredTo,
					m.Series[0].Requests, l.Sent, len(server.sent))
			}
		})
	}
}

// TestWarmupEndsAtItsLimit: a server that never settles is measured from the limit on, with a warning; what warms up
// with it, steady by itself, waits for it.
func TestWarmupEndsAtItsLimit(t *testing.T) {
	t.Parallel()
	moving := &warmingServer{latency: func(age int) time.Duration {
		return time.Duration(20+
			15*age) * time.Millisecond
	}}
	// Slow enough for a machine that stalls not to move it.
	still := &warmingServer{latency: func(int) time.Duration { return 200 * time.Millisecond }}
	target := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/still" {
			still.handle(w, r)
		} else {
			moving.handle(w, r)
		}
	})
	plan := planOf(warmingUp(15*time.Second, time.Second))
	other := warmingUp(20*time.Second, 2*time.Second)
	other.Name, other.Load = "still", other.Load.WithWorkers(100)
	other.Requests[0].Path = literal("/still?n=0")
	plan.Scenarios = append(plan.Scenarios, other)
	m := run1(t, plan, target, Options{})
	for i, want := range []string{"P95 response time moved by +", ""} {
		l := m.Loads[i]
		w := l.Warmup
		if w == nil || w.Ended != results.WarmupLimit || w.Seconds != 15 || w.Limit != 15 || l.MeasuredFrom != 15 ||
			l.MeasuredPlanned != int64(50*(i+1)) {
			t.Errorf("%s: warm-up %+v, measured from %v s, planned %d", l.Scenario, w, l.MeasuredFrom,
				l.MeasuredPlanned)
		} else if said := strings.Join(w.Unsteady, "; "); !strings.HasPrefix(said, want) || want == "" && said != "" {
			t.Errorf("%s: %q, want %q", l.Scenario, said, want)
		}
	}
	v, err := judge.Run(m, nil)
	if err != nil || !strings.Contains(fmt.Sprint(v.Warnings), "test: its warm-up reached its limit of 15 s") {
		t.Errorf("%q, %v", v.Warnings, err)
	}
}

func TestInterruptedWarmup(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(context.Background(), 1500*time.Millisecond)
	defer cancel()
	server := settling()
	m, err := Run(ctx, planOf(warmingUp(30*time.Second, time.Second)), serve(t, server.handle), Options{})
	if err != nil {
		t.Fatal(err)
	}
	l := m.Loads[0]
	if l.Warmup == nil || l.Warmup.Ended != results.WarmupRunOver || l.Warmup.Seconds >= 30 || !m.Interrupted ||
		l.MeasuredPlanned != 0 || l.Planned == 0 {
		t.Errorf("%+v, warm-up %+v", l, l.Warmup)
	}
}

func TestShardsDoNotWarmUpByThemselves(t *testing.T) {
	t.Parallel()
	plan := planOf(warmingUp(15*time.Second, time.Second))
	_, err := Run(context.Background(), plan, "http://127.0.0.1:1", Options{Shard: &results.Shard{Index: 0, Of: 2}})
	if err == nil || !strings.Contains(err.Error(), "each shard would end it by itself") {
		t.Error(err)
	}
}

// TestObserverFollowsTheWindows: edges are those of the windows as they are known, each once.
func TestObserverFollowsTheWindows(t *testing.T) {
	t.Parallel()
	auto := warmingUp(20*time.Second, 5*time.Second)
	fixed := scenarios.Scenario{
		Load: scenarios.Users{VUs: 1, Duration: 17 * time.Second}, Warmup: 3 * time.Second,
		Requests: auto.Requests,
	}
	var runs []*scenarioRun
	for _, s := range []scenarios.Scenario{auto, fixed} {
		plan := planOf(s)
		one, err := newScenarioRun(plan, &plan.Scenarios[0], &Options{})
		if err != nil {
			t.Fatal(err)
		}
		runs = append(runs, one)
	}
	o := newObserver(runs, nil)
	var seen []time.Duration
	for {
		edge, last := o.next()
		seen = append(seen, edge/time.Second)
		o.at = append(o.at, edge)
		if last {
			break
		}
		if len(seen) == 1 {
			runs[0].collector.EndWarmup(12 * time.Second)
		}
	}
	// The fixed scenario is measured from 3 to 17 s; the other would have been from 20 to 25 s, and is from 12 to 17 s.
	if want := []time.Duration{3, 12, 17}; !slices.Equal(seen, want) {
		t.Errorf("edges at %d, want %d s", seen, want)
	}
}
