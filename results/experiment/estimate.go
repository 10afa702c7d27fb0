package experiment

import (
	"maps"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"
)

// Estimate is the change of a figure from base to head, gated or not.
type Estimate struct {
	Figure string `json:"figure"`
	Blocks int    `json:"blocks"`
	// Base and Head are the medians over the slices that count, in the figure's unit.
	Base float64 `json:"base"`
	Head float64 `json:"head"`
	// Change is the mean of the blocks' values as a share: 0.05 for 5 % more. Low and High are its 95 % interval; they
	// are infinite with fewer than two blocks.
	Change float64 `json:"change"`
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
	// Noise is the standard deviation of a block's value, and PairNoise that of a single pair; NaN where there are too
	// few of them.
	Noise     float64 `json:"noise"`
	PairNoise float64 `json:"pair_noise"`
	// MeanNoise is as in [GateState].
	MeanNoise float64 `json:"-"`
}

// Estimates are those of all figures that the blocks have, in alphabetical order. The intervals are those of a single
// figure that is looked at once: of twenty figures without a change one lies outside of its interval, as a rule.
func Estimates(blocks []Block, continuous bool) []Estimate {
	names := map[string]bool{}
	for _, b := range blocks {
		for _, s := range b.Slices {
			for name := range s.Figures {
				names[name] = true
			}
		}
	}
	var all []Estimate
	for _, name := range slices.Sorted(maps.Keys(names)) {
		all = append(all, estimate(blocks, name, continuous))
	}
	return all
}

func estimate(blocks []Block, figure string, continuous bool) Estimate {
	e := Estimate{
		Figure: figure, Noise: math.NaN(), MeanNoise: math.NaN(), Low: math.Inf(-1), High: math.Inf(1),
		PairNoise: PairNoise(blocks, figure),
	}
	var values []float64
	for _, b := range blocks {
		if v, ok := b.Value(figure); ok {
			values = append(values, v)
		}
	}
	e.Base, e.Head = medianOf(blocks, Base, figure), medianOf(blocks, Head, figure)
	e.Blocks = len(values)
	if e.Blocks == 0 {
		e.Change = math.NaN()
		return e
	}
	e.Change = math.Expm1(stat.Mean(values, nil))
	if e.Blocks > 1 {
		s := summarize(values, continuous)
		half := s.half(studentBound(0.025, s.freedom))
		e.MeanNoise = s.err * math.Sqrt(float64(e.Blocks))
		e.Noise, e.Low, e.High = s.sd, math.Expm1(s.mean-half), math.Expm1(s.mean+half)
	}
	return e
}

// medianOf is the median of an arm's slices that count; NaN where there are none.
func medianOf(blocks []Block, arm Arm, figure string) float64 {
	var values []float64
	for _, b := range blocks {
		for _, s := range b.Slices {
			if v, ok := s.Figures[figure]; ok && s.Arm == arm && s.Veto == "" {
				values = append(values, v)
			}
		}
	}
	n := len(values)
	if n == 0 {
		return math.NaN()
	}
	slices.Sort(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}
