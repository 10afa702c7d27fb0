package judge

import (
	"fmt"
	"math"
	"strings"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/experiment"
	"github.com/policycortex/headroom/scenarios"
)

const (
	// MissRate is the probability with which a gate of an experiment passes though the head is worse by the tolerance.
	MissRate = 0.025
	// MostBlocks is how many blocks an experiment has at most, however much time there is: what so many do not find
	// does not matter.
	MostBlocks = 400
	// mostVetoed is the share of pairs from which on an experiment whose slices were vetoed is invalid.
	mostVetoed = 0.25
	// Farthest is where the bounds of an early look are cut: a hundred thousand percent.
	Farthest = 1000
)

// guard is the gate that every experiment has besides those that were asked for: a head that answers fast because it
// fails must not pass. It has an error rate of its own.
var guard = scenarios.Regression{
	Metric: scenarios.HTTPReqSucceeded, Aggregation: scenarios.Aggregation{Name: "rate"}, Tolerance: 0.01,
	MoreIsBetter: true, Source: "rate>-1%",
}

const guardAlpha = 0.001

// Trial judges the blocks of a paired experiment.
type Trial struct {
	gates      []scenarios.Regression // the guard is the last one
	family     *experiment.Test
	guard      *experiment.Test
	continuous bool
}

// NewTrial judges at most so many blocks by the gates, of which two equal arms fail any with the probability alpha.
// continuous says that the arms are not started anew for each block.
func NewTrial(gates []scenarios.Regression, blocks int, alpha float64, continuous bool) (*Trial, error) {
	t := &Trial{gates: append(gates[:len(gates):len(gates)], guard), continuous: continuous}
	rule := experiment.Rule{Blocks: blocks, Alpha: alpha, Miss: MissRate, Continuous: continuous}
	for _, g := range gates {
		rule.Gates = append(rule.Gates, GateOf(g))
	}
	var err error
	t.family, err = experiment.NewTest(rule)
	if err != nil {
		return nil, err
	}
	rule.Gates, rule.Alpha = []experiment.Gate{GateOf(guard)}, guardAlpha
	t.guard, err = experiment.NewTest(rule)
	return t, err
}

// GateOf is a regression as the gate of its figure.
func GateOf(r scenarios.Regression) experiment.Gate {
	return experiment.Gate{Figure: Figure(r), Tolerance: r.Tolerance, MoreIsBetter: r.MoreIsBetter}
}

// Looks are the numbers of blocks after which the experiment is looked at.
func (t *Trial) Looks() []int { return t.family.Looks() }

// Blocks is the most blocks that the trial looks at.
func (t *Trial) Blocks() int { return t.family.Blocks() }

// Judge says what the blocks mean while there may be more. The gates are those of the trial, and then the guard.
func (t *Trial) Judge(blocks []experiment.Block) experiment.State {
	return t.join(t.family.Judge(blocks), t.guard.Judge(blocks))
}

// judgeLast says what the blocks mean when there will be no more; stopped says that somebody or an error ended the
// experiment, and not its time.
func (t *Trial) judgeLast(blocks []experiment.Block, stopped bool) experiment.State {
	if stopped {
		return t.join(t.family.JudgeStopped(blocks), t.guard.JudgeStopped(blocks))
	}
	return t.join(t.family.JudgeEnded(blocks), t.guard.JudgeEnded(blocks))
}

// join is the state of the family with that of the guard.
func (t *Trial) join(state, beside experiment.State) experiment.State {
	state.Gates = append(state.Gates, beside.Gates...)
	switch {
	case beside.Decision == experiment.Failed:
		state.Decision = experiment.Failed
	case state.Decision == experiment.Passed && beside.Decision != experiment.Passed:
		state.Decision = beside.Decision
	}
	return state
}

// Spoilt says that so many pairs do not count that the planned blocks cannot make the experiment valid any more, nor
// those that were measured beyond the plan in the place of blocks that do not count.
func (t *Trial) Spoilt(blocks []experiment.Block) bool {
	vetoed, measured := experiment.Vetoed(blocks)
	planned := t.Blocks() * experiment.SlicesPerBlock / 2
	return float64(vetoed) > mostVetoed*float64(max(planned, measured))
}

// Missing are the figures of gates of which an arm has no value in any slice. Slices that do not count can show that
// there is one, and not that there is none.
func (t *Trial) Missing(blocks []experiment.Block) (missing []Missing) {
	for _, r := range t.gates {
		m := Missing{Figure: Figure(r)}
		known, without := map[experiment.Arm]bool{}, map[experiment.Arm]bool{}
		for _, b := range blocks {
			for _, s := range b.Slices {
				known[s.Arm] = known[s.Arm] || s.Figures[m.Figure] > 0
				without[s.Arm] = without[s.Arm] || s.Veto == ""
			}
		}
		m.Base, m.Head = !known[experiment.Base], !known[experiment.Head]
		if m.Base != m.Head {
			m.Base, m.Head = m.Base && without[experiment.Base], m.Head && without[experiment.Head]
		}
		if m.Base || m.Head {
			missing = append(missing, m)
		}
	}
	return missing
}

// Missing is a figure without a value in any slice of the base, of the head, or of both.
type Missing struct {
	Figure     string
	Base, Head bool
}

func (m Missing) String() string {
	of := ""
	switch {
	case !m.Head:
		of = " of the base"
	case !m.Base:
		of = " of the head"
	}
	if strings.HasPrefix(m.Figure, experiment.Succeeded) {
		return fmt.Sprintf("no request%s succeeded (%s)", of, m.Figure)
	}
	text := fmt.Sprintf("no slice%s has a value of %s", of, m.Figure)
	switch {
	case strings.Contains(m.Figure, " p("):
		text += ": a percentile needs requests beyond it in each slice (longer slices, or a higher rate)"
	case m.Base && m.Head:
		text += ": it cannot be measured here; remove the gate"
	}
	return text
}

// Conclude writes into the experiment what its blocks mean; broken says that an error ended it.
func (t *Trial) Conclude(e *results.Experiment, broken bool) {
	blocks := make([]experiment.Block, len(e.Blocks))
	for i, b := range e.Blocks {
		blocks[i] = b.Block
	}
	state := t.judgeLast(blocks, broken || e.Interrupted)
	e.Gates = t.gateRecords(blocks, state)
	e.Figures = t.figures(blocks, e.Requests)
	e.Outcome, e.Reasons = outcomeOf(state.Decision), nil
	if e.Interrupted && e.Outcome == results.Unresolved {
		e.Reasons = append(e.Reasons, fmt.Sprintf("it was interrupted; complete blocks: %d", complete(blocks)))
	}
	if vetoed, all := experiment.Vetoed(blocks); float64(vetoed) > mostVetoed*float64(all) {
		e.Outcome = results.Invalid
		e.Reasons = append(e.Reasons, fmt.Sprintf("%d of %d pairs of slices do not count, because the machine was "+
			"disturbed or the generator was late; at most %.0f %% may be left out", vetoed, all, 100*mostVetoed))
	}
	if e.Outcome != results.Fail {
		t.weighLacking(e, blocks)
	}
	t.weighMissing(e, blocks)
}

// weighLacking makes an experiment invalid where a gate was judged by too few of the pairs that count: a head without
// answers in some slices must not be judged by the others alone.
func (t *Trial) weighLacking(e *results.Experiment, blocks []experiment.Block) {
	for _, r := range t.gates {
		if lacking, all := experiment.Lacking(blocks, Figure(r)); float64(lacking) > mostVetoed*float64(all) {
			e.Outcome = results.Invalid
			e.Reasons = append(e.Reasons, fmt.Sprintf("%d of %d pairs of slices lack a value of %s; at "+
				"most %.0f %% may be without", lacking, all, Figure(r), 100*mostVetoed))
		}
	}
}

// weighMissing lets an experiment fail where the head has no value of a gate at all and the base has, whether the
// machine was disturbed or not. Where the base has none, there is nothing to compare with, and equal arms must not
// fail: then the experiment is not valid, unless the guard has failed.
func (t *Trial) weighMissing(e *results.Experiment, blocks []experiment.Block) {
	if len(blocks) == 0 {
		return
	}
	var reasons []string
	outcome := results.Invalid
	if e.Outcome == results.Fail {
		outcome = results.Fail
	}
	for _, m := range t.Missing(blocks) {
		reasons = append(reasons, m.String())
		if m.Head && !m.Base {
			outcome = results.Fail
		}
	}
	if len(reasons) > 0 {
		e.Outcome, e.Reasons = outcome, append(reasons, e.Reasons...)
	}
}

// complete is the number of blocks that were not cut.
func complete(blocks []experiment.Block) (n int) {
	for _, b := range blocks {
		if len(b.Slices) == experiment.SlicesPerBlock {
			n++
		}
	}
	return n
}

func outcomeOf(d experiment.Decision) results.Outcome {
	switch d {
	case experiment.Passed:
		return results.Pass
	case experiment.Failed:
		return results.Fail
	}
	return results.Unresolved
}

func (t *Trial) gateRecords(blocks []experiment.Block, state experiment.State) []results.ExperimentGate {
	gates := make([]results.ExperimentGate, len(t.gates))
	for i, r := range t.gates {
		g := &gates[i]
		*g = results.ExperimentGate{
			GateState: cut(state.Gates[i]), Source: r.Source, Metric: r.Name(),
			Unit: FigureUnit(r.Metric, r.Aggregation.Name), Guard: i == len(t.gates)-1,
		}
		if state.Blocks >= 2 {
			o := t.test(i).Outlook(GateOf(r), g.MeanNoise)
			g.Smallest, g.Needed, g.TooNoisy = min(o.Smallest, Farthest), o.Blocks, !o.Reaches(GateOf(r))
		}
	}
	for n := 2; n <= len(blocks); n++ {
		now := t.Judge(blocks[:n])
		for i := range gates {
			s := cut(now.Gates[i])
			value, ok := blocks[n-1].Value(s.Figure)
			if !ok || now.Blocks < 2 {
				continue
			}
			gates[i].Course = append(gates[i].Course, results.GatePoint{
				Blocks: now.Blocks, Value: math.Expm1(value), Change: s.Change, Low: s.Low, High: s.High,
				FailsFrom: s.FailsFrom, PassesBelow: s.PassesBelow,
			})
		}
	}
	return gates
}

// test is the test that a gate belongs to.
func (t *Trial) test(gate int) *experiment.Test {
	if gate == len(t.gates)-1 {
		return t.guard
	}
	return t.family
}

// Outlook says what of a gate, by its place, can be found at the end with the noise that it has.
func (t *Trial) Outlook(gate int, noise float64) experiment.Outlook {
	return t.test(gate).Outlook(GateOf(t.gates[gate]), noise)
}

// Steadier is a figure without a gate by which the tolerance of a gate, by its place, could be found in the planned
// blocks, of those that say what a request costs: the median of the same requests, and CPU time and instructions per
// request. Of several it is the one that scatters least; it is empty where there is none.
func (t *Trial) Steadier(blocks []experiment.Block, gate int) (figure string) {
	gated := map[string]bool{}
	for _, r := range t.gates {
		gated[Figure(r)] = true
		if r.Aggregation.Name == "med" {
			gated[r.Name()+" p(50)"] = true
		}
	}
	noise, of := math.Inf(1), t.gates[gate]
	for _, e := range experiment.Estimates(blocks, t.continuous) {
		costs := e.Figure == of.Name()+" p(50)" || strings.HasPrefix(e.Figure, string(scenarios.CPUPerRequest)) ||
			strings.HasPrefix(e.Figure, string(scenarios.InstructionsPerRequest))
		if !costs || gated[e.Figure] || !(e.MeanNoise < noise) {
			continue
		}
		g := experiment.Gate{Figure: e.Figure, Tolerance: of.Tolerance}
		if t.family.Outlook(g, e.MeanNoise).Reaches(g) {
			figure, noise = e.Figure, e.MeanNoise
		}
	}
	return figure
}

// cut bounds what lies farther out than anybody asks, so that all of it is a finite number.
func cut(s experiment.GateState) experiment.GateState {
	for _, v := range []*float64{&s.Change, &s.Low, &s.High, &s.FailsFrom, &s.PassesBelow} {
		*v = max(-Farthest, min(*v, Farthest))
	}
	return s
}

// figures are those that the blocks have, as far as two blocks have a value.
func (t *Trial) figures(blocks []experiment.Block, requests []results.ArmRequests) []results.ExperimentFigure {
	var names, loads []string
	for _, r := range requests {
		names, loads = append(names, r.Name), append(loads, r.Scenario)
	}
	known := map[string]scenarios.Regression{}
	for _, r := range append(reported(names, loads, true), t.gates...) {
		known[Figure(r)] = r
	}
	var all []results.ExperimentFigure
	for _, e := range experiment.Estimates(blocks, t.continuous) {
		r, ok := known[e.Figure]
		if !ok || e.Blocks < 2 || math.IsNaN(e.PairNoise) {
			continue
		}
		e.Change, e.Low, e.High = min(e.Change, Farthest), min(e.Low, Farthest), min(e.High, Farthest)
		all = append(all, results.ExperimentFigure{
			Estimate: e, Metric: string(r.Metric), Tags: r.Selector, Statistic: statistic(r),
			Unit: FigureUnit(r.Metric, r.Aggregation.Name), MoreIsBetter: r.MoreIsBetter,
		})
	}
	return all
}
