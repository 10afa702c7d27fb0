package search

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
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
func optionsFor(t *testing.T, url string, overrides ...string) Options {
	t.Helper()
	plan, err := scenarios.Parse("known.yaml", []byte(scenario),
		append(overrides, "target.url="+url, "scenarios.main.arrivals=even")...)
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
	t.Parallel()
	const limit = 200
	s := httptest.NewServer(limiter(limit))
	defer s.Close()
	o := optionsFor(t, s.URL)
	o.MaxTime = 2 * time.Minute // it ends when it is done; trials beside others may have to be made again
	kinds := map[string]int{}
	o.Measured = func(trial results.CapacityTrial, _ *capacity.Posterior) { kinds[trial.Kind]++ }
	var f *Found
	var c *results.Capacity
	// A machine that is too busy for an answer is no fault of the search, and the limiter uses up no CPUs.
	for range 4 {
		var err error
		kinds = map[string]int{}
		f, err = Run(context.Background(), o)
		if err != nil {
			t.Fatal(err)
		}
		c = conclude(t, o, f)
		if c.Outcome != results.Invalid && c.Bound != string(capacity.MachineCPU) &&
			f.Beyond != nil && f.Beyond.NotJudged == "" {
			break
		}
	}
	if said := strings.Join(c.Reasons, "; "); c.Outcome == results.Invalid && strings.Contains(said, "too busy") {
		t.Logf("no answer on this machine: %s", said) // TestCapacity of the program has one
		return
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

// TestRunNeedsMoreUsers: a service that takes as long at any rate takes more than users whose number is bounded can
// send. That is no capacity, though requests that wait for a user are late.
func TestRunNeedsMoreUsers(t *testing.T) {
	t.Parallel()
	const users, seconds = 16, 0.2 // together 80 requests a second
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		time.Sleep(seconds * 1000 * time.Millisecond)
	}))
	defer s.Close()
	o := optionsFor(t, s.URL, "scenarios.main.maxVUs=16", "thresholds.http_req_duration=p(95)<800")
	o.MaxTime = 40 * time.Second // it ends as soon as that is known
	o.Trial = Stretch{300 * time.Millisecond, 700 * time.Millisecond}
	o.Soak, o.Beyond = Stretch{}, Stretch{}
	f, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	c := conclude(t, o, f)
	if f.Level || c.Outcome == results.Pass || len(f.Bracket) != fewestSteps {
		t.Errorf("%s, level %v: %q", c.Outcome, f.Level, c.Reasons)
	}
	if c.Outcome == results.Invalid { // a machine that is too busy for an answer
		return
	}
	if !c.AtLeast || c.Rate.Low > 1.05*users/seconds || f.Search.Ceiling() < 0.8*users/seconds ||
		!strings.Contains(strings.Join(c.Reasons, "; "), "for one of its 16 users") {
		t.Errorf("at least %v, %+v, the generator was the limit at %v/s: %q", c.AtLeast, *c.Rate, f.Search.Ceiling(),
			c.Reasons)
	}
}

// TestBest: a stretch that says nothing counts only where there is no other.
func TestBest(t *testing.T) {
	bracket := []results.CapacityTrial{
		{Users: 1, Achieved: 50},
		{Users: 2, Achieved: 90, Requests: 90},
		{Users: 4, Achieved: 100, Requests: 10, Failed: 5},
		{Users: 8, Achieved: 200, Veto: "busy"},
	}
	if got := best(bracket); got.Users != 2 || got.GoodRate() != 90 {
		t.Errorf("%+v", got)
	}
	if got := best(bracket[3:]); got.Users != 8 {
		t.Errorf("%+v", got)
	}
}

// TestHadUsers: what more users in closed loops did not get of the service, more of them do not get in a trial.
func TestHadUsers(t *testing.T) {
	f := &Found{Bracket: []results.CapacityTrial{{Users: 1, Achieved: 50}, {Users: 2, Achieved: 90}}}
	for name, c := range map[string]struct {
		level    bool
		achieved float64
		users    []int
		want     bool
	}{
		"as many as the loops":             {true, 10, []int{2}, true},
		"one of two has fewer":             {true, 80, []int{64, 1}, false},
		"fewer, and as much":               {true, 84, []int{64, 1}, true},
		"the loops might have got more":    {false, 90, []int{64}, false},
		"less than the loops, and as many": {true, 10, []int{64, 2}, true},
	} {
		m := &results.Measurements{}
		for _, users := range c.users {
			m.Loads = append(m.Loads, &results.Load{MaxVUs: users})
		}
		f.Level = c.level
		if got := f.hadUsers(m, results.CapacityTrial{Achieved: c.achieved}); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestRule: what is begun is over in time, with what is discarded and the wait for the last answers.
func TestRule(t *testing.T) {
	const second = time.Second
	o := Options{
		Trial: Stretch{2 * second, 6 * second}, Soak: Stretch{3 * second, 60 * second},
		Beyond:  Stretch{8 * second, 12 * second},
		MaxTime: 100 * second,
	}
	r := o.rule(false)
	if r.Trial != 9 || r.Soak != 64 || r.Beyond != 21 {
		t.Errorf("%+v", r)
	}
	f := &Found{Started: time.Now()}
	left := o.left(f)
	if after := o.MaxTime - left + time.Duration(r.Soak*float64(second)); after < o.Soak.length()+grace {
		t.Errorf("of a soak that begins with %v left, %v of the time are used", left, after)
	}
	o.Soak, o.Beyond = Stretch{Discard: second}, Stretch{Measure: second}
	if r := o.rule(false); r.Soak != 0 || r.Beyond != 0 {
		t.Errorf("neither is asked for: %+v", r)
	}
}

// TestOverload: it is longer where answers may take long, if there is time.
func TestOverload(t *testing.T) {
	const second = time.Second
	o := Options{Beyond: Stretch{8 * second, 12 * second}}
	for _, c := range []struct {
		limit string
		left  time.Duration
		want  Stretch
	}{
		{"p(95)<50", 100 * second, Stretch{8 * second, 12 * second}},
		{"p(95)<2000", 100 * second, Stretch{20 * second, 30 * second}},
		{"p(95)<2000", 31 * second, Stretch{12 * second, 18 * second}},
		{"p(95)<2000", 20 * second, Stretch{8 * second, 12 * second}},
	} {
		limit, err := scenarios.ParseThreshold("http_req_duration", c.limit)
		if err != nil {
			t.Fatal(err)
		}
		o.Objectives = []scenarios.Threshold{limit}
		if got := o.overload(c.left); got != c.want {
			t.Errorf("%s, %v left: %+v, want %+v", c.limit, c.left, got, c.want)
		}
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
	var f *Found
	var order []int
	slow := func(s results.CapacityTrial) bool { return s.Achieved/float64(s.Instances) < 85 }
	for range 8 { // a machine that stands still for a while spoils a stretch, and with it the law
		f, order = &Found{
			Started: time.Now(),
			Bracket: []results.CapacityTrial{{Users: 4, Achieved: 200}, {Users: 10, Achieved: 400}},
		}, nil
		if err := o.instances(t.Context(), f); err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(f.Instances, slow) {
			break
		}
	}
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
	refused := six.Assumed && six.Refusal != "" // the law is too uncertain after stretches on a busy machine
	if err != nil || six.Assumed && !refused || six.Low > 6 || six.High < 6 || six.High > 12 {
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

func TestTrialForRate(t *testing.T) {
	trial := Stretch{Discard: 2 * time.Second, Measure: 5 * time.Second}
	for rate, want := range map[float64]Stretch{
		10_000: trial,
		800:    trial,
		500:    {Discard: 3200 * time.Millisecond, Measure: 8 * time.Second},
		1:      {Discard: 4 * time.Second, Measure: 10 * time.Second},
	} {
		if got := trial.forRate(rate); got != want {
			t.Errorf("%v/s: %v, want %v", rate, got, want)
		}
	}
}

// TestMostTrials: a search ends after 60 trials, unless it has time for more.
func TestMostTrials(t *testing.T) {
	o := Options{Trial: Stretch{2 * time.Second, 8 * time.Second}}
	for maxTime, want := range map[time.Duration]int{time.Minute: 60, 10 * time.Minute: 60, time.Hour: 360} {
		o.MaxTime = maxTime
		if got := o.rule(false).Most; got != want {
			t.Errorf("%v: %d trials, want %d", maxTime, got, want)
		}
	}
}
