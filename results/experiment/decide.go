package experiment

import (
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// Decision is what an experiment, or one of its gates, has come to.
type Decision string

// The decisions.
const (
	Undecided  Decision = ""           // more blocks are needed
	Passed     Decision = "PASS"       // not worse by more than the tolerance
	Failed     Decision = "FAIL"       // worse
	Unresolved Decision = "UNRESOLVED" // the blocks are used up, and it cannot be told
)

// Rule says how blocks are judged.
type Rule struct {
	Gates []Gate
	// Blocks is the most blocks that there will be, at least 4.
	Blocks int
	// Alpha is the probability with which an experiment of two equal arms fails, over all gates and looks: 0.01.
	Alpha float64
	// Miss is the probability with which a gate passes, over all looks, though the head is worse by the tolerance:
	// 0.025.
	Miss float64
	// Continuous says that the arms were not started anew for each block: blocks that follow each other are alike then,
	// and the variance of their mean is estimated accordingly.
	Continuous bool
}

// Test judges blocks by a rule.
type Test struct {
	rule   Rule
	design Design
	levels levels
	bounds []bounds // of each look
}

// levels are the nominal levels of the looks: of failing, by one less than the number of gates that share alpha, and of
// passing.
type levels struct {
	fail [][]float64
	pass []float64
}

// bounds are how far bounds of a mean lie from it, in its standard errors: of its 95 % interval, of failing where all
// gates share alpha, and of passing.
type bounds struct{ interval, fail, pass float64 }

// NewTest returns the test of a rule, or an error that says what of the rule is not possible.
func NewTest(r Rule) (*Test, error) {
	if len(r.Gates) == 0 {
		return nil, errors.New("an experiment needs at least one gate")
	}
	for _, g := range r.Gates {
		if err := g.Validate(); err != nil {
			return nil, err
		}
	}
	for _, rate := range []float64{r.Alpha, r.Miss} {
		if !(rate > 0 && rate < 0.5) {
			return nil, fmt.Errorf("an error rate of %v is not possible: it lies between 0 and 0.5", rate)
		}
	}
	design, err := NewDesign(r.Blocks)
	if err != nil {
		return nil, err
	}
	return newTest(r, design), nil
}

func newTest(r Rule, design Design) *Test {
	t := &Test{rule: r, design: design, levels: levels{pass: design.Levels(r.Miss)}}
	for m := range len(r.Gates) {
		t.levels.fail = append(t.levels.fail, design.Levels(r.Alpha/float64(m+1)))
	}
	for k, l := range design.looks {
		t.bounds = append(t.bounds, t.boundsOf(k, l.blocks))
	}
	return t
}

// boundsOf are the bounds of the k-th look where it is at so many blocks.
func (t *Test) boundsOf(k, blocks int) bounds {
	freedom := freedomOf(blocks, t.rule.Continuous)
	return bounds{
		studentBound(0.025, freedom), studentBound(t.levels.fail[len(t.rule.Gates)-1][k], freedom),
		studentBound(t.levels.pass[k], freedom),
	}
}

// GateState is what is known of a gate after a look.
type GateState struct {
	Gate
	Decision Decision `json:"decision"`
	// Change is the estimated change of the figure from base to head: 0.05 for 5 % more.
	Change float64 `json:"change"`
	// Low and High are its 95 % interval, by a single look at these blocks: it is for the eye, and does not decide.
	// Where the blocks ended because of what they showed, the estimate lies too far out on average, and the interval
	// contains the true change less often.
	Low  float64 `json:"low"`
	High float64 `json:"high"`
	// FailsFrom and PassesBelow are the bounds of this look, as changes: the gate fails when the estimate reaches
	// FailsFrom, and passes when it stays below PassesBelow. They depend on the noise that was met.
	FailsFrom   float64 `json:"fails_from"`
	PassesBelow float64 `json:"passes_below"`
	// Noise is the standard deviation of a block's value.
	Noise float64 `json:"noise"`
	// MeanNoise is the standard error of the estimate times the square root of the number of blocks: Noise, unless
	// blocks that follow each other are alike.
	MeanNoise float64 `json:"mean_noise"`
	P         float64 `json:"p"` // one-sided
}

// State is what is known after a look.
type State struct {
	Blocks   int         `json:"blocks"` // of which all gates have a value
	Decision Decision    `json:"decision"`
	Gates    []GateState `json:"gates"` // in the order of Test.rule.Gates
}

// Judge looks at the blocks at each of the design's looks, and returns the state after the look that decided, or after
// the last one that there were enough blocks for. Between two looks nothing is decided: then the state is what all
// blocks say, with the decisions of the last look. Blocks of which a gate has no value are left out.
//
// A gate fails when it is worse with the error rate that the design leaves to this look, and by more than half of its
// tolerance: what is small enough not to matter is no failure, however sure it is. The error rate alpha is shared by
// the gates as Holm does (S. Holm, Scand. J. Statist. 6 (1979), 65-70; for repeated looks W. Maurer, F. Bretz,
// Statistics in Biopharmaceutical Research 5 (2013), 311-320): each of m gates has alpha / m, and when one has failed,
// the others share all of alpha. A gate passes when the upper bound of its change, with the error rate Miss spent over
// the looks likewise, lies below the tolerance. The experiment fails with its first gate, and passes when all gates
// pass.
func (t *Test) Judge(blocks []Block) State {
	values := t.usable(blocks)
	state := State{Gates: make([]GateState, len(t.rule.Gates))}
	for i, g := range t.rule.Gates {
		state.Gates[i] = GateState{Gate: g}
	}
	for k, l := range t.design.looks {
		if l.blocks > len(values) {
			break
		}
		t.look(&state, values[:l.blocks], k)
		if state.Decision != Undecided {
			return state
		}
	}
	if n := len(values); n > state.Blocks && n >= 2 {
		t.describe(&state, values)
	}
	return state
}

// JudgeEnded is Judge for an experiment that will have no more blocks, because its time is over:
// when all looks so far have decided nothing, a last one at all blocks spends what is left of the error rates. What
// that does not decide is unresolved, as is everything with fewer than 4 blocks.
func (t *Test) JudgeEnded(blocks []Block) State {
	state := t.Judge(blocks)
	if state.Decision == Undecided && state.Blocks >= fewestBlocks {
		state = newTest(t.rule, t.design.ending(state.Blocks)).Judge(blocks)
	}
	return state.close()
}

// JudgeStopped is JudgeEnded for an experiment that somebody or an error ended. That may have been because of what the
// blocks had shown until then, so the last look spends no more of the error rates than the design allows by then.
func (t *Test) JudgeStopped(blocks []Block) State {
	state := t.Judge(blocks)
	if state.Decision == Undecided && state.Blocks >= fewestBlocks {
		state = newTest(t.rule, t.design.stopping(state.Blocks)).Judge(blocks)
	}
	return state.close()
}

// close makes what is undecided unresolved.
func (s State) close() State {
	if s.Decision == Undecided {
		s.Decision = Unresolved
	}
	for i := range s.Gates {
		if s.Gates[i].Decision == Undecided {
			s.Gates[i].Decision = Unresolved
		}
	}
	return s
}

// usable are the block values of the gates, more being worse, of the blocks that have one of each gate.
func (t *Test) usable(blocks []Block) [][]float64 {
	var all [][]float64
	for _, b := range blocks {
		row := make([]float64, 0, len(t.rule.Gates))
		for _, g := range t.rule.Gates {
			if v, ok := b.Value(g.Figure); ok {
				row = append(row, g.worse(v))
			}
		}
		if len(row) == len(t.rule.Gates) {
			all = append(all, row)
		}
	}
	return all
}

// look decides at the k-th look.
func (t *Test) look(state *State, values [][]float64, k int) {
	summaries := t.describe(state, values)
	undecided := len(t.rule.Gates)
	for again := true; again; {
		again = false
		for i := range state.Gates {
			g, s := &state.Gates[i], summaries[i]
			if g.Decision != Undecided || !(s.p() <= t.levels.fail[undecided-1][k]) || !(s.mean > g.limit()/2) {
				continue
			}
			g.Decision, state.Decision = Failed, Failed
			undecided--
			again = undecided > 0
			break
		}
	}
	passed := 0
	for i := range state.Gates {
		g := &state.Gates[i]
		if g.Decision == Undecided && summaries[i].upper(t.bounds[k].pass) < g.limit() {
			g.Decision = Passed
		}
		if g.Decision == Passed {
			passed++
		}
	}
	last := k == len(t.design.looks)-1
	switch {
	case state.Decision == Failed:
	case passed == len(state.Gates):
		state.Decision = Passed
	case last:
		*state = state.close()
	}
}

// describe puts the estimates over the values into the state, with the bounds of the look that comes with or after
// them.
func (t *Test) describe(state *State, values [][]float64) []summary {
	k := 0
	for k < len(t.design.looks)-1 && t.design.looks[k].blocks < len(values) {
		k++
	}
	state.Blocks = len(values)
	b := t.bounds[k] // computed once, as it takes longer than all else here
	if t.design.looks[k].blocks != len(values) {
		b = t.boundsOf(k, len(values))
	}
	summaries := make([]summary, len(t.rule.Gates))
	for i := range t.rule.Gates {
		g, s := &state.Gates[i], t.summarize(values, i)
		summaries[i] = s
		g.Noise, g.MeanNoise, g.P = s.sd, s.err*math.Sqrt(float64(len(values))), s.p()
		half := s.half(b.interval)
		g.Change, g.Low, g.High = g.change(s.mean), g.change(s.mean-half), g.change(s.mean+half)
		g.FailsFrom = g.change(max(s.half(b.fail), g.limit()/2))
		g.PassesBelow = g.change(g.limit() - s.half(b.pass))
		if g.Low > g.High {
			g.Low, g.High = g.High, g.Low
		}
	}
	return summaries
}

// change is a value, in which more is worse, as the change of the figure: 0.05 for 5 % more.
func (g Gate) change(value float64) float64 { return math.Expm1(g.worse(value)) }

// summary is the mean of block values with the standard error that it has.
type summary struct {
	mean, sd, err float64
	freedom       float64
}

func (t *Test) summarize(rows [][]float64, gate int) summary {
	values := make([]float64, len(rows))
	for i, row := range rows {
		values[i] = row[gate]
	}
	return summarize(values, t.rule.Continuous)
}

// summarize needs two values at least.
func summarize(values []float64, continuous bool) summary {
	n := float64(len(values))
	s := summary{mean: stat.Mean(values, nil), freedom: freedomOf(len(values), continuous)}
	for _, v := range values {
		s.sd += (v - s.mean) * (v - s.mean)
	}
	s.sd = math.Sqrt(s.sd / (n - 1))
	s.err = s.sd / math.Sqrt(n)
	if continuous {
		s.err = math.Sqrt(longRunVariance(values, s.freedom) / n)
	}
	return s
}

// p is the one-sided p-value of "not worse".
func (s summary) p() float64 {
	switch {
	case s.err > 0:
		return distuv.StudentsT{Sigma: 1, Nu: s.freedom}.Survival(s.mean / s.err)
	case s.mean > 0: // all blocks say the same, which only counted figures do
		return 0
	}
	return 1
}

// half is how far a one-sided bound lies from the mean, given that in standard errors.
func (s summary) half(bound float64) float64 {
	if s.err == 0 {
		return 0
	}
	return s.err * bound
}

func (s summary) upper(bound float64) float64 { return s.mean + s.half(bound) }

// longRunVariance estimates the variance of the mean of a stationary sequence, times its length, from the lowest
// frequencies: the mean of the squares of the first ν cosine transforms,
//
//	Λ_j = √(2/N) · Σ cos(π·j·(i - 1/2)/N) · x_i,  j = 1..ν,  ν = max(1, ⌊0.4·N^(2/3)⌋)
//
// to which Student's t with ν degrees of freedom belongs (the equal-weighted cosine estimator: E. Lazarus, D. J. Lewis,
// J. H. Stock, M. W. Watson, Journal of Business & Economic Statistics 36 (2018), 541-559).
func longRunVariance(x []float64, nu float64) (variance float64) {
	n := float64(len(x))
	for j := 1.0; j <= nu; j++ {
		var sum float64
		for i, v := range x {
			sum += math.Cos(math.Pi*j*(float64(i)+0.5)/n) * v
		}
		variance += 2 / n * sum * sum
	}
	return variance / nu
}

// freedomOf are the degrees of freedom of the variance that so many blocks give.
func freedomOf(blocks int, continuous bool) float64 {
	n := float64(blocks)
	if continuous {
		return max(1, math.Floor(0.4*math.Pow(n, 2.0/3)))
	}
	return n - 1
}

// Looks are the numbers of blocks after which the test looks at them.
func (t *Test) Looks() []int { return t.design.Looks() }

// Blocks is the most blocks that the test looks at.
func (t *Test) Blocks() int { return t.design.Most() }
