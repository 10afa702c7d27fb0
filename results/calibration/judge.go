package calibration

import (
	"errors"
	"math"
	"slices"
	"time"

	"github.com/policycortex/headroom/results/experiment"
)

// Result is what a calibration comes to.
type Result struct {
	From, To     time.Time
	Recorded     int
	BlockSeconds float64 // the median
	Alpha        float64 // nominal, of all gates together
	MaxTime      time.Duration
	Blocks       int // of an experiment that lasts as long as it may
	Usual        Usual
	Vetoed       int
	Pairs        int
	Gates        []experiment.Gate
	Figures      []experiment.Gate // the gates and others, each as the only gate
	Noise        []Noise
	Rows         []Row
}

// Noise is the scatter of a figure between equal arms, as standard deviations of logarithms: 0.05 for 5 %.
type Noise struct {
	Figure string
	Pair   float64
	Block  float64
}

// Row is what experiments come to with one change of the head.
type Row struct {
	Change string
	Blocks int // that were recorded
	// Measured is the change of each figure over all blocks, by figure.
	Measured map[string]experiment.Estimate
	// All is an experiment with all gates, and Single one with each figure as its only gate, by figure.
	All    experiment.Resampled
	Single map[string]experiment.Resampled
	// OneRun is how often one run of each arm, as long as a block, differed by more than the tolerance for the worse,
	// by figure: what a threshold on the ratio of two runs does.
	OneRun map[string]Share
}

// Share is k of n.
type Share struct{ K, N int }

const (
	miss    = 0.025
	stretch = 4
	seed    = 1
)

// others are figures that are looked at though they are no gates of the scenario regression.
var others = []experiment.Gate{
	{Figure: "http_req_duration{name:get_hot} p(95)", Tolerance: 0.05},
	{Figure: "http_req_duration{name:get_hot} p(99)", Tolerance: 0.05},
}

// Judge draws experiments of at most maxTime from a recording, with the gates of its scenario, which share the error
// rate alpha. The guard that every experiment has besides is not among them.
func Judge(recorded []Block, gates []experiment.Gate, alpha float64, maxTime time.Duration, experiments int) (*Result,
	error,
) {
	if len(recorded) == 0 {
		return nil, errors.New("the recording has no blocks")
	}
	var seconds []float64
	r := &Result{
		Recorded: len(recorded), Alpha: alpha, MaxTime: maxTime, Usual: recorded[0].Usual, From: recorded[0].Time,
		To: recorded[len(recorded)-1].Time, Gates: gates, Figures: slices.Concat(gates, others),
	}
	for _, b := range recorded {
		seconds = append(seconds, b.Seconds)
	}
	slices.Sort(seconds)
	r.BlockSeconds = seconds[len(seconds)/2]
	r.Blocks = int(maxTime.Seconds() / r.BlockSeconds)
	for _, change := range Changes {
		blocks := of(recorded, change.Name)
		if len(blocks) < stretch {
			continue
		}
		vetoed, pairs := experiment.Vetoed(blocks)
		r.Vetoed, r.Pairs = r.Vetoed+vetoed, r.Pairs+pairs
		row, err := r.row(change, blocks, experiments)
		if err != nil {
			return nil, err
		}
		r.Rows = append(r.Rows, row)
		if change.Equal() {
			r.noise(row)
		}
	}
	return r, nil
}

// of are the blocks with a change, in the order of time.
func of(recorded []Block, change string) []experiment.Block {
	var blocks []experiment.Block
	for _, b := range recorded {
		if b.Change == change {
			blocks = append(blocks, b.Block)
		}
	}
	return blocks
}

func (r *Result) noise(row Row) {
	for _, g := range r.Figures {
		if e, ok := row.Measured[g.Figure]; ok {
			r.Noise = append(r.Noise, Noise{e.Figure, e.PairNoise, e.Noise})
		}
	}
}

func (r *Result) row(change Change, blocks []experiment.Block, experiments int) (Row, error) {
	row := Row{
		Change: change.Name, Blocks: len(blocks), Measured: map[string]experiment.Estimate{},
		Single: map[string]experiment.Resampled{}, OneRun: map[string]Share{},
	}
	for _, e := range experiment.Estimates(blocks, false) {
		row.Measured[e.Figure] = e
	}
	drawing := experiment.Resampling{
		Experiments: experiments, Blocks: r.Blocks, Stretch: stretch, Exchange: change.Equal(), Seed: seed,
	}
	draw := func(gates ...experiment.Gate) (experiment.Resampled, error) {
		test, err := experiment.NewTest(experiment.Rule{Gates: gates, Blocks: r.Blocks, Alpha: r.Alpha, Miss: miss})
		if err != nil {
			return experiment.Resampled{}, err
		}
		return drawing.Resample(blocks, test.JudgeEnded), nil
	}
	var err error
	row.All, err = draw(r.Gates...)
	for _, g := range r.Figures {
		if err != nil {
			return row, err
		}
		row.Single[g.Figure], err = draw(g)
		row.OneRun[g.Figure] = oneRun(blocks, g)
	}
	return row, err
}

// oneRun compares the base of each block with the head of the next: two runs one after the other, each as long as the
// slices of an arm in a block.
func oneRun(blocks []experiment.Block, g experiment.Gate) (s Share) {
	for i := range len(blocks) - 1 {
		base, head := mean(blocks[i], experiment.Base, g.Figure), mean(blocks[i+1], experiment.Head, g.Figure)
		if math.IsNaN(base) || math.IsNaN(head) {
			continue
		}
		s.N++
		if g.MoreIsBetter && head < base*(1-g.Tolerance) || !g.MoreIsBetter && head > base*(1+g.Tolerance) {
			s.K++
		}
	}
	return s
}

// mean is that of an arm's slices in a block; NaN without any.
func mean(b experiment.Block, arm experiment.Arm, figure string) float64 {
	sum, n := 0.0, 0.0
	for _, s := range b.Slices {
		if v, ok := s.Figures[figure]; ok && s.Arm == arm && s.Veto == "" {
			sum, n = sum+v, n+1
		}
	}
	return sum / n
}
