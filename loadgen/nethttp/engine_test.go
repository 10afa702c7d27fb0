package nethttp

import (
	"context"
	"testing"
	"time"

	"github.com/policycortex/headroom/loadgen/arrival"
	"github.com/policycortex/headroom/loadgen/connect"
	"github.com/policycortex/headroom/loadgen/record"
	"github.com/policycortex/headroom/loadgen/request"
	"github.com/policycortex/headroom/scenarios"
)

// planOf is a plan of one scenario of one GET request.
func planOf(s scenarios.Scenario) *scenarios.Plan {
	s.Name = "test"
	s.Requests = []scenarios.Request{{
		Name: "get", Weight: 1, Method: "GET", Path: scenarios.Template{{Literal: "/"}}, Timeout: 5 * time.Second,
	}}
	return &scenarios.Plan{Seed: 1, Scenarios: []scenarios.Scenario{s}}
}

// engineOf is the engine of the only scenario of a plan.
func engineOf(plan *scenarios.Plan, requests *request.Set) (*Engine, *record.Collector) {
	s := &plan.Scenarios[0]
	schedule := arrival.NewSchedule(s.Load, 1)
	timing := &arrival.Timing{
		Schedule: schedule, Window: arrival.NewWindow(s, schedule), Shard: arrival.Whole, Users: s.Load.Workers(),
		GracefulStop: s.GracefulStop,
	}
	c := record.New(plan, s, timing, requests)
	target := []connect.Place{{URL: "http://127.0.0.1", Instance: 1}}
	return New(Config{Timing: timing, Requests: requests, Collector: c, Target: target, To: &connect.To{}}), c
}

// TestPacerDropsWhatIsDueNoMore: an iteration for which the vegeta engine waits already is not sent when the warm-up
// ends so early that it comes after the schedule's end.
func TestPacerDropsWhatIsDueNoMore(t *testing.T) {
	// Iteration 1 is due after 10 s.
	load := scenarios.ConstantRate{Rate: 0.1, Duration: 41 * time.Second, MaxVUs: 1}
	plan := planOf(scenarios.Scenario{Load: load, Warmup: 40 * time.Second, AutoWarmup: true})
	requests, err := request.New(1, &plan.Scenarios[0], request.Sources{})
	if err != nil {
		t.Fatal(err)
	}
	e, c := engineOf(plan, requests)
	e.start = time.Now()
	stopped := make(chan bool)
	go func() {
		_, stop := pacer{e, context.Background()}.Pace(0, 1)
		stopped <- stop
	}()
	select {
	case <-stopped:
		t.Fatal("the pacer did not wait")
	case <-time.After(2 * patience):
	}
	c.EndWarmup(8 * time.Second)
	e.timing.Window.Fix()
	if !<-stopped {
		t.Error("iteration 1 is sent after the schedule's end, which is at 9 s now")
	}
}
