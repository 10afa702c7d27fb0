package nethttp

import (
	"context"
	"testing"
	"time"

	"github.com/policycortex/headroom/loadgen/arrival"
	"github.com/policycortex/headroom/scenarios"
)

func TestCrowdWakesForTheFirst(t *testing.T) {
	timing := &arrival.Timing{
		Window: arrival.NewWindow(&scenarios.Scenario{Load: scenarios.Users{Duration: time.Hour}}, nil),
		Think:  arrival.NewThinkTimes(scenarios.ThinkTime{Min: time.Millisecond, Max: time.Millisecond}, 1),
		Shard:  arrival.Whole, Users: 1,
	}
	c := newCrowd(timing)
	ctx, cancel := context.WithCancel(context.Background())
	start := time.Now()
	if !c.next(ctx, start) {
		t.Fatal("the user did not begin")
	}
	first := c.take()
	go c.end(first, 0) // while next waits for anybody at all
	if !c.next(ctx, start) {
		t.Fatal("nobody after the think time")
	}
	if second := c.take(); second.user != first.user || second.n != first.n+1 {
		t.Errorf("%+v after %+v", second, first)
	}
	cancel()
	timing.Window = arrival.NewWindow(&scenarios.Scenario{Load: scenarios.Users{}}, nil)
	if c.next(ctx, start) || newCrowd(timing).next(context.Background(), start) {
		t.Error("somebody sends after the end")
	}
}
