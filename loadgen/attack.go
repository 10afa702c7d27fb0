package loadgen

import (
	"time"

	"github.com/policycortex/headroom/loadgen/arrival"
	"github.com/policycortex/headroom/loadgen/request"
	"github.com/policycortex/headroom/scenarios"
)

// attack is one scenario's run, as far as the engines have it in common.
type attack struct {
	scenario *scenarios.Scenario
	requests *request.Set
	timing   *arrival.Timing
	recorder *recorder
	target   string
	start    time.Time
}

func newAttack(s *scenarios.Scenario, requests *request.Set, sc *arrival.Schedule, rec *recorder, target string, start time.Time, seed uint64) *attack {
	rec.requests = requests
	users, _ := s.Load.(scenarios.Users)
	return &attack{
		scenario: s, requests: requests, recorder: rec, target: target, start: start,
		timing: &arrival.Timing{
			Schedule: sc, Window: rec.window, Think: arrival.NewThinkTimes(users.ThinkTime, seed), Shard: arrival.Whole,
			Users: s.Load.Workers(), GracefulStop: s.GracefulStop,
		},
	}
}

// finish closes the books of a scenario that ended now.
func (a *attack) finish() {
	planned, measured, ended := a.timing.Planned(time.Since(a.start))
	a.recorder.finish(planned, measured, ended)
}

// skip closes the books of a scenario that the end of the run did not let start.
func (a *attack) skip() { a.recorder.finish(0, 0, 0) }
