package search

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/policycortex/headroom/loadgen"
	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/capacity"
	"github.com/policycortex/headroom/results/judge"
	"github.com/policycortex/headroom/scenarios"
)

const scenario = `
name: known
target: {url: "http://127.0.0.1:1"}
scenarios:
  main:
    executor: constant-arrival-rate
    rate: 10
    duration: 10s
    arrivals: poisson
    maxVUs: 64
    requests:
      - {name: get, path: /}
thresholds:
  http_req_duration: "p(95)<100"
`

// optionsFor are those of a quick search on a service.
func optionsFor(t *testing.T, url string) Options {
	t.Helper()
	plan, err := scenarios.Parse("known.yaml", []byte(scenario), "target.url="+url, "scenarios.main.arrivals=even")
	if err != nil {
		t.Fatal(err)
	}
	mix, err := scenarios.NewMix(plan)
	if err != nil {
		t.Fatal(err)
	}
	return Options{
		Mix: mix, Objectives: plan.Thresholds, Target: url, Seed: 1, Width: 0.2, MaxTime: time.Minute,
		Load:     loadgen.Options{Shared: true},
		Bracket:  Stretch{100 * time.Millisecond, 400 * time.Millisecond},
		Trial:    Stretch{500 * time.Millisecond, 1500 * time.Millisecond},
		Soak:     Stretch{500 * time.Millisecond, 3 * time.Second},
		Beyond:   Stretch{2 * time.Second, 4 * time.Second},
		Measured: func(results.CapacityTrial, *capacity.Posterior) {},
	}
}

// conclude is what a search comes to.
func conclude(t *testing.T, o Options, f *Found) *results.Capacity {
	t.Helper()
	c := &results.Capacity{
		Bracket: f.Bracket, Instances: f.Instances, Trials: f.Trials, Beyond: f.Beyond, Interrupted: f.Interrupted,
		Design: results.CapacityDesign{Width: o.Width, Soak: o.Soak.Measure.Seconds()},
	}
	c.Environment.Others = o.Load.Others
	if err := judge.ConcludeCapacity(c, f.Search, o.Objectives); err != nil {
		t.Fatal(err)
	}
	return c
}

// limiter answers at most so many requests a second, and refuses the others.
func limiter(perSecond float64) http.Handler {
	var mu sync.Mutex
	tokens, last := 0.0, time.Now()
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		now := time.Now()
		tokens = min(perSecond/10, tokens+perSecond*now.Sub(last).Seconds())
		last = now
		if tokens < 1 {
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		tokens--
	})
}

// TestRunFindsTheLimit: the capacity of a service that refuses what is more than 200 requests a second is 200, and that
// is what bounds it.
func TestRunFindsTheLimit(t *testing.T) {
	const limit = 200
	s := httptest.NewServer(limiter(limit))
	defer s.Close()
	o := optionsFor(t, s.URL)
	kinds := map[string]int{}
	o.Measured = func(trial results.CapacityTrial, _ *capacity.Posterior) { kinds[trial.Kind]++ }
	var f *Found
	var c *results.Capacity
	// A machine that is too busy for an answer is no fault of the search, and the limiter uses up no CPUs.
	for range 5 {
		var err error
		kinds = map[string]int{}
		f, err = Run(context.Background(), o)
		if err != nil {
			t.Fatal(err)
		}
		c = conclude(t, o, f)
		if c.Outcome != results.Invalid && c.Bound != string(capacity.MachineCPU) {
			break
		}
	}
	if c.Rate == nil || c.AtLeast || c.AtMost {
		t.Fatalf("nothing was found: %+v", c)
	}
	if c.Rate.Low > 1.1*limit || c.Rate.High < 0.9*limit || c.Rate.Middle < 0.8*limit || c.Rate.Middle > 1.2*limit {
		t.Errorf("found %+v, want %d", *c.Rate, limit)
	}
	if c.Bound != string(capacity.Limiter) || c.Binding != judge.Failures {
		t.Errorf("bound by %q, crossed first %q", c.Bound, c.Binding)
	}
	if kinds[results.TrialClosed] < 6 || kinds[results.TrialLight] < 1 || kinds[results.TrialSearch] < 3 ||
		kinds[results.TrialSoak] < 1 {
		t.Errorf("stretches: %v", kinds)
	}
	if f.RequestsPerIteration() < 0.98 || f.RequestsPerIteration() > 1.02 {
		t.Errorf("%v requests an iteration", f.RequestsPerIteration())
	}
	b := f.Beyond
	if b == nil || b.Refused < 0.2 || b.Share < 0.5 || b.Behaviour != "sheds" || b.Recovered == nil {
		t.Fatalf("beyond: %+v", b)
	}
	if len(b.Course) != 6 {
		t.Fatalf("%d seconds, want the 2 beyond and the 4 after: %+v", len(b.Course), b.Course)
	}
	good := 0.0
	for _, s := range b.Course {
		good += s.Goodput
	}
	if good < limit || good > 2*limit+4*relief*1.2*limit+limit/5 || b.Course[0].P95 <= 0 { // it refuses the rest
		t.Errorf("%v good answers: %+v", good, b.Course)
	}
}

// TestInstances: closed loops on 1 to 4 of four instances, which answer 100 requests a second each, show that they
// scale without loss, and the law over instances is in the plan.
func TestInstances(t *testing.T) {
	var urls []string
	for range 4 {
		place := make(chan struct{}, 1)
		s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			place <- struct{}{}
			time.Sleep(10 * time.Millisecond)
			<-place
		}))
		defer s.Close()
		urls = append(urls, s.URL)
	}
	o := optionsFor(t, urls[0])
	o.Load.Others, o.MaxTime = urls[1:], 10*time.Second // which is time for two rounds
	f := &Found{
		Started: time.Now(),
		Bracket: []results.CapacityTrial{{Users: 4, Achieved: 200}, {Users: 10, Achieved: 400}},
	}
	if err := o.instances(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	var order []int
	for i := range f.Instances {
		step := &f.Instances[i]
		order = append(order, step.Instances)
		if one := step.Achieved / float64(step.Instances); one < 60 || one > 101 || step.Users != 3*step.Instances {
			t.Errorf("%d instances answer %v/s to %d users", step.Instances, step.Achieved, step.Users)
		}
		step.Veto = "" // a busy machine changes little of what the sleep lets through
	}
	if want := []int{2, 3, 4, 1, 1, 4, 3, 2}; !slices.Equal(order, want) {
		t.Errorf("measured %v instances, want %v", order, want)
	}
	c := conclude(t, o, f)
	if c.InstanceLaw == nil || c.Plan.Assumed || c.InstanceLaw.Over != "instances" || c.InstanceLaw.Alpha[1] > 0.1 ||
		len(c.Efficiency) != 3 {
		t.Fatalf("law %+v, plan %+v, efficiency %+v", c.InstanceLaw, c.Plan, c.Efficiency)
	}
	scaling, err := judge.ScalingOf(c)
	if err != nil {
		t.Fatal(err)
	}
	found := capacity.Interval{Low: 340, Middle: 360, High: 380} // of all four
	six, err := capacity.Plan{Use: 1}.Forecast(540, found, scaling)
	if err != nil || six.Assumed || six.Low > 6 || six.High < 6 || six.High > 12 {
		t.Errorf("for 540: %+v, %v", six, err)
	}
	twenty, err := capacity.Plan{Use: 1}.Forecast(1800, found, scaling)
	if err != nil || !twenty.Assumed || twenty.Refusal == "" || twenty.High < 20 {
		t.Errorf("for 1800: %+v, %v", twenty, err)
	}
}

// TestOrderOfInstances: no number is always measured after the others.
func TestOrderOfInstances(t *testing.T) {
	for all, want := range map[int][2][]int{
		2: {{2, 1}, {1, 2}}, 3: {{2, 3, 1}, {1, 3, 2}}, 4: {{2, 3, 4, 1}, {1, 4, 3, 2}},
		5: {{2, 4, 5, 1}, {1, 5, 4, 2}},
		8: {{2, 4, 8, 1}, {1, 8, 4, 2}}, 20: {{2, 4, 8, 16, 20, 1}, {1, 20, 16, 8, 4, 2}},
	} {
		sizes := instanceSizes(all)
		for round := range 4 {
			if got := orderOf(sizes, round); !slices.Equal(got, want[round%2]) {
				t.Errorf("round %d of %d: %v, want %v", round, all, got, want[round%2])
			}
		}
	}
	all := []string{"a", "b", "c"}
	for round, want := range [][]string{{"a", "b"}, {"b", "c"}, {"c", "a"}, {"a", "b"}} {
		if got := chosen(all, 2, round); !slices.Equal(got, want) {
			t.Errorf("round %d: %v, want %v", round, got, want)
		}
	}
	o := Options{Bracket: Stretch{time.Second, 4 * time.Second}}
	for maxTime, want := range map[time.Duration]int{time.Minute: 2, 8 * time.Minute: 3, 2 * time.Hour: 4} {
		o.MaxTime = maxTime
		if got := o.rounds(4); got != want {
			t.Errorf("%v: %d rounds, want %d", maxTime, got, want)
		}
	}
}

// TestRunNothingSucceeds: there is no capacity of a service that never succeeds.
func TestRunNothingSucceeds(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	f, err := Run(context.Background(), optionsFor(t, s.URL))
	if err == nil || len(f.Trials) > 0 {
		t.Errorf("%+v, %v", f, err)
	}
}

// TestRunInterrupted: what was measured until then is there.
func TestRunInterrupted(t *testing.T) {
	s := httptest.NewServer(limiter(1e9))
	defer s.Close()
	ctx, cancel := context.WithCancel(context.Background())
	o := optionsFor(t, s.URL)
	o.Measured = func(trial results.CapacityTrial, _ *capacity.Posterior) {
		if trial.Users >= 4 {
			cancel()
		}
	}
	f, err := Run(ctx, o)
	if err != nil || !f.Interrupted || len(f.Bracket) != 3 || f.Search != nil {
		t.Errorf("%+v, %v", f, err)
	}
	if c := conclude(t, o, f); c.Outcome != results.Unresolved || c.Valid || c.Rate != nil {
		t.Errorf("%+v", c)
	}
}
