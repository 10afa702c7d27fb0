package loadgen

import (
	"time"

	"github.com/policycortex/headroom/scenarios"
)

// attack is one scenario's run, as far as the engines have it in common.
type attack struct {
	scenario *scenarios.Scenario
	requests *requestSet
	schedule *schedule // nil for constant-vus
	window   *window
	think    *thinkTimes // of its users; nil: they send again at once
	shard    shard
	recorder *recorder
	target   string
	start    time.Time
}

func newAttack(s *scenarios.Scenario, requests *requestSet, sc *schedule, rec *recorder, target string, start time.Time) *attack {
	rec.requests = requests
	return &attack{
		scenario: s, requests: requests, schedule: sc, window: rec.window, think: newThinkTimes(s.ThinkTime, requests.seed), shard: newShard(nil),
		recorder: rec, target: target, start: start,
	}
}

// workers is the most requests that a scenario has in flight at once.
func workers(s *scenarios.Scenario) int {
	if s.Executor == scenarios.ConstantVUs {
		return s.VUs
	}
	return s.MaxVUs
}

// finish closes the books of a scenario that ended now.
func (a *attack) finish() {
	ended := min(time.Since(a.start), a.window.end())
	var planned, measured int64
	if a.schedule != nil {
		planned = a.shard.of(a.schedule.until(ended))
		if planned == a.shard.of(a.window.iterations.Load()) {
			ended = a.window.end() // there was nothing left to send: the rest of its time is a part of the measured window
		}
		measured = planned - min(planned, a.shard.of(a.schedule.until(a.window.begin())))
	}
	a.recorder.finish(planned, measured, ended)
}

// skip closes the books of a scenario that the end of the run did not let start.
func (a *attack) skip() { a.recorder.finish(0, 0, 0) }
