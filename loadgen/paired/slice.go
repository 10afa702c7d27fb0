package paired

import (
	"context"
	"runtime"
	"slices"
	"time"

	"github.com/policycortex/headroom/loadgen"
	"github.com/policycortex/headroom/loadgen/procstat"
	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/experiment"
	"github.com/policycortex/headroom/results/judge"
	"github.com/policycortex/headroom/scenarios"
)

// Slice is how long the parts of a slice are.
type Slice struct {
	// Warmup is the load on an arm that was just started, before its first slice.
	Warmup time.Duration
	// Discard is the beginning of a slice that does not count: connections are opened in it.
	Discard time.Duration
	// Measure is the part that counts.
	Measure time.Duration
}

// Measured is what became of one slice.
type Measured struct {
	Arm   experiment.Arm
	Parts []judge.SlicePart
}

// measure puts a slice of load on an arm: first the open loads together, then each of the closed ones, because one that
// sends as fast as it can would slow the others down.
func (o *Options) measure(ctx context.Context, arm experiment.Arm, on *Instance, slice Slice, seed uint64) (*Measured,
	error,
) {
	m := &Measured{Arm: arm}
	for _, plan := range slice.plans(o.Plan, seed) {
		part, err := o.part(ctx, on, plan)
		if err != nil {
			return nil, err
		}
		part.Open = plan.Scenarios[0].Load.Open()
		m.Parts = append(m.Parts, part)
		if ctx.Err() != nil {
			break
		}
	}
	return m, nil
}

func (o *Options) part(ctx context.Context, on *Instance, plan *scenarios.Plan) (p judge.SlicePart, err error) {
	runtime.GC() // so that each slice begins with the same heap, and none collects what another has left
	account := &account{of: on, watch: procstat.NewWatch(o.Load.Processes, nil, 0)}
	load := o.Load
	load.Snapshot = account.take
	p.Measurements, err = loadgen.Run(ctx, plan, on.URL, load)
	if err != nil {
		return p, err
	}
	first, last, ok := account.ends()
	if !ok {
		return p, account.err
	}
	// It goes back when a process of the arm ends and nobody keeps what it took: then it is not known.
	p.CPU = max(0, last.cpu-first.cpu)
	if first.counted && last.counted {
		p.Instructions = last.instructions - first.instructions
	}
	p.Window = account.window
	p.MemoryStalled = float64(last.stalled-first.stalled) / float64(last.at.Sub(first.at))
	if first.told && last.told {
		p.Allocated, p.Objects = last.bytes-first.bytes, last.objects-first.objects
	}
	if on.Snapshot != nil && len(p.Views) > 0 {
		p.View = &p.Views[0]
		p.Allocated, p.Objects = p.View.AllocatedBytes, p.View.AllocatedObjects
	}
	return p, account.err
}

// account takes the arm's account at the edges of the measured window.
type account struct {
	of     *Instance
	watch  *procstat.Watch
	window results.HealthSecond // between the first edge and the last one
	taken  []edge
	err    error
}

// edge is what had been used up to an edge of the window.
type edge struct {
	at             time.Time
	cpu            time.Duration
	instructions   int64
	counted        bool          // the instructions are known
	bytes, objects int64         // allocated
	told           bool          // these are known
	stalled        time.Duration // for memory
}

// soon is how long after an edge the account of the arm may be begun.
const soon = 10 * time.Millisecond

// take is called at each edge. What it asks the arm costs CPU time there, which is kept out of the window where the arm
// answers soon.
func (a *account) take(ctx context.Context) (s results.Snapshot, err error) {
	e := edge{at: time.Now(), stalled: procstat.MemoryStall()}
	s.At = e.at
	first := len(a.taken) == 0
	if !first {
		a.window = a.watch.Sofar()
	}
	err = a.read(&e)
	if err == nil {
		err = a.ask(ctx, &e, &s)
	}
	if first {
		if err == nil && time.Since(e.at) < soon {
			err = a.read(&e)
		}
		a.watch.Begin()
	}
	a.taken = append(a.taken, e)
	if err != nil && ctx.Err() == nil {
		a.err = err
	}
	return s, err
}

// read reads what this machine knows of the arm. Others may use the counters of instructions as well: then the slice
// has no such figure.
func (a *account) read(e *edge) (err error) {
	if a.of.CPU != nil {
		e.cpu, err = a.of.CPU()
	}
	if a.of.Instructions != nil {
		n, err := a.of.Instructions()
		e.instructions, e.counted = n, err == nil
	}
	return err
}

// ask asks the arm for its own account. An arm that does not say what it has allocated is not asked again: the slices
// have no such figure until it is started anew.
func (a *account) ask(ctx context.Context, e *edge, s *results.Snapshot) (err error) {
	if a.of.Allocated != nil {
		bytes, objects, err := a.of.Allocated(ctx)
		e.bytes, e.objects, e.told = bytes, objects, err == nil
		if err != nil && ctx.Err() == nil {
			a.of.Allocated = nil
		}
	}
	if a.of.Snapshot != nil {
		*s, err = a.of.Snapshot(ctx)
	}
	return err
}

func (a *account) ends() (first, last edge, ok bool) {
	if len(a.taken) < 2 {
		return first, last, false
	}
	return a.taken[0], a.taken[len(a.taken)-1], true
}

// plans are the parts of a slice: the open loads of a plan, and each closed one. They are as long as a slice, and have
// a seed of their own.
func (s Slice) plans(p *scenarios.Plan, seed uint64) []*scenarios.Plan {
	var open []scenarios.Scenario
	var parts [][]scenarios.Scenario
	for _, sc := range p.Scenarios {
		sc.StartTime, sc.Warmup, sc.AutoWarmup = 0, s.Discard, false
		sc.Load = withLength(sc.Load, s.Discard+s.Measure)
		if sc.Load.Open() {
			open = append(open, sc)
		} else {
			parts = append(parts, []scenarios.Scenario{sc})
		}
	}
	if len(open) > 0 {
		parts = slices.Insert(parts, 0, open)
	}
	var plans []*scenarios.Plan
	for _, part := range parts {
		plan := *p
		plan.Seed, plan.Scenarios = seed, part
		plans = append(plans, &plan)
	}
	return plans
}

// withLength is a steady load that lasts for d.
func withLength(load scenarios.Load, d time.Duration) scenarios.Load {
	switch l := load.(type) {
	case scenarios.ConstantRate:
		l.Duration = d
		return l
	case scenarios.Users:
		l.Duration = d
		return l
	}
	return load
}
