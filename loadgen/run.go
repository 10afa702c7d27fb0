// Package loadgen makes the load: it turns a plan's schedules into requests, sends them, and counts what becomes of
// them. All sleeping and all sending of the harness happen here.
package loadgen

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/policycortex/headroom/loadgen/connect"
	"github.com/policycortex/headroom/loadgen/procstat"
	"github.com/policycortex/headroom/loadgen/request"
	"github.com/policycortex/headroom/loadgen/rpc"
	"github.com/policycortex/headroom/loadgen/wire"
	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/judge"
	"github.com/policycortex/headroom/scenarios"
)

// Options are what a run needs besides its plan.
type Options struct {
	// Others are the base URLs of the target's other instances. The iterations of an open load go to all of them in
	// turns, users are spread over them, and a flow stays where it began.
	Others []string
	// Regions are the base URLs to which scenarios that name a region send, by the names of the regions. It may be nil
	// when none does.
	Regions map[string]string
	// Fixture resolves the fixture's key sets; nil when the target is the user's own service.
	Fixture func(name string) (request.KeySet, error)
	// Feeders are those of the plan, loaded.
	Feeders request.Feeders
	// Recordings are those of the plan, loaded.
	Recordings request.Recordings
	// Snapshot asks the reference server for its own account; nil when the target is the user's own service.
	Snapshot func(ctx context.Context) (results.Snapshot, error)
	// Sample is Snapshot without what only the ends of a window need, cheap enough to be asked once a second. It may be
	// nil.
	Sample func(ctx context.Context) (results.Snapshot, error)
	// Processes says where the system's processes are; empty is unknown.
	Processes results.Processes
	// Fault injects a fault of the plan and returns when it has happened; nil when the plan has none.
	Fault func(ctx context.Context, f scenarios.Fault) error
	// Shared says that the system runs on this machine: the generator then keeps to half of its CPUs, because threads
	// of both that are moved about cost each of them more than it gains. GOMAXPROCS in the environment goes before it.
	Shared bool
	// Shard is the part of the schedule that is carried out; nil: all of it. Connections and users are split as well.
	Shard *results.Shard
	// Secrets is what keeps secrets out of the messages of errors; may be nil.
	Secrets *scenarios.Redactor
	// StartAt is the instant at which the run starts, once everything is ready; zero: then.
	StartAt time.Time
	// Progress, when not nil, is called about once a second and once at the end, from one goroutine.
	Progress func(Progress)
	// Second, when not nil, is called like Progress with what has been measured so far. It must return soon: the
	// seconds of the run are not flushed meanwhile.
	Second func(Second)

	to       *connect.To       // how the target is reached
	setup    map[string]string // what the plan's setup has extracted, by name
	backend  wire.Backend      // in tests
	portable bool              // likewise: streams do without an epoll
}

// Progress is the state of a run under way.
type Progress struct {
	Elapsed, Total time.Duration // Total is without gracefulStop
	Scenarios      []ScenarioProgress
}

// ScenarioProgress is one scenario's part of Progress.
type ScenarioProgress struct {
	Name     string
	State    State
	Last     results.Point // the last full second
	Sent     int64
	Failed   int64
	InFlight int64
	// Streams says that it is one of subscribers: then Requests of Last are events, their times those of delivery,
	// Failed are breaks, and InFlight are open streams.
	Streams bool
}

// State is where a scenario is in its course.
type State string

// The states of a scenario.
const (
	Waiting   State = "waiting"
	WarmingUp State = "warm-up"
	Measuring State = "measuring"
	Draining  State = "draining" // its schedule has ended and requests are still late or in flight
	Done      State = "done"
)

// Run carries out the plan against the service at the base URL target and returns what it measured: it sends the plan's
// setup, has the users of its scenarios log in, makes the load, and sends the plan's teardown. A cancelled ctx ends the
// run early: the measurements until then are returned, marked as interrupted. An error means that there are none.
func Run(ctx context.Context, plan *scenarios.Plan, target string, o Options) (*results.Measurements, error) {
	if len(plan.Faults) > 0 && o.Fault == nil {
		return nil, errors.New("prepare load: the plan has faults, and nobody to inject them")
	}
	plan, err := sharded(plan, o.Shard)
	if err != nil {
		return nil, fmt.Errorf("prepare load: %w", err)
	}
	for _, s := range plan.Scenarios {
		if s.Region != "" && o.Regions[s.Region] == "" {
			return nil, fmt.Errorf("prepare load: scenario %s sends to region %s, which is nowhere", s.Name, s.Region)
		}
	}
	to, err := connect.Load(plan)
	if err != nil {
		return nil, err
	}
	o.to = to
	plan, err = rpc.Resolve(ctx, plan, to, target)
	if err != nil {
		return nil, err
	}
	if err := o.setUp(ctx, plan, target); err != nil {
		return nil, err
	}
	m, err := runLoad(ctx, plan, target, o)
	atEnd := o.tearDown(ctx, plan, target)
	if atEnd != nil && m != nil { // what was measured holds nevertheless
		m.Warnings = append(m.Warnings, atEnd.Error())
		atEnd = nil
	}
	return m, errors.Join(err, atEnd)
}

// runLoad has the users log in, and makes the load.
func runLoad(ctx context.Context, plan *scenarios.Plan, target string, o Options) (*results.Measurements, error) {
	r := &run{
		plan: plan, target: target, options: o, to: o.to,
		m: &results.Measurements{FeederSHA256: o.Feeders.Sums()},
	}
	for i := range plan.Scenarios {
		one, err := newScenarioRun(plan, &plan.Scenarios[i], &o)
		if err != nil {
			return nil, fmt.Errorf("prepare load: %w", err)
		}
		one.users, err = o.users(ctx, plan, one.scenario, target)
		if err != nil {
			return nil, err
		}
		r.scenarios = append(r.scenarios, one)
	}
	r.alignWarmups()
	return r.run(ctx)
}

// instances are the base URLs of all instances of a target.
func (o *Options) instances(target string) []string { return append([]string{target}, o.Others...) }

// instancesOf are those that a scenario sends to: one, where it names a region.
func (o *Options) instancesOf(s *scenarios.Scenario, target string) []string {
	if s.Region != "" {
		return []string{o.Regions[s.Region]}
	}
	return o.instances(target)
}

// everywhere are the base URLs of all instances, in all regions.
func (o *Options) everywhere(target string) []string {
	all := o.instances(target)
	for _, url := range o.Regions {
		if !slices.Contains(all, url) {
			all = append(all, url)
		}
	}
	return all
}

// run is a run under way.
type run struct {
	plan      *scenarios.Plan
	target    string
	options   Options
	to        *connect.To
	told      told
	cores     int // that the generator may keep busy
	scenarios []*scenarioRun
	start     time.Time
	m         *results.Measurements
}

// errAborted ends a run whose threshold was crossed.
var errAborted = errors.New("a threshold was crossed")

func (r *run) run(ctx context.Context) (*results.Measurements, error) {
	load, abort := context.WithCancelCause(ctx)
	defer abort(nil)
	r.makePlaces()
	defer underWay.end()
	engines, err := r.engines(ctx)
	if err != nil {
		return nil, err
	}
	watch := procstat.NewWatch(r.options.Processes, localAddresses(ctx, r.options.everywhere(r.target)),
		filesNeeded(r.plan))
	r.start, err = r.awaitStart(ctx, watch.Begin)
	if err != nil {
		discard(engines)
		return nil, err
	}
	r.m.Started = r.start
	r.told = told{watch: watch, next: make([]int, len(r.scenarios))}
	for _, s := range r.scenarios {
		s.start = r.start.Add(s.scenario.StartTime)
	}
	observer := newObserver(r.scenarios, r.options.Snapshot)
	observer.watch(load, r.start)

	loadEnded := r.accompany(load, watch)

	ticking := make(chan struct{})
	var ticker sync.WaitGroup
	ticker.Go(func() { r.tick(load, abort, ticking) })
	var loads sync.WaitGroup
	for i, s := range r.scenarios {
		loads.Go(func() {
			if sleep(load, time.Until(s.start)) == nil {
				engines[i].Run(load, s.start)
				s.finish()
			} else {
				engines[i].Discard()
				s.skip()
			}
		})
	}
	loads.Wait()
	close(ticking)
	ticker.Wait()
	loadEnded()
	r.m.Interrupted = ctx.Err() != nil
	r.m.Elapsed = time.Since(r.start).Seconds()
	r.nameEngines(engines)
	r.m.Generator, r.m.Health = watch.End()
	views, warnings := observer.finish(context.WithoutCancel(ctx))
	r.m.Views, r.m.Warnings = views, append(r.m.Warnings, warnings...)
	if err := r.collect(r.m); err != nil {
		return nil, err
	}
	r.m.Warnings = append(r.m.Warnings, r.options.Recordings.Warnings(r.plan)...)
	for _, l := range r.m.Loads {
		if l.Resent > 0 {
			r.m.Warnings = append(r.m.Warnings, fmt.Sprintf("%s: requests were sent again on another HTTP/2 stream, "+
				"because the server refused them or the connection broke before it answered: %d × in all", l.Scenario,
				l.Resent))
		}
		if scenarios.Executor(l.Executor).HasUsers() {
			r.m.Warnings = append(r.m.Warnings,
				fmt.Sprintf("%s: %s waits for each answer before it sends again, so a slow "+
					"system is asked less: its percentiles leave out the requests that users would have sent meanwhile",
					l.Scenario, l.Executor))
		}
	}
	if r.options.Progress != nil {
		r.options.Progress(r.progress())
	}
	r.tellSecond()
	return r.m, nil
}

// accompany injects the plan's faults and samples the server and the health while the load goes on. The function that
// it returns ends that, and puts what became of it into m.
func (r *run) accompany(load context.Context, watch *procstat.Watch) (loadEnded func()) {
	ctx, cancel := context.WithCancel(load)
	faults := &injector{faults: r.plan.Faults, inject: r.options.Fault}
	samples := &sampler{ask: r.options.Sample}
	var all sync.WaitGroup
	all.Go(func() { faults.run(ctx, r.start) })
	all.Go(func() { samples.run(ctx, r.start) })
	all.Go(func() { watch.Run(ctx, r.start) })
	return func() {
		cancel()
		all.Wait()
		if load.Err() == nil {
			faults.missRest(time.Since(r.start))
			samples.end(load, r.start)
		}
		r.m.Marks, r.m.Samples = faults.marks, samples.samples
	}
}

// collect gathers the accounts of the scenarios into m.
func (r *run) collect(m *results.Measurements) error {
	var errs []error
	for _, s := range r.scenarios {
		errs = append(errs, s.collector.AddTo(m))
	}
	return errors.Join(errs...)
}

// flushDelay is how long after a second's end the loops have usually handed over what they counted in it.
const flushDelay = 150 * time.Millisecond

// tick flushes the seconds, reports progress and looks for crossed thresholds once a second.
func (r *run) tick(ctx context.Context, abort context.CancelCauseFunc, done <-chan struct{}) {
	t := time.NewTicker(time.Second + flushDelay)
	defer t.Stop()
	for {
		select {
		case <-done:
			return
		case <-ctx.Done():
			return
		case <-t.C:
			t.Reset(time.Second)
		}
		for _, s := range r.scenarios {
			s.collector.Flush()
		}
		r.endWarmups(time.Since(r.start))
		if r.options.Progress != nil {
			r.options.Progress(r.progress())
		}
		r.tellSecond()
		if g := r.crossed(); g != nil {
			was := fmt.Sprintf("it was %.4g%s", g.Actual, strings.Replace(g.Unit, "ms", " ms", 1))
			if g.Samples == 0 {
				was = g.Reason
			}
			r.m.Aborted = fmt.Sprintf("%s %s: %s after %.0f s", g.Metric, g.Expression, was,
				time.Since(r.start).Seconds())
			r.m.AbortedBy = g
			abort(errAborted)
			return
		}
	}
}

// crossed judges the thresholds that may abort the run over what was measured so far. None aborts a shard, which sees
// only its part.
func (r *run) crossed() *results.Gate {
	if r.options.Shard != nil {
		return nil
	}
	watched := false
	for _, t := range r.plan.Thresholds {
		watched = watched || t.AbortOnFail
	}
	if !watched {
		return nil
	}
	var m results.Measurements
	var flushed []float64
	for _, s := range r.scenarios {
		until, release := s.collector.Share(&m)
		defer release()
		flushed = append(flushed, until)
	}
	g, err := judge.Crossed(&m, r.plan.Thresholds, flushed)
	if err != nil {
		return nil // the verdict at the end reports it
	}
	return g
}

func (r *run) progress() Progress {
	p := Progress{Elapsed: time.Since(r.start)}
	for _, s := range r.scenarios {
		p.Total = max(p.Total, s.scenario.StartTime+s.timing.Window.End())
		p.Scenarios = append(p.Scenarios, s.progress(p.Elapsed))
	}
	return p
}

// sleep waits for d or until ctx is cancelled.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
