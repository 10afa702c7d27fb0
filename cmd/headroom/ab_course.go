package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/policycortex/headroom/loadgen/paired"
	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/experiment"
	"github.com/policycortex/headroom/results/judge"
	"github.com/policycortex/headroom/scenarios"
)

// course follows an experiment: it judges the blocks, gathers what the requests met, and shows how it stands.
type course struct {
	w        io.Writer
	maxTime  time.Duration
	alpha    float64
	gates    []scenarios.Regression
	defaults bool // the scenario names no gates
	restart  bool
	trial    *judge.Trial // from the end of the first block on
	requests []results.ArmRequests
	warned   bool // that the tolerance cannot be found
}

// fewestBlocks is the least number that a trial can be planned for. Where there is no time for so many, it ends
// unresolved.
const fewestBlocks = 4

func newCourse(w io.Writer, maxTime time.Duration, alpha float64, gates []scenarios.Regression, restart bool) *course {
	return &course{w: bare(w), maxTime: maxTime, alpha: alpha, gates: slices.Clone(gates), restart: restart}
}

// measured is called after each slice.
func (c *course) measured(_ paired.Progress, m *paired.Measured, s experiment.Slice) error {
	if s.Veto != "" {
		fmt.Fprintf(c.w, "a slice of the %s does not count: %s\n", s.Arm, s.Veto)
		return nil
	}
	for _, part := range m.Parts {
		for _, series := range part.Series {
			of := c.requestsOf(m.Arm, series.Scenario, series.Name)
			of.Requests += series.Requests
			of.Failed += series.Failed
			if err := of.Response.Merge(series.Response); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *course) requestsOf(arm experiment.Arm, scenario, name string) *results.ArmRequests {
	i := slices.IndexFunc(c.requests, func(r results.ArmRequests) bool {
		return r.Arm == arm && r.Scenario == scenario && r.Name == name
	})
	if i < 0 {
		i = len(c.requests)
		c.requests = append(c.requests, results.ArmRequests{
			Arm: arm, Scenario: scenario, Name: name, Response: results.NewHistogram(),
		})
	}
	return &c.requests[i]
}

// judge is called after each block. Until there are as many as can decide anything, each block may change how many are
// planned.
func (c *course) judge(blocks []paired.Block) (over bool, err error) {
	plain := plainBlocks(blocks)
	if len(blocks) < fewestBlocks || c.trial == nil {
		c.trial, err = c.newTrial(c.roomFor(blocks), plain)
		if err != nil {
			return false, err
		}
	}
	if missing := c.trial.Missing(plain); len(blocks) == 1 && len(missing) > 0 {
		return true, nil // and so it will be in the blocks to come
	}
	state := c.trial.Judge(plain)
	c.show(blocks, state)
	if state.Decision != experiment.Undecided {
		return true, nil
	}
	if c.trial.Spoilt(plain) {
		fmt.Fprintln(c.w, "too many slices do not count: no block that is left could make this experiment valid")
		return true, nil
	}
	return len(blocks) >= 2*c.trial.Blocks(), nil
}

// roomFor is the number of blocks that there is time for, if those to come take as long as the median of those so far.
// The first one counts only where it is alone: in it, caches are cold and what is started is compiled or loaded for the
// first time. How long blocks take says nothing of what was measured in them, so that it may decide this.
func (c *course) roomFor(blocks []paired.Block) int {
	last := blocks[len(blocks)-1]
	var took []time.Duration
	for _, b := range blocks[min(1, len(blocks)-1):] {
		took = append(took, b.Took)
	}
	slices.Sort(took)
	left := c.maxTime - last.At - last.Took
	return len(blocks) + int(max(0, left)/max(1, took[(len(took)-1)/2]))
}

// newTrial plans as many blocks as there is room for. Where the scenario names no gates, the CPU time per request is
// one of them only if it can be known.
func (c *course) newTrial(room int, blocks []experiment.Block) (*judge.Trial, error) {
	n := max(fewestBlocks, min(room, judge.MostBlocks))
	trial, err := judge.NewTrial(c.gates, n, c.alpha, !c.restart)
	if err != nil || !c.defaults {
		return trial, err
	}
	all := len(c.gates)
	for _, m := range trial.Missing(blocks) {
		c.gates = slices.DeleteFunc(c.gates, func(g scenarios.Regression) bool {
			return g.Metric == scenarios.CPUPerRequest && judge.Figure(g) == m.Figure && m.Base && m.Head
		})
	}
	if len(c.gates) == all || len(c.gates) == 0 {
		return trial, nil
	}
	fmt.Fprintln(c.w, "the CPU time of the arms is not known: response times and throughput decide")
	return judge.NewTrial(c.gates, n, c.alpha, !c.restart)
}

func plainBlocks(blocks []paired.Block) []experiment.Block {
	plain := make([]experiment.Block, len(blocks))
	for i, b := range blocks {
		plain[i] = b.Block
	}
	return plain
}

// show writes how the experiment stands after a block.
func (c *course) show(blocks []paired.Block, state experiment.State) {
	last := blocks[len(blocks)-1]
	elapsed := last.At + last.Took
	var b strings.Builder
	fmt.Fprintf(&b, "block %d of at most %d, %v left at most", len(blocks), max(len(blocks), c.trial.Blocks()),
		max(0, c.maxTime-elapsed).Round(time.Second))
	for i, g := range state.Gates {
		if state.Blocks < 2 || i == len(state.Gates)-1 && g.Decision != experiment.Failed {
			continue // failed requests are worth a line once there are some
		}
		fmt.Fprintf(&b, "\n  %s: %s (%s to %s), fails from %s, passes below %s", g.Figure, percent(g.Change),
			percent(g.Low), percent(g.High), percent(g.FailsFrom), percent(g.PassesBelow))
		if g.Decision != experiment.Undecided {
			fmt.Fprintf(&b, ": %s", g.Decision)
		}
	}
	fmt.Fprintln(&b)
	c.warn(&b, plainBlocks(blocks), state)
	io.WriteString(c.w, b.String())
}

// noiseKnown is the number of blocks whose scatter tells roughly what can be found.
const noiseKnown = 4

// warn says once that the tolerance cannot be found in the time that there is.
func (c *course) warn(b *strings.Builder, blocks []experiment.Block, state experiment.State) {
	if c.warned || state.Blocks < noiseKnown || state.Decision != experiment.Undecided {
		return
	}
	for i, g := range state.Gates[:len(state.Gates)-1] {
		o := c.trial.Outlook(i, g.MeanNoise)
		if g.Decision != experiment.Undecided || o.Reaches(g.Gate) || beyond(g) {
			continue
		}
		c.warned = true
		remedy := "make slices longer (experiment.slice) or raise the rate"
		if o.Blocks <= judge.MostBlocks {
			remedy += ", or allow more --max-time"
		}
		if figure := c.trial.Steadier(blocks, i); figure != "" {
			remedy += fmt.Sprintf("; a gate on %s would find %s", figure, percent(g.Tolerance))
		}
		fmt.Fprintf(b, "  %s is too noisy for %s: the smallest change that %d blocks find is about %s; %s would need "+
			"about %d blocks: %s\n", g.Figure, percent(g.Tolerance), c.trial.Blocks(), percent(o.Smallest),
			percent(g.Tolerance), o.Blocks, remedy)
	}
}

// beyond says that a change for the worse is larger than the tolerance whatever the noise.
func beyond(g experiment.GateState) bool {
	if g.MoreIsBetter {
		return g.High < -g.Tolerance
	}
	return g.Low > g.Tolerance
}

// percent is a change for people: +1.2 %.
func percent(change float64) string {
	if math.Abs(change) >= judge.Farthest { // a bound of an early look
		return fmt.Sprintf("%+.0f %% or more", 100*math.Copysign(judge.Farthest, change))
	}
	if math.Abs(change) >= 10 {
		return fmt.Sprintf("%+.0f %%", 100*change)
	}
	return fmt.Sprintf("%+.1f %%", 100*change)
}

// conclude writes what was done and what follows from it into the record.
func (c *course) conclude(e *results.Experiment, done *paired.Experiment) error {
	for _, b := range done.Blocks {
		e.Blocks = append(e.Blocks, results.BlockRecord{
			Block: b.Block, At: b.At.Seconds(), Seconds: b.Took.Seconds(),
		})
	}
	if len(e.Blocks) == 0 {
		return nil
	}
	if c.trial == nil {
		var err error
		c.trial, err = c.newTrial(c.roomFor(done.Blocks), plainBlocks(done.Blocks))
		if err != nil {
			return err
		}
	}
	e.Requests = c.requests
	e.Design.MaxBlocks, e.Design.Looks, e.Design.Miss = c.trial.Blocks(), c.trial.Looks(), judge.MissRate
	c.trial.Conclude(e, done.Broken != nil)
	if done.Broken != nil && e.Outcome != results.Fail { // the blocks before it do not speak for a head that dies
		e.Outcome = results.Invalid
		e.Reasons = append([]string{"it was ended by an error: " + done.Broken.Error()}, e.Reasons...)
	}
	return nil
}
