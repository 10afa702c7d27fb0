package loadgen

import (
	"time"

	"github.com/policycortex/headroom/loadgen/arrival"
	"github.com/policycortex/headroom/loadgen/random"
	"github.com/policycortex/headroom/loadgen/record"
	"github.com/policycortex/headroom/loadgen/recording"
	"github.com/policycortex/headroom/loadgen/request"
	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// scenarioRun is one scenario's part of a run: what it hands to its engine, and what it asks of the outcome.
type scenarioRun struct {
	scenario  *scenarios.Scenario
	requests  *request.Set
	timing    *arrival.Timing
	collector *record.Collector
	users     *request.Pool // logged in; nil where users keep nothing
	start     time.Time
}

// newScenarioRun prepares a scenario of the plan.
func newScenarioRun(plan *scenarios.Plan, s *scenarios.Scenario, o *Options) (*scenarioRun, error) {
	requests, err := o.requests(plan, s)
	if err != nil {
		return nil, err
	}
	seed, log := random.ScenarioSeed(plan.Seed, s.Name), o.Recordings[s.Name]
	schedule := scheduleOf(s, seed, log)
	timing := &arrival.Timing{
		Schedule: schedule, Window: arrival.NewWindow(s, schedule),
		Think: arrival.NewThinkTimes(scenarios.ThinkTimeOf(s.Load), seed),
		Ramp:  arrival.NewRamp(s.Load), Count: arrival.NewCount(s.Load, shardOf(o.Shard)),
		Shard: shardOf(o.Shard), Users: workersOf(plan, s), GracefulStop: s.GracefulStop,
	}
	r := &scenarioRun{scenario: s, requests: requests, timing: timing, collector: record.New(plan, s, timing, requests)}
	if log != nil {
		r.collector.SetRecording(log.SHA256)
	}
	return r, nil
}

// workersOf is how many requests of a scenario may be in flight at once, or how many users it has. Those of an open
// load have a connection each, but for HTTP/2.
func workersOf(plan *scenarios.Plan, s *scenarios.Scenario) int {
	most := plan.Target.HTTP.MaxConnections
	if s.Load.Executor().HasUsers() || most == 0 || plan.Target.HTTP.Version == scenarios.HTTP2 {
		return s.Load.Workers()
	}
	return min(s.Load.Workers(), most)
}

// requests are those of a scenario of the plan.
func (o *Options) requests(plan *scenarios.Plan, s *scenarios.Scenario) (*request.Set, error) {
	return request.New(plan.Seed, s, request.Sources{
		Fixture: o.Fixture, Feeders: o.Feeders, Recording: o.Recordings[s.Name], Secrets: o.Secrets, Setup: o.setup,
		TraceRatio: plan.SampledRatio(),
	})
}

// scheduleOf is the schedule of a scenario with the given seed; log is what it replays. It is nil for a closed load.
func scheduleOf(s *scenarios.Scenario, seed uint64, log *recording.Log) *arrival.Schedule {
	replay, ok := s.Load.(scenarios.Replay)
	switch {
	case !ok:
		return arrival.NewSchedule(s.Load, seed)
	case log.Length > 0:
		return arrival.Recorded(log.At, log.Len(), replay.Recording.Speed, replay.Duration)
	case replay.Repeat > 0:
		return arrival.NewSchedule(scenarios.ConstantRate{Rate: replay.Rate, Duration: replay.Repeat}, seed)
	}
	return arrival.Steady(replay.Rate, replay.Duration, log.Len()) // the file has no times
}

// finish closes the account of a scenario that ended now.
func (r *scenarioRun) finish() {
	r.collector.Finish(r.timing.Planned(time.Since(r.start)))
}

// skip closes the account of a scenario that the end of the run did not let start.
func (r *scenarioRun) skip() { r.collector.Finish(0, 0, 0) }

// measured is the scenario's measured window since the run's start.
func (r *scenarioRun) measured() (from, to time.Duration) {
	return r.scenario.StartTime + r.timing.Window.Begin(), r.scenario.StartTime + r.timing.Window.End()
}

// covers reports whether the measured window covers a stretch of time since the run's start.
func (r *scenarioRun) covers(from, to time.Duration) bool {
	begin, end := r.measured()
	return begin <= from && to <= end
}

func (r *scenarioRun) progress(elapsed time.Duration) ScenarioProgress {
	at := r.collector.Progress()
	p := ScenarioProgress{
		Name: r.scenario.Name, Last: at.Last, Sent: at.Sent, Failed: at.Failed, InFlight: at.InFlight, State: Measuring,
		Streams: isStream(r.scenario),
	}
	switch t := elapsed - r.scenario.StartTime; {
	case at.Finished:
		p.State = Done
	case t < 0:
		p.State = Waiting
	case t < r.timing.Window.Begin():
		p.State = WarmingUp
	case t >= r.timing.Window.End():
		p.State = Draining
	}
	return p
}

func shardOf(s *results.Shard) arrival.Shard {
	if s == nil {
		return arrival.Whole
	}
	return arrival.Shard{Index: int64(s.Index), Count: int64(s.Of)}
}
