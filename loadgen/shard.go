package loadgen

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/policycortex/headroom/loadgen/arrival"
	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// sharded returns the plan with a shard's share of users and connections.
func sharded(plan *scenarios.Plan, s *results.Shard) (*scenarios.Plan, error) {
	if s == nil {
		return plan, nil
	}
	if s.Of < 1 || s.Index < 0 || s.Index >= s.Of {
		return nil, fmt.Errorf("there is no shard %v", s)
	}
	part := *plan
	if most := &part.Target.HTTP.MaxConnections; *most > 0 {
		if *most < s.Of {
			return nil, fmt.Errorf("http.maxConnections is %d, too few for %d shards", *most, s.Of)
		}
		*most = arrival.Share(*most, s.Index, s.Of)
	}
	part.Scenarios = slices.Clone(plan.Scenarios)
	for i := range part.Scenarios {
		one := &part.Scenarios[i]
		if one.AutoWarmup {
			return nil, fmt.Errorf("the warm-up of scenario %s is automatic, and each shard would end it by itself",
				one.Name)
		}
		workers := one.Load.Workers()
		if workers < s.Of {
			return nil, fmt.Errorf("scenario %s has %d connections or users, too few for %d shards", one.Name,
				workers, s.Of)
		}
		one.Load = one.Load.WithWorkers(arrival.Share(workers, s.Index, s.Of))
	}
	return &part, nil
}

// preparation is how long before a given start the first reading of the health is taken, which takes a millisecond.
const preparation = 20 * time.Millisecond

// awaitStart waits for the instant at which the run is to start, where one was given, calls prepare just before it, and
// returns the start of the run. The instant counts from then on by the monotonic clock: a wall clock that is set
// meanwhile does not move the schedule.
func (r *run) awaitStart(ctx context.Context, prepare func()) (time.Time, error) {
	if r.options.StartAt.IsZero() {
		prepare()
		return time.Now(), nil
	}
	now := time.Now()
	left := r.options.StartAt.Sub(now)
	if left < 0 {
		return now, fmt.Errorf("everything was ready only %v after the instant at which the run was to start: give "+
			"a later one", -left)
	}
	if err := sleep(ctx, left-preparation); err != nil {
		return now, err
	}
	prepare()
	start := now.Add(left) // by the monotonic clock
	return start, sleep(ctx, time.Until(start))
}
