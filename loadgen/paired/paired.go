// Package paired carries out a paired experiment: it starts both arms and has them take turns under the same load,
// slice by slice, until the experiment is decided or the time is over.
package paired

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/policycortex/headroom/loadgen"
	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/experiment"
	"github.com/policycortex/headroom/results/judge"
	"github.com/policycortex/headroom/scenarios"
)

// Instance is a running arm.
type Instance struct {
	URL string
	// CPU is the CPU time that the arm has taken so far; nil where nobody knows.
	CPU func() (time.Duration, error)
	// Instructions is the number of instructions that the arm has executed so far; nil where nobody knows. Of an error,
	// the slice has no such figure.
	Instructions func() (int64, error)
	// Allocated is what Go has allocated in the arm so far, bytes and objects; nil where nobody knows. Of an error, the
	// slice has no such figure.
	Allocated func(ctx context.Context) (bytes, objects int64, err error)
	// Snapshot is the reference server's account of itself; nil for any other service.
	Snapshot func(ctx context.Context) (results.Snapshot, error)
	// Stop ends it; nil where it was not started for the experiment.
	Stop func(ctx context.Context) error
}

// Options are what an experiment is made of.
type Options struct {
	// Plan is the load of a slice. All scenarios in it are steady; Slice decides how long they last. In a slice, those
	// that are open run together, and after them those that are closed.
	Plan  *scenarios.Plan
	Slice Slice
	// Seed decides the order in which the arms are started, warmed up and measured, and, with the number of the pair,
	// every random choice of the load: both slices of a pair send the same requests at the same instants.
	Seed uint64
	// Start starts an arm, or gives the one that runs. With Restart it is called for each block, else once for each
	// arm.
	Start   func(ctx context.Context, arm experiment.Arm) (*Instance, error)
	Restart bool
	// Load is what loadgen needs besides the plan and the arm.
	Load loadgen.Options
	// Gates are the figures that decide. They are measured beside those that every experiment reports.
	Gates []scenarios.Regression
	// Judge is asked after each block whether the experiment is over.
	Judge func(blocks []Block) (over bool, err error)
	// MaxTime is how long the experiment goes on at most; the block under way is ended by it.
	MaxTime time.Duration
	// Measured is called after each slice, from one goroutine.
	Measured func(Progress, *Measured, experiment.Slice) error
}

// Progress is how far an experiment has come.
type Progress struct {
	Block int // from 0
	Slice int // that was just measured, from 0
}

// Experiment is what was done.
type Experiment struct {
	Started     time.Time
	Elapsed     time.Duration
	Blocks      []Block
	Interrupted bool // by ctx
	// Broken is the error that ended it: an arm could not be started or measured.
	Broken error
}

// Block is a block with when it was, since the start of the experiment.
type Block struct {
	experiment.Block
	At, Took time.Duration
}

// errTimeIsOver ends the block under way.
var errTimeIsOver = errors.New("the time is over")

// Run carries out an experiment. When ctx is cancelled, what was measured until then is returned, as interrupted, with
// everything stopped. An error means that an arm could not be started or measured; the blocks before it are returned.
func Run(ctx context.Context, o Options) (*Experiment, error) {
	e := &Experiment{Started: time.Now()}
	limited, cancel := context.WithTimeoutCause(ctx, o.MaxTime, errTimeIsOver)
	defer cancel()
	arms := &arms{start: o.Start, restart: o.Restart}
	e.Broken = o.blocks(limited, e, arms)
	err := errors.Join(e.Broken, arms.stop(context.WithoutCancel(ctx)))
	e.Elapsed, e.Interrupted = time.Since(e.Started), ctx.Err() != nil
	return e, err
}

// blocks measures blocks until Judge or ctx ends the experiment.
func (o *Options) blocks(ctx context.Context, e *Experiment, arms *arms) error {
	for number := 0; ; number++ {
		block := Block{Block: experiment.Block{Number: number}, At: time.Since(e.Started)}
		err := o.block(ctx, e, arms, &block)
		block.Took = time.Since(e.Started) - block.At
		if len(block.Slices) > 0 {
			e.Blocks = append(e.Blocks, block)
		}
		if ctx.Err() != nil {
			return nil // whatever failed then failed because of it
		}
		if err != nil {
			return fmt.Errorf("block %d: %w", number+1, err)
		}
		over, err := o.Judge(e.Blocks)
		if over || err != nil {
			return err
		}
	}
}

// block measures one block, slice by slice.
func (o *Options) block(ctx context.Context, e *Experiment, arms *arms, block *Block) error {
	order := experiment.Order(o.Seed, block.Number)
	// The first two slices are of different arms. In the order of these, arms are started and warmed up: what they
	// share, such as a database, is colder for the one that comes first.
	both := order[:2]
	fresh, err := arms.prepare(ctx, both)
	if err != nil {
		return err
	}
	if fresh && o.Slice.Warmup > 0 {
		for _, arm := range both {
			warmup := Slice{Measure: o.Slice.Warmup}
			if _, err := o.measure(ctx, arm, arms.running[arm], warmup, o.Seed); err != nil {
				return fmt.Errorf("warm up the %s: %w", arm, err)
			}
		}
	}
	for i, arm := range order {
		pair := block.Number*experiment.SlicesPerBlock/2 + i/2
		m, err := o.measure(ctx, arm, arms.running[arm], o.Slice, o.Seed+uint64(pair)+1)
		if err != nil {
			return fmt.Errorf("slice %d, of the %s: %w", i+1, arm, err)
		}
		if ctx.Err() != nil {
			return nil
		}
		s := experiment.Slice{Arm: arm, Veto: judge.Veto(m.Parts)}
		s.Figures, err = judge.SliceFigures(m.Parts, o.Gates)
		if err == nil {
			err = o.Measured(Progress{Block: block.Number, Slice: i}, m, s)
		}
		if err != nil {
			return fmt.Errorf("slice %d, of the %s: %w", i+1, arm, err)
		}
		block.Slices = append(block.Slices, s)
	}
	return nil
}

// arms are the instances that run.
type arms struct {
	start   func(ctx context.Context, arm experiment.Arm) (*Instance, error)
	restart bool
	running map[experiment.Arm]*Instance
}

// prepare has both arms run, new ones, started in an order, where they are to be started anew.
func (a *arms) prepare(ctx context.Context, order []experiment.Arm) (fresh bool, err error) {
	if a.running != nil && !a.restart {
		return false, nil
	}
	if err := a.stop(ctx); err != nil {
		return false, err
	}
	a.running = map[experiment.Arm]*Instance{}
	for _, arm := range order {
		i, err := a.start(ctx, arm)
		if err != nil {
			return false, fmt.Errorf("start the %s: %w", arm, err)
		}
		a.running[arm] = i
	}
	return true, nil
}

func (a *arms) stop(ctx context.Context) error {
	var faults []error
	for arm, i := range a.running {
		if i.Stop == nil {
			continue
		}
		if err := i.Stop(ctx); err != nil {
			faults = append(faults, fmt.Errorf("stop the %s: %w", arm, err))
		}
	}
	a.running = nil
	return errors.Join(faults...)
}
