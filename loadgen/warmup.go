package loadgen

import (
	"time"

	"github.com/policycortex/headroom/results"
)

// Automatic warm-ups. Once a second the scenarios that began at the same time are looked at together, as one load on one
// system: when all of them are steady, the measured windows of all begin with the next second of the run that is far enough
// away for every loop to know in time. Those that start at another time are on their own.

// warmupNotice is the least time between the end of a warm-up and the moment at which it is decided.
const warmupNotice = 500 * time.Millisecond

// alignWarmups gives the automatic warm-ups of scenarios that begin together the shortest of their limits.
func (r *run) alignWarmups() {
	for _, a := range r.attacks {
		for _, b := range r.warmingWith(a) {
			a.recorder.measureFrom(min(a.timing.Window.Begin(), b.timing.Window.Begin()))
		}
	}
}

// warmingWith are the scenarios that warm up together with one, itself included; none when it does not.
func (r *run) warmingWith(a *attack) (all []*attack) {
	for _, b := range r.attacks {
		if a.timing.Window.Moves() && b.timing.Window.Moves() && a.scenario.StartTime == b.scenario.StartTime {
			all = append(all, b)
		}
	}
	return all
}

// endWarmups ends the automatic warm-ups of scenarios that are steady, so long after the run's start.
func (r *run) endWarmups(elapsed time.Duration) {
	for _, a := range r.attacks {
		together := r.warmingWith(a)
		from := (elapsed + warmupNotice + time.Second - 1).Truncate(time.Second) - a.scenario.StartTime
		steady := len(together) > 0 && from < a.timing.Window.Begin()
		for _, b := range together {
			steady = steady && b.recorder.isSteady()
		}
		if !steady {
			continue
		}
		for _, b := range together {
			b.recorder.endWarmup(from)
			b.timing.Window.Fix()
		}
	}
}

// isSteady says whether a scenario that is warming up has been steady over the last full seconds.
func (r *recorder) isSteady() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.warming.Unsteady()) == 0
}

// endWarmup has the measured window begin at an instant since the scenario's start that is still to come.
func (r *recorder) endWarmup(from time.Duration) {
	limit := r.window.Begin()
	r.measureFrom(from)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.load.Warmup = &results.Warmup{Limit: limit.Seconds(), Seconds: from.Seconds(), Ended: results.WarmupSteady}
}

// measureFrom moves the measured window.
func (r *recorder) measureFrom(from time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.window.Move(from, r.schedule)
	r.load.MeasuredFrom = (r.scenario.StartTime + r.window.Begin()).Seconds()
	r.load.MeasuredTo = (r.scenario.StartTime + r.window.End()).Seconds()
	for _, b := range r.seconds {
		b.seconds.Bound(r.load)
	}
}

// warm takes in a second of the warm-up that has been settled.
func (r *recorder) warm(p results.Point, pages []*page) {
	if r.load.Warmup != nil || float64(p.Second) < r.scenario.StartTime.Seconds() || float64(p.Second+1) > r.load.MeasuredFrom || p.Partial {
		return
	}
	var hits, answers int64
	for _, page := range pages {
		hits += page.earlyHits
		answers += page.earlyCacheAnswers
	}
	r.warming.Add(p, hits, answers)
}
