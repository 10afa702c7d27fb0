package experiment

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// Design is a group-sequential design: after which numbers of blocks the experiment is looked at, the last of which
// ends it.
//
// Looking more than once at growing data rejects too often when each look uses the whole error rate. A design spends
// it: at look k, with the share t_k = n_k / n_K of all blocks, the errors spent so far are
//
//	spent(alpha, t) = 2 - 2·Phi(z / √t),  z the (1 - alpha/2)-quantile of the standard normal distribution
//
// (K. K. G. Lan, D. L. DeMets, Biometrika 70 (1983), 659-663; the function is that of O'Brien and Fleming's shape:
// little early, nearly all at the end). The bound c_k of a look is the value that a standardized sum of independent
// increments exceeds for the first time at look k with the probability spent(t_k) - spent(t_(k-1)). The density of the
// sums that stayed below all earlier bounds is integrated numerically from look to look (P. Armitage, C. K. McPherson,
// B. C. Rowe, JRSS A 132 (1969), 235-244; C. Jennison, B. W. Turnbull, Group Sequential Methods, 2000, chapter 19).
//
// The variance of the blocks is not known but estimated from them. A look therefore compares the p-value of Student's t
// with the tail that the normal distribution has beyond c_k.
//
// Where the time has room for fewer blocks than were planned, the last look is at those that there are and spends what
// is left: how much is spent may depend on the blocks' number, as long as it does not depend on their values. An
// experiment that somebody stops may be stopped for its values: its last look spends what the function allows by then.
type Design struct {
	looks []look
}

// look is after so many blocks, in ascending order; share is what decides how much of the errors may be spent by then.
type look struct {
	blocks int
	share  float64
}

// The standard looks: the first after enough blocks to estimate a variance, then every fourth block.
const (
	firstLook = 8
	lookEvery = 4
	// fewestBlocks is the least number of blocks that a test is made of. With fewer, the bounds of t are so wide that
	// nothing short of a doubling could be found.
	fewestBlocks = 4
)

// NewDesign returns the design for at most so many blocks: a look after 8 blocks, then after every fourth, and the last
// one at most; with fewer than 8 blocks there is just one look. It is an error when fewer than 4 blocks are possible.
func NewDesign(most int) (Design, error) {
	if most < fewestBlocks {
		return Design{}, fmt.Errorf("%d blocks are too few for an experiment: at least %d are needed", most,
			fewestBlocks)
	}
	var d Design
	for n := firstLook; n < most; n += lookEvery {
		d.looks = append(d.looks, look{n, float64(n) / float64(most)})
	}
	d.looks = append(d.looks, look{most, 1})
	return d, nil
}

// ending is the design of an experiment whose time was over after n blocks, n at least 4: its last look spends all.
func (d Design) ending(n int) Design { return d.until(look{n, 1}) }

// stopping is the design of an experiment that was stopped after n blocks, n at least 4.
func (d Design) stopping(n int) Design {
	return d.until(look{n, min(1, float64(n)/float64(d.Most()))})
}

// until is the design with a last look in the place of those that come at or after it.
func (d Design) until(last look) Design {
	var e Design
	for _, l := range d.looks {
		if l.blocks < last.blocks {
			e.looks = append(e.looks, l)
		}
	}
	e.looks = append(e.looks, last)
	return e
}

// Looks are the numbers of blocks after which the experiment is looked at, ascending.
func (d Design) Looks() []int {
	var all []int
	for _, l := range d.looks {
		all = append(all, l.blocks)
	}
	return all
}

// Most is the number of blocks after which the experiment ends.
func (d Design) Most() int { return d.looks[len(d.looks)-1].blocks }

// Levels are the nominal one-sided levels of the looks: the error rate at which a single look tests, so that all looks
// together err with the probability alpha, 0 < alpha < 0.5.
func (d Design) Levels(alpha float64) []float64 {
	levels := make([]float64, len(d.looks))
	last := float64(d.Most())
	density := newDensity()
	var spent, before float64
	for k, l := range d.looks {
		until := spend(alpha, l.share)
		time := float64(l.blocks) / last
		density.advance(time - before)
		bound := density.bound(until - spent)
		density.truncate(bound)
		levels[k] = survival(bound / math.Sqrt(time))
		spent, before = until, time
	}
	return levels
}

// Bounds are the looks' bounds of Student's t for a level alpha, with one degree of freedom less than there are blocks.
func (d Design) Bounds(alpha float64) []float64 {
	bounds := d.Levels(alpha)
	for k, l := range d.looks {
		bounds[k] = studentBound(bounds[k], float64(l.blocks-1))
	}
	return bounds
}

// spend is the part of alpha that may be spent until the share t of the blocks.
func spend(alpha, t float64) float64 {
	z := distuv.UnitNormal.Quantile(1 - alpha/2)
	return 2 * survival(z/math.Sqrt(t))
}

// survival is the probability that a standard normal variable exceeds x. That of distuv is 0 from 8.3 on, which the
// bounds of early looks of a long experiment lie beyond.
func survival(x float64) float64 { return math.Erfc(x/math.Sqrt2) / 2 }

// studentBound is the value that Student's t with so many degrees of freedom exceeds with a probability of level.
func studentBound(level, freedom float64) float64 {
	return -distuv.StudentsT{Mu: 0, Sigma: 1, Nu: freedom}.Quantile(level)
}

// density is that of a Brownian motion (variance t at the share t) on a grid, without the paths that crossed a bound.
type density struct {
	at   []float64 // the value at lowest + i·step
	zero bool      // nothing has been added: all mass lies at 0
	top  int       // the grid points from here on were cut off by a bound
}

// The grid reaches from -lowest to +lowest, far more than 4 standard deviations of the whole motion on either side of
// any bound.
const (
	lowest   = -10.0
	gridStep = 1.0 / 128
	gridSize = int(-2*lowest/gridStep) + 1
)

func newDensity() *density {
	return &density{at: make([]float64, gridSize), zero: true, top: gridSize}
}

func gridAt(i int) float64 { return lowest + float64(i)*gridStep }

// advance adds an independent normal increment of a variance: a convolution.
func (d *density) advance(variance float64) {
	sd := math.Sqrt(variance)
	if d.zero {
		for i := range d.at {
			d.at[i] = normalDensity(gridAt(i), sd)
		}
		d.zero, d.top = false, gridSize
		return
	}
	reach := min(gridSize-1, int(math.Ceil(9*sd/gridStep)))
	kernel := make([]float64, reach+1)
	for k := range kernel {
		kernel[k] = normalDensity(float64(k)*gridStep, sd) * gridStep
	}
	next := make([]float64, gridSize)
	for i := range d.top {
		weight := d.at[i]
		if weight < 1e-300 {
			continue
		}
		for j := max(0, i-reach); j <= min(gridSize-1, i+reach); j++ {
			next[j] += weight * kernel[max(i-j, j-i)]
		}
	}
	d.at, d.top = next, gridSize
}

// bound is the value above which the mass is as given; the end of the grid for a mass too small for a number.
func (d *density) bound(mass float64) float64 {
	if mass <= 0 {
		return -lowest
	}
	var above float64
	for i := gridSize - 1; i > 0; i-- {
		here := (d.at[i] + d.at[i-1]) / 2 * gridStep
		if above+here >= mass {
			// Within a step the density is a line; its integral is solved for the share of the step.
			return gridAt(i) - gridStep*shareOfStep(d.at[i], d.at[i-1], (mass-above)/gridStep)
		}
		above += here
	}
	return lowest
}

// shareOfStep is the x in 0..1 with a·x + (b-a)·x²/2 = area.
func shareOfStep(a, b, area float64) float64 {
	return 2 * area / (a + math.Sqrt(max(0, a*a+2*(b-a)*area)))
}

// truncate takes out the paths above a bound. The grid point at its edge keeps half of its weight.
func (d *density) truncate(bound float64) {
	d.top = min(gridSize, int(math.Floor((bound-lowest)/gridStep))+1)
	for i := d.top; i < gridSize; i++ {
		d.at[i] = 0
	}
	if d.top > 0 && d.top < gridSize {
		inside := (bound - gridAt(d.top-1)) / gridStep // of the next step
		d.at[d.top-1] *= 0.5 + inside
	}
}

func normalDensity(x, sd float64) float64 {
	z := x / sd
	return math.Exp(-z*z/2) / (sd * math.Sqrt(2*math.Pi))
}
