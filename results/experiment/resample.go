package experiment

import (
	"math/rand/v2"

	"gonum.org/v1/gonum/stat/distuv"
)

// Resampling says how experiments are drawn from recorded blocks.
type Resampling struct {
	// Experiments is how many are drawn, Blocks of how many blocks each.
	Experiments, Blocks int
	// Stretch is the number of recorded blocks that stay together in their order, so that a drift of the machine stays
	// in what is drawn (the circular block bootstrap: D. N. Politis, J. P. Romano, in Exploring the Limits of
	// Bootstrap, 1992, 263-270).
	Stretch int
	// Exchange swaps the arms of each stretch by a coin. It is for arms that are equal: then nothing tells them apart,
	// and a difference that the recording happens to have is none of the arms.
	Exchange bool
	Seed     uint64
}

// Resampled is what the experiments came to.
type Resampled struct {
	Experiments int     `json:"experiments"`
	Failed      int     `json:"failed"`
	Passed      int     `json:"passed"`
	Blocks      float64 `json:"mean_blocks"` // after which they were decided, or ended
}

// Resample draws experiments from recorded blocks and judges them; judge is called once an experiment, with all of its
// blocks, and is to look at them as they came.
func (r Resampling) Resample(recorded []Block, judge func(blocks []Block) State) Resampled {
	random := rand.New(rand.NewPCG(r.Seed, 0))
	exchanged := make([]Block, len(recorded))
	for i, b := range recorded {
		exchanged[i] = b.exchanged()
	}
	out := Resampled{Experiments: r.Experiments}
	blocks := make([]Block, 0, r.Blocks+r.Stretch)
	total := 0
	for range r.Experiments {
		blocks = blocks[:0]
		for len(blocks) < r.Blocks {
			from, start := recorded, random.IntN(len(recorded))
			if r.Exchange && random.IntN(2) == 1 {
				from = exchanged
			}
			for i := range r.Stretch {
				blocks = append(blocks, from[(start+i)%len(from)])
			}
		}
		state := judge(blocks[:r.Blocks])
		total += state.Blocks
		switch state.Decision {
		case Failed:
			out.Failed++
		case Passed:
			out.Passed++
		}
	}
	out.Blocks = float64(total) / float64(r.Experiments)
	return out
}

// exchanged is the block with the names of its arms swapped.
func (b Block) exchanged() Block {
	slices := make([]Slice, len(b.Slices))
	for i, s := range b.Slices {
		s.Arm = s.Arm.other()
		slices[i] = s
	}
	return Block{Number: b.Number, Slices: slices}
}

// ShareInterval is the 95 % interval of a share of which k of n were seen (C. J. Clopper, E. S. Pearson, Biometrika 26
// (1934), 404-413).
func ShareInterval(k, n int) (low, high float64) {
	const tail = 0.025
	low, high = 0, 1
	if k > 0 {
		low = distuv.Beta{Alpha: float64(k), Beta: float64(n - k + 1)}.Quantile(tail)
	}
	if k < n {
		high = distuv.Beta{Alpha: float64(k + 1), Beta: float64(n - k)}.Quantile(1 - tail)
	}
	return low, high
}
