package loadgen

import (
	"time"
)

// Automatic warm-ups. Once a second the scenarios that began at the same time are looked at together, as one load on
// one system: when all of them are steady, the measured windows of all begin with the next second of the run that is
// far enough away for every loop to know in time. Those that start at another time are on their own.

// warmupNotice is the least time between the end of a warm-up and the moment at which it is decided.
const warmupNotice = 500 * time.Millisecond

// alignWarmups gives the automatic warm-ups of scenarios that begin together the shortest of their limits.
func (r *run) alignWarmups() {
	for _, a := range r.scenarios {
		for _, b := range r.warmingWith(a) {
			a.collector.MeasureFrom(min(a.timing.Window.Begin(), b.timing.Window.Begin()))
		}
	}
}

// warmingWith are the scenarios that warm up together with one, itself included; none when it does not.
func (r *run) warmingWith(a *scenarioRun) (all []*scenarioRun) {
	for _, b := range r.scenarios {
		if a.timing.Window.Moves() && b.timing.Window.Moves() && a.scenario.StartTime == b.scenario.StartTime {
			all = append(all, b)
		}
	}
	return all
}

// endWarmups ends the automatic warm-ups of scenarios that are steady, so long after the run's start.
func (r *run) endWarmups(elapsed time.Duration) {
	for _, a := range r.scenarios {
		together := r.warmingWith(a)
		from := (elapsed + warmupNotice + time.Second - 1).Truncate(time.Second) - a.scenario.StartTime
		steady := len(together) > 0 && from < a.timing.Window.Begin()
		for _, b := range together {
			steady = steady && b.collector.IsSteady()
		}
		if !steady {
			continue
		}
		for _, b := range together {
			b.collector.EndWarmup(from)
			b.timing.Window.Fix()
		}
	}
}
