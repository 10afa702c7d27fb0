// Package search carries out the search for a capacity: it sends the mix of a scenario at many rates, one stretch after
// the other, until it is known up to which one the objectives hold.
package search

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"time"

	"github.com/policycortex/headroom/loadgen"
	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/capacity"
	"github.com/policycortex/headroom/results/judge"
	"github.com/policycortex/headroom/scenarios"
)

// Options are what a search is made of.
type Options struct {
	Mix        *scenarios.Mix
	Objectives []scenarios.Threshold
	Target     string          // base URL of the service
	Load       loadgen.Options // what loadgen needs besides the plan and the target
	Seed       uint64          // each stretch has one of its own, which follows from it
	Bracket    Stretch         // of each number of users
	Trial      Stretch
	Soak       Stretch // Measure of 0: no soak
	// Discard is the time of overload, Measure how long the service is watched after it; 0: none
	Beyond     Stretch
	Width      float64       // of the interval, as a share of its middle
	MaxTime    time.Duration // of the whole search
	ServerCPUs int           // that the reference server may use; 0: not known
	// Measured is called after each stretch, from one goroutine. posterior is nil before the first open one.
	Measured func(t results.CapacityTrial, posterior *capacity.Posterior)
}

// Stretch is how long a stretch of load is.
type Stretch struct{ Discard, Measure time.Duration }

func (s Stretch) length() time.Duration { return s.Discard + s.Measure }

// forRate is a stretch that is up to twice as long where it would have fewer than 4,000 requests: few requests that
// wait for each other say little of a percentile.
func (s Stretch) forRate(rate float64) Stretch {
	const enough, longest = 4000, 2.0
	factor := min(max(1, enough/(rate*s.Measure.Seconds())), longest)
	longer := func(d time.Duration) time.Duration { return time.Duration(float64(d) * factor) }
	return Stretch{Discard: longer(s.Discard), Measure: longer(s.Measure)}
}

// Found is what a search came to.
type Found struct {
	Started     time.Time
	Elapsed     time.Duration
	Interrupted bool
	Bracket     []results.CapacityTrial
	Level       bool                    // more users no longer raised the throughput
	Trial       Stretch                 // as long as trials were
	Instances   []results.CapacityTrial // users in closed loops on some of the instances
	Trials      []results.CapacityTrial
	Search      *capacity.Search // nil where it did not get so far
	Beyond      *results.Beyond
	// Iterations and Requests were answered in all open trials that count.
	Iterations float64
	Requests   int64
}

const (
	// grace is how long answers are waited for after a stretch: the service must get rid of what it was sent before
	// the next one.
	grace = 5 * time.Second
	// around is how long it takes as a rule, with all else between two stretches.
	around = time.Second
	// mostTrials is how many trials a search makes at most, unless its time is enough for more.
	mostTrials = 60
	// mostUsers bounds the closed loops.
	mostUsers = 1024
	// stillRising is by how much the throughput must rise for the number of users to be doubled once more.
	stillRising = 1.08
	// fewestSteps are made in any case: the scalability law needs them.
	fewestSteps = 6
)

// Run carries out a search. When ctx is cancelled, what was found until then is returned, as interrupted. An error
// means that the load could not be sent.
func Run(ctx context.Context, o Options) (*Found, error) {
	f := &Found{Started: time.Now(), Trial: o.Trial}
	err := o.run(ctx, f)
	f.Elapsed, f.Interrupted = time.Since(f.Started), ctx.Err() != nil
	if f.Interrupted {
		err = nil // whatever failed then failed because of it
	}
	return f, err
}

func (o *Options) run(ctx context.Context, f *Found) error {
	if err := o.bracket(ctx, f); err != nil || ctx.Err() != nil {
		return err
	}
	if err := o.instances(ctx, f); err != nil || ctx.Err() != nil {
		return err
	}
	var err error
	reached := best(f.Bracket).GoodRate()
	o.Trial = o.Trial.forRate(reached)
	f.Trial = o.Trial
	f.Search, err = capacity.NewSearch(reached, o.rule(f.Level))
	if err != nil {
		return err
	}
	for {
		step := f.Search.Next(o.left(f).Seconds())
		if step.Kind == capacity.Over {
			break
		}
		step.Rate = o.Mix.Sent(step.Rate)
		t, err := o.trial(ctx, f, step)
		if err != nil || ctx.Err() != nil {
			return err
		}
		f.Search.Add(step, capacity.Seen{
			Bad: t.Bad, Excess: t.Excess, May: t.MayMiss, Veto: t.Veto != "",
			Limit: t.Limit,
		})
		f.Trials = append(f.Trials, t)
		o.Measured(t, f.Search.Posterior())
		if err := o.recovery(ctx, f, t); err != nil || ctx.Err() != nil {
			return err
		}
	}
	if o.Beyond.Discard == 0 || o.left(f) < around+o.Beyond.length() || !f.Search.Posterior().Both() ||
		f.Search.Spoilt() {
		return nil
	}
	return o.beyond(ctx, f)
}

// rule says when the search is over. Each step takes some time around it, which the search plans with.
func (o *Options) rule(level bool) capacity.Rule {
	r := capacity.Rule{
		Level: level,
		Width: o.Width, Most: max(mostTrials, int(o.MaxTime/o.Trial.length())),
		Trial: (o.Trial.length() + around).Seconds(),
	}
	if o.Soak.Measure > 0 {
		r.Soak = (o.Soak.length() + around).Seconds()
	}
	if o.Beyond.Discard > 0 {
		r.Beyond = (o.Beyond.length() + around).Seconds()
	}
	return r
}

// left is how much time there is for further steps: one that ends with it is over in time though answers are waited for
// as long as they ever are.
func (o *Options) left(f *Found) time.Duration {
	return o.MaxTime - time.Since(f.Started) - (grace - around)
}

// bracket has users send the mix as fast as the service answers, twice as many each time. It ends when the throughput
// no longer rises.
func (o *Options) bracket(ctx context.Context, f *Found) error {
	most := 0.0 // of all stretches
	for step, users := 0, 1; users <= min(mostUsers, o.Mix.Workers()) || step < fewestSteps; step, users = step+1,
		2*users {
		if step > 0 && time.Since(f.Started) > o.MaxTime/3 {
			break
		}
		m, began, err := o.send(ctx, f, o.Mix.Closed(users, o.stretch(o.Bracket, len(f.Bracket))))
		if err != nil || ctx.Err() != nil {
			return err
		}
		t, err := judge.ClosedStretch(m)
		if err != nil {
			return err
		}
		t.Kind, t.Users, t.At = results.TrialClosed, users, began.Seconds()
		f.Bracket = append(f.Bracket, t)
		o.Measured(t, nil)
		good := t.GoodRate()
		ends := good < most*stillRising && step+1 >= fewestSteps
		most = max(most, good)
		if ends && (t.Veto == "" || t.Limit) {
			f.Level = !t.Limit
			break
		}
	}
	if most == 0 {
		return errors.New("no request succeeded, with any number of users: see that the scenario works with " +
			"headroom try")
	}
	return nil
}

// best is the stretch in which the rate of good iterations was highest: of those that say something where one of them
// has any, else of all.
func best(bracket []results.CapacityTrial) (best results.CapacityTrial) {
	for _, vetoed := range []bool{false, true} {
		for _, t := range bracket {
			if (t.Veto != "") == vetoed && t.GoodRate() > best.GoodRate() {
				best = t
			}
		}
		if best.GoodRate() > 0 {
			break
		}
	}
	return best
}

// trial sends the mix at the rate of a step, which is one that the mix sends.
func (o *Options) trial(ctx context.Context, f *Found, step capacity.Step) (t results.CapacityTrial, err error) {
	length, kind := o.Trial, results.TrialSearch
	switch step.Kind {
	case capacity.Light:
		kind = results.TrialLight
	case capacity.Soak:
		length, kind = o.Soak, results.TrialSoak
	}
	s := o.stretch(length, len(f.Bracket)+len(f.Instances)+len(f.Trials))
	m, began, err := o.send(ctx, f, o.Mix.AtRate(step.Rate, s))
	if err != nil || ctx.Err() != nil {
		return t, err
	}
	t, err = o.judged(m, kind, step.Rate, began)
	if err != nil {
		return t, err
	}
	if kind == results.TrialLight && t.Veto == "" {
		t.Veto = judge.BusyAtLightLoad(t.Use)
	}
	if t.Veto == "" && !f.hadUsers(m, t) {
		t.Veto, err = judge.UsersRanOut(m, o.Objectives)
		t.Limit = t.Veto != ""
	}
	if t.Veto == "" {
		f.Iterations, f.Requests = f.Iterations+t.Achieved*t.Seconds, f.Requests+t.Requests
	}
	return t, err
}

// judged is a trial of a kind at a rate, as measured.
func (o *Options) judged(m *results.Measurements, kind string, rate float64, began time.Duration) (
	results.CapacityTrial, error,
) {
	t, err := judge.CapacityTrial(m, o.Objectives)
	t.Use.ServerCPUs = o.ServerCPUs
	t.Kind, t.Rate, t.At = kind, rate, began.Seconds()
	return t, err
}

// hadUsers says that a trial did not lack users. Closed loops showed that more of them get no more of the service: then
// each scenario had as many as all closed loops that got the most, or the service answered as much as it did them.
func (f *Found) hadUsers(m *results.Measurements, t results.CapacityTrial) bool {
	most := best(f.Bracket)
	enough := !slices.ContainsFunc(m.Loads, func(l *results.Load) bool { return l.MaxVUs < most.Users })
	return f.Level && (enough || t.GoodRate()*stillRising >= most.GoodRate())
}

// stretch is a stretch with a seed of its own.
func (o *Options) stretch(s Stretch, number int) scenarios.Stretch {
	return scenarios.Stretch{Discard: s.Discard, Measure: s.Measure, Grace: grace, Seed: o.Seed + uint64(number) + 1}
}

// send carries out a plan on all instances, and says when that began.
func (o *Options) send(ctx context.Context, f *Found, plan *scenarios.Plan) (*results.Measurements, time.Duration,
	error,
) {
	return o.sendTo(ctx, f, plan, o.targets())
}

// sendTo is send to instances with these base URLs.
func (o *Options) sendTo(ctx context.Context, f *Found, plan *scenarios.Plan, instances []string) (
	*results.Measurements, time.Duration, error,
) {
	load := o.Load
	load.Others = instances[1:]
	runtime.GC() // so that none collects what another has left
	began := time.Since(f.Started)
	m, err := loadgen.Run(ctx, plan, instances[0], load)
	return m, began, err
}

func share(part, whole int64) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

// RequestsPerIteration is how many requests an iteration has: 1 unless there are flows.
func (f *Found) RequestsPerIteration() float64 {
	if f.Iterations == 0 {
		return 1
	}
	return float64(f.Requests) / f.Iterations
}
