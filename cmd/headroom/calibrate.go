package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/policycortex/headroom/loadgen"
	"github.com/policycortex/headroom/loadgen/paired"
	"github.com/policycortex/headroom/reports"
	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/calibration"
	"github.com/policycortex/headroom/results/experiment"
	"github.com/policycortex/headroom/results/judge"
)

// calibrator is the calibrate command with its flags.
type calibrator struct {
	experimenter
	blocks, slowed int
	drawn          int
	file           string
	only           bool
}

func newCalibrateCommand(args []string) *cobra.Command {
	x := &calibrator{experimenter: experimenter{runner: runner{command: args}}}
	c := &cobra.Command{
		Use:   "calibrate [FILE]",
		Short: "Measure what experiments find on this machine",
		Long: `Record blocks of experiments in which both arms are the reference server of this version: some with nothing changed, and
some with a head that is slower by a known amount. From them, draw experiments and say how often those of equal arms fail,
and how often the slower head is found. FILE is the scenario regression (the default) or one with the same names.

Each block is added to the recording at once. A recording that is there is continued, until it has as many blocks as were
asked for; one of another version, scenario, machine or length of slices is refused. With the default numbers this takes
about an hour, in which the machine should do nothing else.`,
		Example: "  headroom calibrate --recording calibration.jsonl\n" +
			"  headroom calibrate --recording calibration.jsonl --judge-only",
		Args: func(c *cobra.Command, args []string) error { return asUsage(cobra.MaximumNArgs(1)(c, args)) },

		ValidArgsFunction: completeScenarios,
		RunE: func(c *cobra.Command, files []string) error {
			x.in, x.w, x.wErr, x.secrets = c.InOrStdin(), c.OutOrStdout(), c.ErrOrStderr(), redactorOf(c)
			x.progress, x.result = x.wErr, x.w
			file := "regression"
			if len(files) > 0 {
				file = files[0]
			}
			return x.calibrate(c.Context(), file)
		},
	}
	f := c.Flags()
	f.StringVar(&x.file, "recording", "results/calibration.jsonl", "`file` of the recording")
	f.IntVar(&x.blocks, "blocks", 60, "`number` of blocks of equal arms")
	f.IntVar(&x.slowed, "slowed", 40, "`number` of blocks of each slower head")
	f.IntVar(&x.drawn, "experiments", 10_000, "`number` of experiments to draw from the recording")
	f.BoolVar(&x.only, "judge-only", false, "record nothing more, and judge what the recording has")
	addSystemFlags(c, &x.runner)
	x.scenario.add(c)
	return c
}

func (x *calibrator) calibrate(ctx context.Context, file string) error {
	if x.blocks < 0 || x.slowed < 0 || x.drawn < 1 {
		return usageError{errors.New("--blocks and --slowed must not be negative, --experiments must be at least 1")}
	}
	l, err := x.read(ctx, file)
	if err != nil {
		return err
	}
	if !x.only {
		err = x.record(ctx, l)
		if err != nil {
			return err
		}
	}
	blocks, err := calibration.Read(x.file)
	if err != nil {
		return usageError{err}
	}
	var gates []experiment.Gate
	for _, g := range l.plan.Gates() {
		gates = append(gates, judge.GateOf(g))
	}
	settings := l.plan.Experiment
	result, err := calibration.Judge(blocks, gates, settings.Alpha, settings.MaxTime, x.drawn)
	if err != nil {
		return err
	}
	return reports.CalibrationMarkdown(x.result, result)
}

// record adds blocks to the recording until there are enough of each kind. The kinds take turns in a random order, so
// that none of them has the better hours of the machine.
func (x *calibrator) record(ctx context.Context, l loaded) (err error) {
	have, err := calibration.Read(x.file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return usageError{err}
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "headroom-calibrate-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	a := &arms{
		base: arm{name: experiment.Base, program: self}, head: arm{name: experiment.Head, program: self}, dir: dir,
		restart: true,
	}
	defer func() { err = errors.Join(err, a.stop(ctx)) }()
	if err := x.startReferenceArms(ctx, a, l.plan); err != nil {
		return err
	}
	together, err := a.separate()
	defer func() { err = errors.Join(err, together()) }()
	if err != nil {
		return err
	}
	x.seed = uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(x.seed, 0))
	origin := originOf(l, a)
	if len(have) > 0 {
		if differs := have[0].Origin.Differs(origin); differs != "" {
			return usageError{fmt.Errorf("%s cannot be continued: %s; record into another file with --recording, or "+
				"judge what is there with --judge-only", x.file, differs)}
		}
	}
	usual, err := x.usual(ctx, l, a, have)
	if err != nil {
		return err
	}
	began, recorded := time.Now(), 0
	for {
		due := x.due(have)
		if len(due) == 0 {
			return nil
		}
		change := due[random.IntN(len(due))]
		b, err := x.block(ctx, l, a, change, usual)
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return errInterrupted
		}
		b.Origin = origin
		have = append(have, b)
		if err := calibration.Append(x.file, b); err != nil {
			return err
		}
		recorded++
		fmt.Fprintf(x.progress, "%s: block %d of this session after %v, %d blocks are recorded\n", change.Name,
			recorded, time.Since(began).Round(time.Second), len(have))
	}
}

// originOf is what a recording must have been made with to be continued.
func originOf(l loaded, a *arms) calibration.Origin {
	tool, slice := toolVersion(), sliceOf(l.plan.Experiment)
	environment := a.environmentRecord()
	return calibration.Origin{
		Version: strings.TrimSpace(tool.Version + " " + tool.Commit), Machine: machineFingerprint(environment.Machine),
		Scenario: environmentFingerprint(results.Scenario{
			Text: l.plan.Source.Text, Includes: l.plan.Source.Includes, Overrides: l.plan.Source.Overrides,
			Variables: l.plan.Source.Variables,
		}, environment),
		Warmup: slice.Warmup.Seconds(), Discard: slice.Discard.Seconds(), Measure: slice.Measure.Seconds(),
	}
}

// due are the changes of which there are too few blocks, each as often as blocks are missing.
func (x *calibrator) due(have []calibration.Block) []calibration.Change {
	var due []calibration.Change
	for _, change := range calibration.Changes {
		missing := x.slowed
		if change.Equal() {
			missing = x.blocks
		}
		for _, b := range have {
			if b.Change == change.Name {
				missing--
			}
		}
		for range missing {
			due = append(due, change)
		}
	}
	return due
}

// usual is what a request costs the unchanged server: what the recording says, or a block that is not recorded.
func (x *calibrator) usual(ctx context.Context, l loaded, a *arms, have []calibration.Block) (calibration.Usual,
	error,
) {
	if len(have) > 0 {
		return have[0].Usual, nil
	}
	b, err := x.block(ctx, l, a, calibration.Changes[0], calibration.Usual{})
	if err != nil {
		return calibration.Usual{}, err
	}
	if ctx.Err() != nil {
		return calibration.Usual{}, errInterrupted
	}
	return calibration.UsualOf(b)
}

// block measures one block with a change of the head.
func (x *calibrator) block(ctx context.Context, l loaded, a *arms, change calibration.Change, usual calibration.Usual) (
	calibration.Block, error,
) {
	x.extra = map[experiment.Arm][]string{experiment.Head: change.Settings(usual)}
	x.seed++
	done, err := paired.Run(ctx, paired.Options{
		Plan:  l.plan,
		Slice: sliceOf(l.plan.Experiment),
		Seed:  x.seed, Start: a.start, Restart: true,
		Load: loadgen.Options{
			Fixture: a.keys, Feeders: l.feeders, Recordings: l.recordings, Processes: a.processes(), Shared: true,
			Secrets: x.secrets,
		},
		Gates:    l.plan.Gates(),
		Judge:    func([]paired.Block) (bool, error) { return true, nil },
		Measured: func(paired.Progress, *paired.Measured, experiment.Slice) error { return nil },
		MaxTime:  blockLimit,
	})
	if err != nil {
		return calibration.Block{}, err
	}
	b := calibration.Block{Change: change.Name, Time: done.Started, Usual: usual}
	for _, d := range done.Blocks {
		b.Block, b.Seconds = d.Block, d.Took.Seconds()
	}
	return b, nil
}

// blockLimit bounds a block of a calibration.
const blockLimit = 5 * time.Minute
