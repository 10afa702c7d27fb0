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
	From, To     time.Time     `json:"-"`
	Recorded     int           `json:"recorded_blocks"`
	BlockSeconds float64       `json:"block_seconds"` // the median
	MaxTime      time.Duration `json:"-"`
	Blocks       int           `json:"blocks"` // of an experiment that lasts as long as it may
	Usual        Usual         `json:"usual"`
	Vetoed       int           `json:"vetoed_pairs"`
	Pairs        int           `json:"pairs"`
	Noise        []Noise       `json:"noise"`
	Rows         []Row         `json:"rows"`
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
	// Measured is the change of each figure over all blocks.
	Measured []experiment.Estimate
	// Default is an experiment with the default gates, and Single one with each figure as its only gate.
	Default experiment.Resampled
	Single  map[string]experiment.Resampled
	// OneRun is how often one run of each arm, as long as a block, differed by more than the tolerance for the worse,
	// by figure: what a threshold on the ratio of two runs does.
	OneRun map[string]Share
}

// Share is k of n.
type Share struct{ K, N int }

// Tolerance is that of all gates of a calibration.
const Tolerance = 0.05

const (
	alpha   = 0.01
	miss    = 0.025
	stretch = 4
	seed    = 1
)

// Figures are those that a calibration looks at.
var Figures = []string{cpuFigure, p50Figure, p95Figure, p99Figure}

// Judge draws experiments of at most maxTime from a recording.
func Judge(recorded []Block, maxTime time.Duration, experiments int) (*Result, error) {
	if len(recorded) == 0 {
		return nil, errors.New("the recording has no blocks")
	}
	var seconds []float64
	r := &Result{
		Recorded: len(recorded), MaxTime: maxTime, Usual: recorded[0].Usual, From: recorded[0].Time,
		To: recorded[len(recorded)-1].Time,
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
	for _, e := range row.Measured {
		r.Noise = append(r.Noise, Noise{e.Figure, e.PairNoise, e.Noise})
	}
}

func (r *Result) row(change Change, blocks []experiment.Block, experiments int) (Row, error) {
	row := Row{
		Change: change.Name, Blocks: len(blocks), Single: map[string]experiment.Resampled{}, OneRun: map[string]Share{},
	}
	for _, e := range experiment.Estimates(blocks, false) {
		if slices.Contains(Figures, e.Figure) {
			row.Measured = append(row.Measured, e)
		}
	}
	drawing := experiment.Resampling{
		Experiments: experiments, Blocks: r.Blocks, Stretch: stretch, Exchange: change.Equal(), Seed: seed,
	}
	draw := func(figures ...string) (experiment.Resampled, error) {
		rule := experiment.Rule{Blocks: r.Blocks, Alpha: alpha, Miss: miss}
		for _, f := range figures {
			rule.Gates = append(rule.Gates, experiment.Gate{Figure: f, Tolerance: Tolerance})
		}
		test, err := experiment.NewTest(rule)
		if err != nil {
			return experiment.Resampled{}, err
		}
		return drawing.Resample(blocks, test.JudgeEnded), nil
	}
	var err error
	row.Default, err = draw(p95Figure, cpuFigure)
	if err != nil {
		return row, err
	}
	for _, figure := range Figures {
		row.Single[figure], err = draw(figure)
		if err != nil {
			return row, err
		}
		row.OneRun[figure] = oneRun(blocks, figure)
	}
	return row, nil
}

// oneRun compares the base of each block with the head of the next: two runs one after the other, each as long as the
// slices of an arm in a block.
func oneRun(blocks []experiment.Block, figure string) (s Share) {
	for i := range len(blocks) - 1 {
		base, head := mean(blocks[i], experiment.Base, figure), mean(blocks[i+1], experiment.Head, figure)
		if math.IsNaN(base) || math.IsNaN(head) {
			continue
		}
		s.N++
		if head > base*(1+Tolerance) {
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
