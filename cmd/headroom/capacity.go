package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/policycortex/headroom/loadgen"
	"github.com/policycortex/headroom/loadgen/search"
	"github.com/policycortex/headroom/reports"
	"github.com/policycortex/headroom/reports/export"
	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/capacity"
	"github.com/policycortex/headroom/results/judge"
	"github.com/policycortex/headroom/scenarios"
)

// planner is the capacity command with its flags.
type planner struct {
	runner
	objectives []string
	maxTime    time.Duration
	width      float64
	require    float64
	rates      []string // that instances are asked for
	today      float64
	use        float64
	spare      int
	price      float64
	seed       uint64
}

func newCapacityCommand(args []string) *cobra.Command {
	p := &planner{runner: runner{command: args}}
	c := &cobra.Command{
		Use:   "capacity FILE",
		Short: "Find the highest rate at which a scenario's thresholds hold",
		Long: `Find the capacity of a service: the highest rate of the scenario's requests at which its thresholds hold, with a 95 %
interval, what bound it, and how many instances a rate needs. FILE is a scenario file, the name of a built-in scenario, or
- for standard input. Its scenarios must have the executor constant-arrival-rate; their rates say only how the requests
are mixed.

Users in closed loops find the region, short trials at many rates find the capacity, and a long one at the lower end of
the interval proves it.

Exit codes: 0 found, 99 the lower end is below --require, 125 it cannot be told (the generator was the limit, the machine
was too busy, or there was too little time).`,
		Example: `  headroom capacity capacity
  headroom capacity my-service.yaml --objective 'p(95)<20' --require 500
  headroom capacity my-service.yaml --for 5000 --price 0.12 --json | jq .forecast`,
		Args: oneScenario,

		ValidArgsFunction: completeScenarios,
		RunE: func(c *cobra.Command, files []string) error {
			p.in, p.w, p.wErr, p.secrets = c.InOrStdin(), c.OutOrStdout(), c.ErrOrStderr(), redactorOf(c)
			p.progress, p.result = p.wErr, p.w
			if p.quiet {
				p.progress = io.Discard
			}
			if p.json {
				p.result = p.wErr
			}
			return p.run(c.Context(), files[0], c.Flags().Changed("seed"))
		},
	}
	p.addFlags(c)
	return c
}

// The defaults of a search.
const (
	defaultSearchTime = 8 * time.Minute
	defaultWidth      = 0.1
	defaultUse        = 0.7
	defaultSpare      = 1
)

func (p *planner) addFlags(c *cobra.Command) {
	f := c.Flags()
	f.StringArrayVar(&p.objectives, "objective", nil,
		"add a `threshold` that must hold: p(95)<20, of all requests, or "+
			"http_req_duration{name:get}: p(99)<50 (repeatable)")
	f.DurationVar(&p.maxTime, "max-time", defaultSearchTime, "end the search after this `duration` at the latest")
	f.Float64Var(&p.width, "width", defaultWidth, "search until the interval is so wide, as a `share` of the capacity")
	f.Float64Var(&p.require, "require", 0, "exit with 99 unless the lower end of the interval is at least this `rate`")
	f.StringArrayVar(&p.rates, "for", nil, "say how many instances a `rate` needs, or the peak of a scenario file "+
		"(repeatable)")
	f.Float64Var(&p.today, "today", 0, "say how much headroom there is above today's peak `rate`")
	f.Float64Var(&p.use, "use", defaultUse, "`share` of its capacity that an instance is loaded with")
	f.IntVar(&p.spare, "spare", defaultSpare, "`number` of instances that may be missing")
	f.Float64Var(&p.price, "price", 0, "what an instance costs an hour, as a `number` in any currency")
	f.Uint64Var(&p.seed, "seed", 0, "decide all random choices by this `number` (default: the scenario's seed)")
	f.StringVar(&p.out, "out", "", "`directory` of the saved capacity (default results/capacities/<time>-<name>)")
	addSystemFlags(c, &p.runner)
	p.scenario.add(c)
	p.export.add(c)
	f.BoolVar(&p.quiet, "quiet", false, "do not show progress")
	f.BoolVar(&p.json, "json", false,
		"write capacity.json to standard output, and everything else to standard error")
}

// capacitiesDir is where capacities are saved.
const capacitiesDir = "results/capacities"

// asked is what a search is asked for.
type asked struct {
	loaded
	mix        *scenarios.Mix
	objectives []scenarios.Threshold
	rates      []float64 // to plan for
}

// run finds the capacity of a scenario file.
func (p *planner) run(ctx context.Context, file string, seeded bool) error {
	a, err := p.read(ctx, file)
	if err != nil {
		return err
	}
	if !seeded {
		p.seed = a.plan.Seed
	}
	dir := p.out
	if dir == "" {
		dir = filepath.Join(capacitiesDir, time.Now().Format("20060102T150405")+"-"+a.plan.Name)
	}
	dir, taken, err := takeRunDirectory(dir, p.out == "")
	if err != nil {
		return err
	}
	defer taken.Close()
	defer os.Remove(dir) // only succeeds when nothing was saved
	found, err := p.find(ctx, a, dir)
	if found != nil && len(found.Bracket)+len(found.Trials) > 0 {
		err = errors.Join(err, p.publishCapacity(dir, found))
	}
	switch {
	case err != nil:
		return err
	case found.Interrupted:
		return errInterrupted
	case found.Outcome != results.Pass:
		return verdictError{found.Outcome}
	}
	return nil
}

// read reads what is asked for, and refuses what cannot be.
func (p *planner) read(ctx context.Context, file string) (a asked, err error) {
	in, err := p.scenario.inputs(p.secrets)
	if err != nil {
		return a, err
	}
	a.loaded, err = load(ctx, file, p.in, in)
	if err != nil {
		return a, err
	}
	a.mix, err = scenarios.NewMix(a.plan)
	if err != nil {
		return a, inputError{fmt.Errorf("%s: %w", a.plan.Source.File, err)}
	}
	for _, text := range p.objectives {
		t, err := a.plan.Objective(text)
		if err != nil {
			return a, usageError{fmt.Errorf("--objective %s: %w", text, err)}
		}
		a.plan.Thresholds = append(a.plan.Thresholds, t)
	}
	objectives, refused := judge.ObjectivesOf(a.plan.Thresholds)
	for _, why := range refused {
		fmt.Fprintln(p.progress, why)
	}
	if len(objectives) == 0 {
		return a, usageError{fmt.Errorf("%s has no threshold that can be an objective: add one, such as "+
			"--objective 'p(95)<50'", a.plan.Source.File)}
	}
	a.objectives = objectives
	a.plan.Thresholds = objectives
	for _, text := range p.rates {
		rate, err := p.rateOf(ctx, text, in)
		if err != nil {
			return a, usageError{fmt.Errorf("--for %s: %w", text, err)}
		}
		a.rates = append(a.rates, rate)
	}
	return a, errors.Join(p.checkAddresses(), p.export.check(), p.checkNumbers())
}

// rateOf is a rate to plan for: a number, or the peak of a scenario file.
func (p *planner) rateOf(ctx context.Context, text string, in scenarios.Inputs) (float64, error) {
	if rate, err := strconv.ParseFloat(text, 64); err == nil {
		if !(rate > 0) || rate > 1e12 {
			return 0, errors.New("a rate is above 0")
		}
		return rate, nil
	}
	in.Overrides = nil // they are of the other file
	l, err := load(ctx, text, p.in, in)
	if err != nil {
		return 0, err
	}
	recorded := map[string]float64{}
	for _, s := range l.plan.Scenarios {
		if replay, ok := s.Load.(scenarios.Replay); ok {
			recorded[s.Name] = l.recordings[s.Name].PeakRate() * replay.Recording.Speed
		}
	}
	peak := l.plan.PeakRate(recorded)
	if peak == 0 {
		return 0, errors.New("its scenarios have no rate")
	}
	return peak, nil
}

func (p *planner) checkNumbers() error {
	var faults []error
	for _, n := range []struct {
		flag string
		ok   bool
		must string
	}{
		{"max-time", p.maxTime >= time.Minute, "be at least 1m"},
		{"width", p.width >= 0.02 && p.width <= 1, "be a share from 0.02 to 1"},
		{"require", p.require >= 0, "not be negative"},
		{"today", p.today >= 0, "not be negative"},
		{"use", p.use > 0 && p.use <= 1, "be a share above 0 and at most 1"},
		{"spare", p.spare >= 0 && p.spare <= 1000, "be from 0 to 1000"},
		{"price", p.price >= 0, "not be negative"},
	} {
		if !n.ok {
			faults = append(faults, usageError{fmt.Errorf("--%s must %s", n.flag, n.must)})
		}
	}
	return errors.Join(faults...)
}

// stretches are how long the parts of a search are.
type stretches struct{ bracket, trial, soak, beyond search.Stretch }

// stretchesOf are those of a search of at most maxTime. They are as long as the default time allows, and shorter in
// proportion where there is less, down to what says anything at all.
func stretchesOf(maxTime time.Duration) stretches {
	scale := min(1, float64(maxTime)/float64(defaultSearchTime))
	part := func(full, least time.Duration) time.Duration {
		return max(least, time.Duration(scale*float64(full)).Round(100*time.Millisecond))
	}
	const second = time.Second
	return stretches{
		bracket: search.Stretch{Discard: part(second, second/4), Measure: part(4*second, second)},
		trial:   search.Stretch{Discard: part(2500*time.Millisecond, second/2), Measure: part(6*second, 2*second)},
		soak:    search.Stretch{Discard: part(2500*time.Millisecond, second/2), Measure: part(60*second, 4*second)},
		beyond:  search.Stretch{Discard: part(8*second, 2*second), Measure: part(12*second, 3*second)},
	}
}

// find starts the service, if it is the reference system, and searches.
func (p *planner) find(ctx context.Context, a asked, dir string) (c *results.Capacity, err error) {
	plan := a.plan
	system, err := p.startSystem(ctx, plan, dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, system.stop(ctx)) }()
	serverCPUs := 0
	if n := len(system.servers); n > 0 {
		serverCPUs = min(n*serverThreads(plan), runtime.NumCPU())
	}
	parts := stretchesOf(p.maxTime)
	follow := newSearchCourse(p.progress, p.maxTime)
	watch := system.watch(ctx, func(text string) { fmt.Fprintln(p.progress, text) })
	found, err := search.Run(ctx, search.Options{
		Mix: a.mix, Objectives: a.objectives, Target: system.url, Seed: p.seed, ServerCPUs: serverCPUs,
		Load: loadgen.Options{
			Fixture: system.keys, Feeders: a.feeders, Recordings: a.recordings, Snapshot: system.snapshot,
			Processes: system.processes(), Shared: system.isLocal(), Others: system.others, Secrets: p.secrets,
		},
		Bracket: parts.bracket, Trial: parts.trial, Soak: parts.soak, Beyond: parts.beyond,
		Width: p.width, MaxTime: p.maxTime, Measured: follow.measured,
	})
	incidents := watch.end(ctx, found.Started)
	system.record.GeneratorSettings = settingsOfLoad()
	err = system.withIncidents(ctx, err)
	c = &results.Capacity{
		Name: plan.Name, Description: plan.Description, Tool: toolVersion(), Command: redacted(p.command, p.secrets),
		Scenario:    results.ScenarioOf(plan),
		Environment: system.record, Processes: system.processes(),
		Design: results.CapacityDesign{
			Seed: p.seed, Discard: found.Trial.Discard.Seconds(), Measure: found.Trial.Measure.Seconds(),
			Soak: parts.soak.Measure.Seconds(), Width: p.width, MaxTime: p.maxTime.Seconds(), Require: p.require,
		},
		Started: found.Started, Elapsed: found.Elapsed.Seconds(), Interrupted: found.Interrupted,
		RequestsPerIteration: found.RequestsPerIteration(), Beyond: found.Beyond, Bracket: found.Bracket,
		Instances: found.Instances, Trials: found.Trials, Warnings: system.warnings(ctx),
		Plan: results.PlanRecord{
			Use: p.use, Spare: p.spare, Price: p.price, Assumed: true, Today: p.today,
		},
	}
	for _, o := range a.objectives {
		c.Objectives = append(c.Objectives, results.Objective{Metric: o.Name(), Expression: o.Source})
	}
	errConclude := judge.ConcludeCapacity(c, found.Search, a.objectives)
	for _, i := range incidents {
		c.Outcome, c.Valid = results.Invalid, false
		c.Reasons = append(c.Reasons, fmt.Sprintf("%s (seen %.0f s after the start)", i.Text, i.At))
	}
	return c, errors.Join(err, errConclude, judge.Forecast(c, a.rates))
}

// publishCapacity publishes a capacity.
func (p *planner) publishCapacity(dir string, c *results.Capacity) error {
	c.Redact(p.secrets)
	return p.publish(dir, publication{
		what:     "capacity",
		save:     func(dir string) error { return results.SaveCapacity(dir, c) },
		draw:     func(dir string) error { return reports.WriteCapacity(dir, c) },
		text:     func(w io.Writer) error { return reports.CapacityText(w, c) },
		json:     func(w io.Writer) error { return reports.CapacityJSON(w, c) },
		exported: func() (exported, error) { return exportedCapacity(c), nil },
	})
}

// searchCourse shows how a search goes.
type searchCourse struct {
	w       io.Writer
	began   time.Time
	maxTime time.Duration
	trials  int
}

func newSearchCourse(w io.Writer, maxTime time.Duration) *searchCourse {
	return &searchCourse{w: bare(w), began: time.Now(), maxTime: maxTime}
}

// measured is called after each stretch.
func (s *searchCourse) measured(t results.CapacityTrial, p *capacity.Posterior) {
	if t.Kind == results.TrialClosed {
		on := ""
		if t.Instances > 0 {
			on = " on " + reports.Plural(t.Instances, "instance")
		}
		fmt.Fprintf(s.w, "%s without pauses%s: %s\n", reports.Plural(t.Users, "user"), on, reports.TrialText(t))
		return
	}
	s.trials++
	line := fmt.Sprintf("trial %d, %s: %s", s.trials, t.Kind, reports.TrialText(t))
	if p != nil && p.Both() {
		in := p.Interval()
		line += fmt.Sprintf("; capacity %s to %s (%.0f %% wide)", reports.Rate(in.Low), reports.Rate(in.High),
			100*in.Width())
	}
	left := max(0, s.maxTime-time.Since(s.began)).Round(time.Second)
	fmt.Fprintln(s.w, strings.ReplaceAll(line, "\n", " ")+fmt.Sprintf("; %v left at most", left))
}

// exportedCapacity is a capacity as it is exported.
func exportedCapacity(c *results.Capacity) exported {
	figures := reports.CapacityFigures(c)
	return exported{
		figures: figures, annotations: reports.CapacityAnnotations(c),
		benchmarks: []benchmarkGroup{{benchmarkConfig(c.Environment.Machine, c.Name), [][]export.Figure{figures}}},
		junit:      func(w io.Writer) error { return reports.CapacityJUnit(w, c) },
		markdown:   func(w io.Writer) error { return reports.CapacityMarkdown(w, c) },
		json:       func(w io.Writer) error { return reports.CapacityJSON(w, c) },
	}
}
