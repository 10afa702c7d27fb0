package loadgen

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/policycortex/headroom/scenarios"
)

// engine sends one scenario's requests and records what becomes of them.
type engine interface {
	// run returns when the schedule and gracefulStop have ended, or soon after ctx is cancelled, and closes the books.
	run(ctx context.Context)
	// discard frees what an engine holds that does not run.
	discard()
	// name is what the run's record says, once it has run.
	name() string
}

// isWire reports whether a scenario is sent by the wire engine: where it can do what the scenario needs, unless the plan says
// otherwise.
func (r *run) isWire(s *scenarios.Scenario) bool {
	return r.plan.EngineOf(s) != scenarios.EngineVegeta && r.plan.BeyondWire(s) == "" && strings.HasPrefix(r.target, "http://")
}

// wireLoops is how many loops a scenario has on the wire engine; 0 when the vegeta engine sends it.
func (r *run) wireLoops(s *scenarios.Scenario) int {
	if !r.isWire(s) {
		return 0
	}
	return min(r.cores, s.Load.Workers())
}

// places is the GOMAXPROCS that the run needs. Each loop of the wire engine holds a place for as long as it works. One more
// is for everything else, or one for each core where the vegeta engine sends as well.
func (r *run) places() int {
	loops := mostAtOnce(r.plan, r.wireLoops)
	vegeta := slices.ContainsFunc(r.attacks, func(a *attack) bool { return !r.isWire(a.scenario) })
	switch {
	case loops == 0:
		return r.cores
	case vegeta:
		return loops + r.cores
	default:
		return max(loops, r.cores) + 1
	}
}

// nameEngines records which engines sent the loads: for the whole run, and for each load where they differ.
func (r *run) nameEngines(engines []engine) {
	var names []string
	for _, e := range engines {
		if !slices.Contains(names, e.name()) {
			names = append(names, e.name())
		}
	}
	r.m.Engine = strings.Join(names, " and ")
	if len(names) > 1 {
		for i, a := range r.attacks {
			a.recorder.load.Engine = engines[i].name()
		}
	}
	if slices.ContainsFunc(r.attacks, func(a *attack) bool { return r.isWire(a.scenario) }) {
		r.m.Pacing = string(cmp.Or(r.plan.Pacing, scenarios.Precise))
	}
}
