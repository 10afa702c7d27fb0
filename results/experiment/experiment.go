// Package experiment judges a paired experiment: two versions of a service, the base and the head, take turns under the
// same load, in blocks, until the difference is known well enough or the time is over.
//
// A slice is a stretch of time in which one arm is measured. Eight slices make a block; the order of the arms within it
// is ABBA BAAB or its mirror image, so that a drift which is linear over four slices falls out of the differences. Both
// arms are started anew for each block, where they can be: that averages out what depends on the start of a process
// (the layout of memory, the hash seeds, the connections), and makes the blocks nearly independent of each other.
//
// The package holds arithmetic alone: it takes the slices' figures, and gives block values, estimates, and decisions.
package experiment

import (
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"gonum.org/v1/gonum/stat"
)

// Arm is one of the two versions.
type Arm string

// The arms.
const (
	Base Arm = "base"
	Head Arm = "head"
)

// SlicesPerBlock is the number of slices of a block.
const SlicesPerBlock = 8

// Order is the order of the arms within a block: base head head base, head base base head, or its mirror image by a
// coin that the seed and the block's number decide.
func Order(seed uint64, block int) [SlicesPerBlock]Arm {
	order := [SlicesPerBlock]Arm{Base, Head, Head, Base, Head, Base, Base, Head}
	if rand.New(rand.NewPCG(seed, uint64(block))).IntN(2) == 1 {
		for i, arm := range order {
			order[i] = arm.other()
		}
	}
	return order
}

func (a Arm) other() Arm {
	if a == Base {
		return Head
	}
	return Base
}

// Slice is what was measured in one slice.
type Slice struct {
	Arm Arm `json:"arm"`
	// Figures are what was measured, by name, each above 0 or absent: "http_req_duration p(95)" in milliseconds,
	// "cpu_per_request" in seconds. A figure of Succeeded is 0 where no request succeeded.
	Figures map[string]float64 `json:"figures"`
	// Veto says why the slice does not count; empty: it counts. What vetoes a slice never looks at its figures.
	Veto string `json:"veto,omitempty"`
}

// Block is what was measured in one block: 8 slices, or fewer where it was cut.
type Block struct {
	Number int     `json:"number"`
	Slices []Slice `json:"slices"`
}

// fewestPairs is the least number of pairs that make the value of a block.
const fewestPairs = 2

// Value is the block's value of a figure: of ln(head / base) of its pairs, which are slices 1 and 2, 3 and 4, and so
// on, the mean of the middle two of four, so that one disturbed slice does not decide it; of three the middle one, of
// two their mean. A pair of which a slice is vetoed or has no such figure is left out; with fewer than two pairs ok is
// false. Of figures of Succeeded all pairs count alike: a slice in which requests failed is no disturbance.
func (b Block) Value(figure string) (value float64, ok bool) {
	if strings.HasPrefix(figure, Succeeded) {
		return b.success(figure)
	}
	ratios := b.ratios(figure)
	if len(ratios) < fewestPairs {
		return 0, false
	}
	slices.Sort(ratios)
	n := len(ratios)
	return (ratios[(n-1)/2] + ratios[n/2]) / 2, true
}

// Succeeded begins the names of the figures that are shares of requests that succeeded.
const Succeeded = "http_req_succeeded"

// leastSuccess is what a smaller share of the head is counted as, so that it has a logarithm.
const leastSuccess = 0.001

// success is ln(head / base) of the means over the pairs that count. It has no value where nothing of the base
// succeeded.
func (b Block) success(figure string) (value float64, ok bool) {
	var base, head float64
	counted := 0
	for one, two := range b.pairs() {
		v, ok := one.Figures[figure]
		w, too := two.Figures[figure]
		if !ok || !too {
			continue
		}
		counted++
		base, head = base+v, head+w
	}
	if counted < fewestPairs || base <= 0 {
		return 0, false
	}
	return math.Log(max(head/base, leastSuccess)), true
}

// pairs are those of which neither slice is vetoed, the base first, in the order of time.
func (b Block) pairs() iter.Seq2[Slice, Slice] {
	return func(yield func(base, head Slice) bool) {
		for i := 0; i+1 < len(b.Slices); i += 2 {
			one, two := b.Slices[i], b.Slices[i+1]
			if one.Arm == Head {
				one, two = two, one
			}
			if one.Veto == "" && two.Veto == "" && one.Arm != two.Arm && !yield(one, two) {
				return
			}
		}
	}
}

// Lacking are the number of pairs that count, and of those of which a slice has no value of the figure.
func Lacking(blocks []Block, figure string) (lacking, all int) {
	for _, b := range blocks {
		for base, head := range b.pairs() {
			_, ok := base.Figures[figure]
			_, too := head.Figures[figure]
			all++
			if !ok || !too {
				lacking++
			}
		}
	}
	return lacking, all
}

// ratios are ln(head / base) of the pairs that count, in the order of time.
func (b Block) ratios(figure string) []float64 {
	var ratios []float64
	for base, head := range b.pairs() {
		if v, w := base.Figures[figure], head.Figures[figure]; v > 0 && w > 0 {
			ratios = append(ratios, math.Log(w/v))
		}
	}
	return ratios
}

// Vetoed are the number of pairs in the blocks, and of those that were left out because of a veto.
func Vetoed(blocks []Block) (vetoed, all int) {
	for _, b := range blocks {
		for i := 0; i+1 < len(b.Slices); i += 2 {
			all++
			if b.Slices[i].Veto != "" || b.Slices[i+1].Veto != "" {
				vetoed++
			}
		}
	}
	return vetoed, all
}

// PairNoise is the standard deviation of ln(head / base) of the pairs around their blocks' means, the noise of a single
// comparison of two slices: about 0.05 for 5 %. It is NaN with fewer than two blocks of at least two pairs each.
func PairNoise(blocks []Block, figure string) float64 {
	var squares float64
	freedom := 0
	for _, b := range blocks {
		ratios := b.ratios(figure)
		mean := stat.Mean(ratios, nil)
		for _, r := range ratios {
			squares += (r - mean) * (r - mean)
		}
		freedom += max(0, len(ratios)-1)
	}
	if freedom < 2 {
		return math.NaN()
	}
	return math.Sqrt(squares / float64(freedom))
}

// Gate is a figure that decides, and how much more of it the head may have.
type Gate struct {
	Figure string `json:"figure"`
	// Tolerance is the share by which the head may be worse: 0.05 for 5 %.
	Tolerance float64 `json:"tolerance"`
	// MoreIsBetter says that a smaller value is worse, as of a throughput.
	MoreIsBetter bool `json:"more_is_better,omitempty"`
}

// worse is a block value seen so that more is worse.
func (g Gate) worse(value float64) float64 {
	if g.MoreIsBetter {
		return -value
	}
	return value
}

// limit is the tolerance as a difference of logarithms, above 0.
func (g Gate) limit() float64 {
	if g.MoreIsBetter {
		return -math.Log1p(-g.Tolerance)
	}
	return math.Log1p(g.Tolerance)
}

// Validate says what is wrong with a gate: the tolerance lies above 0 and, where more is better, below 1.
func (g Gate) Validate() error {
	if !(g.Tolerance > 0) || g.MoreIsBetter && g.Tolerance >= 1 || math.IsInf(g.Tolerance, 0) {
		return fmt.Errorf("gate %s: a tolerance of %v is not possible", g.Figure, g.Tolerance)
	}
	return nil
}
