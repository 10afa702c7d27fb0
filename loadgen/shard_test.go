package loadgen

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/policycortex/headroom/loadgen/arrival"
	seeds "github.com/policycortex/headroom/loadgen/random"
	"github.com/policycortex/headroom/loadgen/request"
	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// iteration is what a schedule and a request set make of one: when it is sent, and what.
type iteration struct {
	at   time.Duration
	draw request.Draw
}

func arrivalsOf(sc *arrival.Schedule, set *request.Set, s arrival.Shard) []iteration {
	var all []iteration
	for j := int64(0); s.Iteration(j) < sc.Total(); j++ {
		n := s.Iteration(j)
		all = append(all, iteration{sc.At(n), set.Draw(n)})
	}
	return all
}

// TestShardsAreTheSchedule: however many shards a schedule of any kind is split into, together they have each of its
// iterations once, at its instant and with its choices.
func TestShardsAreTheSchedule(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	const length = 3 * time.Second
	ramps := []scenarios.Stage{{Target: 400, Duration: time.Second}, {Duration: 2 * time.Second}}
	loads := []scenarios.Load{
		scenarios.ConstantRate{Rate: 333.3, Duration: length},
		scenarios.ConstantRate{Rate: 250, Duration: length, Arrivals: scenarios.Poisson},
		scenarios.RampingRate{StartRate: 10, Stages: ramps, Arrivals: scenarios.Poisson},
		scenarios.SineRate{Rate: 100, Amplitude: 90, Period: time.Second, Duration: length},
		scenarios.Bursts{Size: 7, Every: 50 * time.Millisecond, Duration: length},
	}
	requests := []scenarios.Request{
		{Name: "a", Weight: 2, Method: "GET", Path: literal("/a")},
		{Name: "b", Weight: 5, Method: "GET", Path: literal("/b"), Values: []scenarios.Value{
			{Name: "x", Keys: scenarios.RangeKeys{From: 0, To: 99}, Choice: scenarios.Zipf, Exponent: 1},
			{Name: "y", Keys: scenarios.RangeKeys{From: 0, To: 9}, Choice: scenarios.Sequential},
		}},
	}
	for range 60 {
		s := scenarios.Scenario{Name: "s", Load: loads[random.IntN(len(loads))], Requests: requests}
		seed, count := random.Uint64(), 1+random.IntN(40)
		scenarioSeed := seeds.ScenarioSeed(seed, s.Name)
		set, err := request.New(seed, &s, request.Sources{})
		if err != nil {
			t.Fatal(err)
		}
		whole := arrivalsOf(arrival.NewSchedule(s.Load, scenarioSeed), set, shardOf(nil))
		together := make([]iteration, 0, len(whole))
		counted := int64(0)
		cutAt := time.Duration(random.Int64N(int64(length)))
		for index := range count {
			// Another process has a schedule and a request set of its own.
			mine, _ := request.New(seed, &s, request.Sources{})
			sc, part := arrival.NewSchedule(s.Load, scenarioSeed), shardOf(&results.Shard{Index: index, Of: count})
			together = append(together, arrivalsOf(sc, mine, part)...)
			counted += part.Of(sc.Until(cutAt))
		}
		slices.SortFunc(together, func(a, b iteration) int { return int(a.draw.N - b.draw.N) })
		if !slices.Equal(whole, together) {
			t.Fatalf("%+v, %d shards: %d arrivals together, %d in one", s.Load, count, len(together), len(whole))
		}
		if want := arrival.NewSchedule(s.Load, scenarioSeed).Until(cutAt); counted != want {
			t.Errorf("%+v, %d shards: %d planned until %v, want %d", s.Load, count, counted, cutAt, want)
		}
	}
}

// TestShardsSendTheRun: the requests of three shards on either engine are those of the single run.
func TestShardsSendTheRun(t *testing.T) {
	t.Parallel()
	hole := func(name string) scenarios.Part { return scenarios.Part{Value: name} }
	requests := []scenarios.Request{{
		Name: "get", Weight: 1, Method: "GET", Timeout: 5 * time.Second,
		Path: scenarios.Template{
			{Literal: "/"},
			hole("id"),
			{Literal: "?n="},
			hole(scenarios.ValueIteration),
			{Literal: "&u="},
			hole(scenarios.ValueUUID),
		},
		Values: []scenarios.Value{{
			Name: "id", Keys: scenarios.RangeKeys{From: 1, To: 500}, Choice: scenarios.Zipf,
			Exponent: 1.1,
		}},
	}}
	sideBySide(t, bothEngines, func(t *testing.T, engine scenarios.Engine) {
		var server seen
		url := serve(t, server.handle)
		plan := planOf(scenarios.Scenario{Load: scenarios.ConstantRate{
			Rate: 200, Duration: time.Second,
			MaxVUs: 10,
		}, Warmup: 300 * time.Millisecond, Requests: requests})
		plan.Seed, plan.Engine = 9, engine
		whole := run1(t, plan, url, Options{})
		want := server.take()
		var planned, measured, sent int64
		connections := 0
		for index := range 3 {
			l := run1(t, plan, url, Options{Shard: &results.Shard{Index: index, Of: 3}}).Loads[0]
			planned, measured, sent, connections = planned+l.Planned, measured+l.MeasuredPlanned, sent+l.Sent,
				connections+l.MaxVUs
		}
		if got := server.take(); len(want) != 200 || !slices.Equal(got, want) {
			t.Errorf("the shards sent %d requests, and not the %d of the single run", len(got), len(want))
		}
		if l := whole.Loads[0]; planned != l.Planned || measured != l.MeasuredPlanned || sent != l.Sent ||
			connections != 10 {
			t.Errorf("planned %d, measured %d, sent %d, connections %d; the single run %+v", planned, measured,
				sent, connections, l)
		}
	})
}

func TestShardsSplitUsers(t *testing.T) {
	plan := planOf(scenarios.Scenario{Load: scenarios.Users{VUs: 7, Duration: time.Second}})
	users := 0
	for index := range 4 {
		part, err := sharded(plan, &results.Shard{Index: index, Of: 4})
		if err != nil {
			t.Fatal(err)
		}
		users += part.Scenarios[0].Load.Workers()
	}
	if users != 7 || plan.Scenarios[0].Load.Workers() != 7 {
		t.Errorf("%d users in all, and the plan has %d", users, plan.Scenarios[0].Load.Workers())
	}
	if _, err := sharded(plan, &results.Shard{Index: 0, Of: 8}); err == nil ||
		!strings.Contains(err.Error(), "too few for 8 shards") {
		t.Errorf("more shards than users: %v", err)
	}
}

func TestStartAt(t *testing.T) {
	t.Parallel()
	at := time.Now().Add(400 * time.Millisecond)
	url := serve(t, (&seen{}).handle)
	plan := planOf(scenarios.Scenario{Load: scenarios.ConstantRate{Rate: 50, Duration: 200 * time.Millisecond}})
	m := run1(t, plan, url, Options{StartAt: at})
	if first := m.Started.Sub(at); first.Abs() > time.Microsecond {
		t.Errorf("started %v off", first)
	}
	if _, err := Run(t.Context(), plan, url, Options{StartAt: time.Now().Add(-time.Second)}); err == nil ||
		!strings.Contains(fmt.Sprint(err), "give a later one") {
		t.Errorf("an instant that has passed: %v", err)
	}
}
