package nethttp

import (
	"context"
	"testing"
	"time"

	"github.com/policycortex/headroom/loadgen/arrival"
	"github.com/policycortex/headroom/scenarios"
)

func TestCrowdWakesForTheFirst(t *testing.T) {
	hour := arrival.NewWindow(&scenarios.Scenario{Load: scenarios.Users{Duration: time.Hour}}, nil)
	c := newCrowd(arrival.NewThinkTimes(scenarios.ThinkTime{Min: time.Millisecond, Max: time.Millisecond}, 1), 1)
	ctx, cancel := context.WithCancel(context.Background())
	start := time.Now()
	if !c.next(ctx, start, hour) {
		t.Fatal("the user did not begin")
	}
	go c.think(0, 0) // while next waits for anybody at all
	if !c.next(ctx, start, hour) {
		t.Fatal("nobody after the think time")
	}
	cancel()
	if c.next(ctx, start, hour) ||
		c.next(context.Background(), start, arrival.NewWindow(&scenarios.Scenario{Load: scenarios.Users{}}, nil)) {
		t.Error("somebody sends after the end")
	}
}
