package loadgen

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/policycortex/headroom/loadgen/browser"
	"github.com/policycortex/headroom/loadgen/nethttp"
	"github.com/policycortex/headroom/loadgen/stream"
	"github.com/policycortex/headroom/loadgen/wire"
	"github.com/policycortex/headroom/scenarios"
)

// engine sends one scenario's requests. It is made of a timing, a request set and a collector, into whose recorders it
// counts what becomes of them.
type engine interface {
	// Run returns when the schedule and gracefulStop have ended, or soon after ctx is cancelled. Its recorders are
	// closed then. start is the scenario's.
	Run(ctx context.Context, start time.Time)
	// Discard frees what an engine holds that does not run.
	Discard()
	// Name is what the run's record says, once it has run.
	Name() string
}

// isWire reports whether a scenario is sent by the wire engine: where it can do what the scenario needs, unless the
// plan says otherwise.
func (r *run) isWire(s *scenarios.Scenario) bool {
	_, pages := s.Load.(scenarios.Browser)
	return !pages && !isStream(s) && r.plan.EngineOf(s) != scenarios.EngineVegeta && r.plan.BeyondWire(s) == "" &&
		(strings.HasPrefix(r.target, "http://") || r.plan.Target.IsHTTPS())
}

// isStream reports whether a scenario is one of subscribers.
func isStream(s *scenarios.Scenario) bool {
	_, streams := s.Load.(scenarios.Subscribers)
	return streams
}

// loops is how many loops a scenario has that each hold a place of the scheduler.
func (r *run) loops(s *scenarios.Scenario) int {
	if isStream(s) {
		return min(r.cores, s.Load.Workers())
	}
	return r.wireLoops(s)
}

// wireLoops is how many loops a scenario has on the wire engine; 0 when the vegeta engine sends it.
func (r *run) wireLoops(s *scenarios.Scenario) int {
	if !r.isWire(s) {
		return 0
	}
	return min(r.cores, s.Load.Workers(), r.mostConnections())
}

// mostConnections is how many connections a scenario may have: each loop has one of its own.
func (r *run) mostConnections() int {
	if most := r.plan.Target.HTTP.MaxConnections; most > 0 {
		return most
	}
	return math.MaxInt
}

// engines prepares an engine for each scenario.
func (r *run) engines(ctx context.Context) ([]engine, error) {
	var all []engine
	targets := map[string]wire.Target{}
	for _, s := range r.scenarios {
		var e engine
		var err error
		instances := r.options.instancesOf(s.scenario, r.target)
		switch load := s.scenario.Load.(type) {
		case scenarios.Browser:
			e, err = browser.New(ctx, browser.Config{
				Timing: s.timing, Requests: s.requests, Collector: s.collector, Target: instances, Load: load,
			})
		case scenarios.Subscribers:
			e, err = stream.New(ctx, stream.Config{
				Load: load, Timing: s.timing, Requests: s.requests, Collector: s.collector, Target: instances,
				Loops: r.loops(s.scenario), Portable: r.options.portable, To: r.to,
			})
		default:
			e, err = r.requestEngine(ctx, s, instances, targets)
		}
		if err != nil {
			discard(all)
			return nil, err
		}
		all = append(all, e)
	}
	return all, nil
}

// requestEngine prepares the engine of a scenario that sends requests. targets are those of the wire engine that are
// known, by region.
func (r *run) requestEngine(ctx context.Context, s *scenarioRun, instances []string,
	targets map[string]wire.Target,
) (engine, error) {
	places, err := r.to.Places(ctx, instances)
	if err != nil {
		return nil, fmt.Errorf("find the addresses of the target: %w", err)
	}
	if !r.isWire(s.scenario) {
		return nethttp.New(nethttp.Config{
			Timing: s.timing, Requests: s.requests, Collector: s.collector, Target: places, To: r.to,
			Users: s.users,
		}), nil
	}
	target, known := targets[s.scenario.Region]
	if !known {
		var warnings []string
		target, warnings, err = wire.NewTarget(ctx, r.to, places)
		if err != nil {
			return nil, err
		}
		r.m.Warnings = append(r.m.Warnings, warnings...)
		targets[s.scenario.Region] = target
	}
	return wire.New(wire.Config{
		Timing: s.timing, Requests: s.requests, Collector: s.collector, Target: target,
		Loops: r.wireLoops(s.scenario), Pacing: r.plan.Pacing, Backend: r.options.backend,
		Once:        r.plan.Target.HTTP.Close,
		Connections: r.plan.Target.HTTP.MaxConnections,
		Users:       s.users,
	})
}

func discard(engines []engine) {
	for _, e := range engines {
		e.Discard()
	}
}

// nameEngines records which engines sent the loads: for the whole run, and for each load where they differ.
func (r *run) nameEngines(engines []engine) {
	var names []string
	for _, e := range engines {
		if !slices.Contains(names, e.Name()) {
			names = append(names, e.Name())
		}
	}
	r.m.Engine = strings.Join(names, " and ")
	if len(names) > 1 {
		for i, s := range r.scenarios {
			s.collector.SetEngine(engines[i].Name())
		}
	}
	if slices.ContainsFunc(r.scenarios, func(s *scenarioRun) bool { return r.isWire(s.scenario) }) {
		r.m.Pacing = string(cmp.Or(r.plan.Pacing, scenarios.Precise))
	}
}
