package arrival

import (
	"testing"
	"time"

	"github.com/policycortex/headroom/scenarios"
)

// TestAskedSecondBySecond: the seconds of a schedule have all of its iterations, also those of its shards together, and
// none is asked for before it begins, after it ends, and of a closed load.
func TestAskedSecondBySecond(t *testing.T) {
	for name, load := range map[string]scenarios.Load{
		"even": scenarios.ConstantRate{Rate: 7.5, Duration: 4 * time.Second},
		"ramp": scenarios.RampingRate{
			StartRate: 2, Stages: []scenarios.Stage{{Target: 30, Duration: 3500 * time.Millisecond}},
		},
		"poisson": scenarios.ConstantRate{Rate: 50, Duration: 4 * time.Second, Arrivals: scenarios.Poisson},
		"bursts":  scenarios.Bursts{Size: 9, Every: 1500 * time.Millisecond, Duration: 4 * time.Second},
	} {
		s := &scenarios.Scenario{Load: load}
		schedule := NewSchedule(load, 7)
		var all int64
		for _, shard := range []Shard{{0, 3}, {1, 3}, {2, 3}} {
			timing := &Timing{Schedule: schedule, Window: NewWindow(s, schedule), Shard: shard}
			for second := range 10 {
				all += timing.Asked(time.Duration(second-3)*time.Second, time.Second)
			}
			if early := timing.Asked(-3*time.Second, 3*time.Second); early != 0 {
				t.Errorf("%s: %d iterations are asked for before the start", name, early)
			}
		}
		if all != schedule.Total() {
			t.Errorf("%s: the seconds ask for %d iterations of %d", name, all, schedule.Total())
		}
	}
	closed := &Timing{Window: NewWindow(&scenarios.Scenario{Load: scenarios.Users{VUs: 2, Duration: time.Second}}, nil)}
	if n := closed.Asked(0, time.Second); n != 0 {
		t.Errorf("%d iterations are asked for of a closed load", n)
	}
}
