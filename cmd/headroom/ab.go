package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/policycortex/headroom/loadgen"
	"github.com/policycortex/headroom/loadgen/paired"
	"github.com/policycortex/headroom/reports"
	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/experiment"
	"github.com/policycortex/headroom/scenarios"
)

// experimenter is the ab command with its flags.
type experimenter struct {
	runner
	seed       uint64
	unresolved string
	// extra are environment variables of an arm of the reference server, NAME=value.
	extra map[experiment.Arm][]string
}

func newABCommand(args []string) *cobra.Command {
	x := &experimenter{runner: runner{command: args}}
	c := &cobra.Command{
		Use:   "ab FILE",
		Short: "Find out whether a change made a service slower",
		Long: `Compare two versions of a service, the base and the head, by a paired experiment: both are started, take turns under the
load of the scenario in short slices, and are started anew after eight slices, until the difference is known well enough or
the time is over. FILE is a scenario file, the name of a built-in scenario, or - for standard input.

The arms are two revisions of the git repository around the working directory (by default the working tree against the
commit at which it left the default branch), two commands, two container images, or two URLs. The scenario's sections
experiment and regression say how they are built and started and what must not become worse; flags take precedence.

Exit codes: 0 not worse by the tolerance, 99 worse by more than half of the tolerance, 125 it cannot be told or the
measurement is invalid. Of a change between the half and the whole of the tolerance, the noise decides which of them.`,
		Example: `  headroom ab regression
  headroom ab my-service.yaml --base v1.4.0 --head HEAD
  headroom ab my-service.yaml --base-command './old --listen {{address}}' --head-command './new --listen {{address}}'
  headroom ab my-service.yaml --base-url http://127.0.0.1:8080 --head-url http://127.0.0.1:8081`,
		Args: oneScenario,

		ValidArgsFunction: completeScenarios,
		RunE: func(c *cobra.Command, files []string) error {
			x.in, x.w, x.wErr, x.secrets = c.InOrStdin(), c.OutOrStdout(), c.ErrOrStderr(), redactorOf(c)
			x.progress, x.result = x.wErr, x.w
			if x.quiet {
				x.progress = io.Discard
			}
			if x.json {
				x.result = x.wErr
			}
			if x.unresolved != "" && x.unresolved != "pass" && x.unresolved != "fail" {
				return usageError{fmt.Errorf("--unresolved is %q: it must be pass or fail", x.unresolved)}
			}
			x.settings(c)
			return x.run(c.Context(), files[0], c.Flags().Changed("seed"))
		},
	}
	x.addFlags(c)
	return c
}

// oneScenario accepts exactly one argument.
func oneScenario(c *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usageError{fmt.Errorf("%s needs one scenario file; see: %s --help", c.CommandPath(), c.CommandPath())}
	}
	return nil
}

// settingFlags are the flags that stand for keys of the scenario's section experiment.
var settingFlags = []struct{ name, key, usage string }{
	{"base", "base", "git `revision` of the base (default: where the head left the default branch)"},
	{"head", "head", "git `revision` of the head (default: the working tree)"},
	{"base-command", "baseCommand", "shell `command` that starts the base at {{address}}"},
	{"head-command", "headCommand", "shell `command` that starts the head at {{address}}"},
	{"base-image", "baseImage", "container `image` of the base"},
	{"head-image", "headImage", "container `image` of the head"},
	{"base-url", "baseUrl", "`URL` of a base that runs"},
	{"head-url", "headUrl", "`URL` of a head that runs"},
	{"ready", "ready", "`path` that answers once a started service is ready (default: its port takes connections)"},
	{"max-time", "maxTime", "end the experiment after this `duration` at the latest (default 10m)"},
	{
		"tolerance", "tolerance", "how much worse the head may be where the scenario has no section regression, as a " +
			"`share` (default 5%)",
	},
	{"alpha", "alpha", "nominal `probability` with which a gate fails though the arms are equal (default 0.01)"},
}

func (x *experimenter) addFlags(c *cobra.Command) {
	f := c.Flags()
	for _, s := range settingFlags {
		f.String(s.name, "", s.usage)
	}
	f.Uint64Var(&x.seed, "seed", 0, "decide all random choices by this `number` (default: the scenario's seed)")
	f.StringVar(&x.unresolved, "unresolved", "", "exit as `pass|fail` where it cannot be told (default exit code 125)")
	f.StringVar(&x.out, "out", "", "`directory` of the saved experiment (default results/experiments/<time>-<name>)")
	addSystemFlags(c, &x.runner)
	x.scenario.add(c)
	x.export.add(c)
	f.BoolVar(&x.quiet, "quiet", false, "do not show progress")
	f.BoolVar(&x.json, "json", false,
		"write the summary as JSON to standard output, and everything else to standard error")
}

// experimentsDir is where experiments are saved.
const experimentsDir = "results/experiments"

// run carries out the experiment of a scenario file.
func (x *experimenter) run(ctx context.Context, file string, seeded bool) error {
	l, err := x.read(ctx, file)
	if err != nil {
		return err
	}
	if !seeded {
		x.seed = l.plan.Seed
	}
	dir := x.out
	if dir == "" {
		dir = filepath.Join(experimentsDir, time.Now().Format("20060102T150405")+"-"+l.plan.Name)
	}
	dir, taken, err := takeRunDirectory(dir, x.out == "")
	if err != nil {
		return err
	}
	defer taken.Close()
	defer os.Remove(dir) // only succeeds when nothing was saved
	e, err := x.carryOut(ctx, l, dir)
	if e != nil && len(e.Blocks) > 0 {
		err = errors.Join(err, x.publishExperiment(dir, e))
	}
	switch {
	case err != nil:
		return err
	case e.Interrupted:
		return errInterrupted
	case len(e.Blocks) == 0:
		fmt.Fprintf(x.wErr, "headroom: the time was over before a slice was measured: allow more than %v with "+
			"--max-time\n",
			l.plan.Experiment.MaxTime)
		return x.exit(results.Unresolved)
	}
	return x.exit(e.Outcome)
}

// read reads a scenario file and refuses what an experiment cannot have.
func (x *experimenter) read(ctx context.Context, file string) (l loaded, err error) {
	in, err := x.scenario.inputs(x.secrets)
	if err != nil {
		return l, err
	}
	l, err = load(ctx, file, x.in, in)
	if err != nil {
		return l, err
	}
	return l, errors.Join(x.checkAddresses(), x.twoCaches(), x.export.check(), steadyLoad(l.plan), oneInstance(l.plan))
}

// oneInstance refuses plans whose service has several instances.
func oneInstance(plan *scenarios.Plan) error {
	key := ""
	switch {
	case len(plan.Target.Others) > 0:
		key = "target.urls"
	case plan.Environment.Instances > 1:
		key = "environment.instances"
	case plan.Environment.Balancer != "":
		key = "environment.balancer"
	case plan.Environment.Edge != "":
		key = "environment.edge"
	case len(plan.Environment.Regions) > 0:
		key = "environment.regions"
	default:
		return nil
	}
	return usageError{fmt.Errorf("%s: an experiment compares one instance of each version: remove %s", plan.Source.File,
		key)}
}

// sliceOf is how long the parts of a slice are.
func sliceOf(e scenarios.Experiment) paired.Slice {
	return paired.Slice{Warmup: e.Warmup, Discard: e.Discard, Measure: e.Slice}
}

// exit is the error that gives an outcome its exit code.
func (x *experimenter) exit(outcome results.Outcome) error {
	if outcome == results.Unresolved {
		switch x.unresolved {
		case "pass":
			return nil
		case "fail":
			outcome = results.Fail
		}
	}
	if outcome == results.Pass {
		return nil
	}
	return verdictError{outcome}
}

// settings turns the flags that stand for keys of the section experiment into overrides of it. Those that say what the
// arms are replace all that the scenario says of them, with what it says of building and starting revisions where they
// are none.
func (x *experimenter) settings(c *cobra.Command) {
	arms := []string{}
	for _, s := range settingFlags {
		value, set := c.Flags().Lookup(s.name), c.Flags().Changed(s.name)
		if !set {
			continue
		}
		x.scenario.overrides = append(x.scenario.overrides, "experiment."+s.key+"="+strconv.Quote(value.Value.String()))
		if strings.HasPrefix(s.key, "base") || strings.HasPrefix(s.key, "head") {
			arms = append(arms, s.key)
		}
	}
	for _, s := range settingFlags {
		of := strings.HasPrefix(s.key, "base") || strings.HasPrefix(s.key, "head")
		if of && len(arms) > 0 && !slices.Contains(arms, s.key) {
			x.scenario.overrides = append(x.scenario.overrides, "experiment."+s.key+"=null")
		}
	}
	if len(arms) == 0 || arms[0] == "base" || arms[0] == "head" {
		return
	}
	x.scenario.overrides = append(x.scenario.overrides, "experiment.build=null")
	if !strings.HasSuffix(arms[0], "Image") { // of which it is the arguments
		x.scenario.overrides = append(x.scenario.overrides, "experiment.command=null")
	}
}

// steadyLoad refuses what a slice of an experiment cannot have.
func steadyLoad(plan *scenarios.Plan) error {
	var faults []error
	for _, s := range plan.Scenarios {
		switch s.Load.(type) {
		case scenarios.ConstantRate, scenarios.Users:
		default:
			faults = append(faults, fmt.Errorf("%s: the scenario %s has the executor %s: slices of an experiment need "+
				"a load that stays the same, constant-arrival-rate or constant-vus", plan.Source.File, s.Name,
				s.Load.Executor()))
		}
	}
	if len(plan.Faults) > 0 {
		faults = append(faults, fmt.Errorf("%s: an experiment has no faults: remove the section faults",
			plan.Source.File))
	}
	if err := errors.Join(faults...); err != nil {
		return inputError{err}
	}
	return nil
}

// carryOut prepares both arms, has them take turns, and stops them. What was measured until an error is returned with
// it.
func (x *experimenter) carryOut(ctx context.Context, l loaded, dir string) (e *results.Experiment, err error) {
	plan := l.plan
	arms, err := x.prepareArms(ctx, plan, dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, arms.stop(ctx)) }()
	together, err := arms.separate()
	defer func() { err = errors.Join(err, together()) }()
	if err != nil {
		return nil, err
	}
	settings := plan.Experiment
	slice := sliceOf(settings)
	e = &results.Experiment{
		Name: plan.Name, Description: plan.Description, Tool: toolVersion(), Command: redacted(x.command, x.secrets),
		Scenario: results.ScenarioOf(plan),
		Base:     arms.base.record, Head: arms.head.record,
		Design: results.DesignRecord{
			Seed: x.seed, Restarts: arms.restart, Warmup: slice.Warmup.Seconds(), Discard: slice.Discard.Seconds(),
			Measure: slice.Measure.Seconds(), MaxTime: settings.MaxTime.Seconds(), Alpha: settings.Alpha,
			ArmCPUs: arms.cpus,
		},
	}
	gates := plan.Gates()
	course := newCourse(x.progress, settings.MaxTime, settings.Alpha, gates, arms.restart)
	course.defaults = len(settings.Regressions) == 0
	done, err := paired.Run(ctx, paired.Options{
		Plan: plan, Slice: slice, Seed: x.seed, Start: arms.start, Restart: arms.restart,
		Load: loadgen.Options{
			Fixture: arms.keys, Feeders: l.feeders, Recordings: l.recordings, Processes: arms.processes(),
			Shared: arms.onThisMachine(), Secrets: x.secrets,
		},
		Gates: gates, Judge: course.judge, Measured: course.measured, MaxTime: settings.MaxTime,
	})
	e.Started, e.Elapsed, e.Interrupted = done.Started, done.Elapsed.Seconds(), done.Interrupted
	e.Base, e.Head = arms.base.record, arms.head.record // with the settings that the servers told
	e.Environment = arms.environmentRecord()
	e.Environment.GeneratorSettings = settingsOfLoad()
	e.Warnings = append(e.Warnings, arms.warnings()...)
	errJudge := course.conclude(e, done)
	return e, errors.Join(err, errJudge)
}

// publishExperiment publishes an experiment.
func (x *experimenter) publishExperiment(dir string, e *results.Experiment) error {
	e.Redact(x.secrets)
	return x.publish(dir, publication{
		what:     "experiment",
		save:     func(dir string) error { return results.SaveExperiment(dir, e) },
		draw:     func(dir string) error { return reports.WriteExperiment(dir, e) },
		text:     func(w io.Writer) error { return reports.ExperimentText(w, e) },
		json:     func(w io.Writer) error { return reports.ExperimentSummaryJSON(w, e) },
		exported: func() (exported, error) { return exportedExperiment(e), nil },
	})
}

// exportedExperiment is an experiment as it is exported. benchstat compares its arms with -col arm.
func exportedExperiment(e *results.Experiment) exported {
	x := exported{
		figures: reports.ExperimentFigures(e), annotations: reports.ExperimentAnnotations(e),
		junit:    func(w io.Writer) error { return reports.ExperimentJUnit(w, e) },
		markdown: func(w io.Writer) error { return reports.ExperimentMarkdown(w, e) },
		json:     func(w io.Writer) error { return reports.ExperimentSummaryJSON(w, e) },
	}
	for _, arm := range []experiment.Arm{experiment.Base, experiment.Head} {
		config := benchmarkConfig(e.Environment.Machine, e.Name)
		config["arm"] = string(arm)
		x.benchmarks = append(x.benchmarks, benchmarkGroup{config, reports.ArmSlices(e, arm)})
	}
	return x
}
