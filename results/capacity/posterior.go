package capacity

import (
	"errors"
	"math"
)

// Trial is a stretch of load at one rate, and how the objectives held in it.
type Trial struct {
	Rate float64 `json:"rate"`
	Bad  bool    `json:"bad"`
	// Excess is the share of the requests that missed an objective as a multiple of the share that may, of the
	// objective where that is the highest: P95 is at its limit when it is 1. Nil means that it is not known.
	Excess *float64 `json:"excess,omitempty"`
	// May is how many requests could have missed that objective; 0 means that it is not known, and many.
	May float64 `json:"may_miss,omitempty"`
}

// Posterior is what trials say of the capacity: the rate R* at which as many requests miss the objectives as may, in
// the mean of many trials. At the rate r the excess of a trial has the mean
//
//	m(r) = f + (1 - f) · (r / R*)^k
//
// and a negative binomial distribution with the shape a around it. k says how sharp the limit is, f what is missed at
// any rate, as by service times with a heavy tail, and a how much trials scatter. Beside it a trial is bad for no
// reason of the rate, as by a hiccup, with the probability e, and good for none with 0.02. R* is log-uniform in the
// range of the search, and k, f, a, and e are uniform over a few values that cover what services show; all are
// integrated over a grid. Only the class of the excess counts, from [classes]; of a trial whose excess is not known,
// only whether it was bad. This is Bayesian estimation of a psychometric function (B. Treutwein, Vision Research 35
// (1995), 2503-2522) with lapses (F. A. Wichmann, N. J. Hill, Perception & Psychophysics 63 (2001), 1293-1313), with a
// response that is more than yes or no.
type Posterior struct {
	rates       []float64 // the grid of R*, ascending, at equal distances of the logarithm
	cells       []cell
	trials      []Trial
	likelihoods []likelihood // of the trials
	density     []float64    // of rates
}

// cell is a hypothesis on everything but R*, with the logarithms of the probabilities for each R*.
type cell struct {
	sharpness, floor float64
	scatter          int // index in scatters
	lapse            int // index in lapses
	log              []float64
}

const gridPoints = 400

var (
	sharpnesses = []float64{1.5, 3, 6, 12, 25, 50, 100, 200} // k
	floors      = []float64{0, 0.35, 0.7}                    // f
)

// NewPosterior knows nothing but that the capacity lies between two rates, 0 < low < high.
func NewPosterior(low, high float64) (*Posterior, error) {
	if !(low > 0) || !(high > low) || math.IsInf(high, 1) {
		return nil, errors.New("the range of a search lies above 0 and has an end")
	}
	p := &Posterior{rates: make([]float64, gridPoints)}
	step := math.Log(high/low) / (gridPoints - 1)
	for i := range p.rates {
		p.rates[i] = low * math.Exp(float64(i)*step)
	}
	for range p.rates {
		p.density = append(p.density, 1.0/gridPoints)
	}
	for _, k := range sharpnesses {
		for _, f := range floors {
			for a := range scatters {
				for e := range lapses {
					p.cells = append(p.cells, cell{k, f, a, e, make([]float64, gridPoints)})
				}
			}
		}
	}
	return p, nil
}

// Add takes a trial into account.
func (p *Posterior) Add(t Trial) {
	p.add(t, likelihoodOf(t))
	p.integrate()
}

// over is what the same trials say where the capacity lies between two other rates.
func (p *Posterior) over(low, high float64) (*Posterior, error) {
	other, err := NewPosterior(low, high)
	if err != nil {
		return nil, err
	}
	for i, t := range p.trials {
		other.add(t, p.likelihoods[i])
	}
	other.integrate()
	return other, nil
}

// add is Add without the sums.
func (p *Posterior) add(t Trial, l likelihood) {
	p.trials, p.likelihoods = append(p.trials, t), append(p.likelihoods, l)
	var means []int // of the excess, for each R*, as an index of the table
	for n, c := range p.cells {
		if n == 0 || c.sharpness != p.cells[n-1].sharpness || c.floor != p.cells[n-1].floor {
			means = means[:0]
			for _, r := range p.rates {
				means = append(means, meanIndex(c.floor+(1-c.floor)*math.Pow(t.Rate/r, c.sharpness)))
			}
		}
		log := l[c.scatter][c.lapse]
		for i, m := range means {
			c.log[i] += log[m]
		}
	}
}

// integrate sums up the probabilities of each R* over the cells.
func (p *Posterior) integrate() {
	most := math.Inf(-1)
	for _, c := range p.cells {
		for _, v := range c.log {
			most = max(most, v)
		}
	}
	clear(p.density)
	sum := 0.0
	for _, c := range p.cells {
		for i, v := range c.log {
			if v-most > negligible {
				share := math.Exp(v - most)
				p.density[i] += share
				sum += share
			}
		}
	}
	for i := range p.density {
		p.density[i] /= sum
	}
}

// negligible is the logarithm of a probability, as a share of the highest one, that is as good as none.
const negligible = -40

// Trials are those that were taken into account, in their order.
func (p *Posterior) Trials() []Trial { return p.trials }

// Density is the probability of each rate of the grid. The caller changes nothing in it.
func (p *Posterior) Density() (rates, density []float64) { return p.rates, p.density }

// Quantile is the rate below which the capacity lies with a probability.
func (p *Posterior) Quantile(q float64) float64 {
	rates, density := p.Density()
	sum := 0.0
	for i, d := range density {
		if sum+d >= q {
			if i == 0 {
				return rates[0]
			}
			share := (q - sum) / d
			return math.Exp(math.Log(rates[i-1]) + share*math.Log(rates[i]/rates[i-1]))
		}
		sum += d
	}
	return rates[len(rates)-1]
}

// Interval is the range in which the capacity lies with a probability of 95 %, and the middle of it.
type Interval struct {
	Low    float64 `json:"lo"`
	Middle float64 `json:"mid"`
	High   float64 `json:"hi"`
}

// Width is that of the interval as a share of its middle.
func (i Interval) Width() float64 { return (i.High - i.Low) / i.Middle }

// Interval is that of the capacity: its median and the quantiles around it.
func (p *Posterior) Interval() Interval {
	return Interval{p.Quantile(0.025), p.Quantile(0.5), p.Quantile(0.975)}
}

// placing are the quantiles of the posterior at which trials are placed, in turns: at the middle a trial says most of
// where the limit is, and beside it how sharp it is. The order is never that of the rates, so that a service which
// becomes slower with time is not taken for one that cannot bear the rate.
var placing = []float64{0.5, 0.2, 0.8}

// Next is the rate of the next trial.
func (p *Posterior) Next() float64 { return p.Quantile(placing[len(p.trials)%len(placing)]) }

// Both says whether good and bad trials were seen.
func (p *Posterior) Both() bool {
	good, bad := p.seen()
	return good > 0 && bad > 0
}

// Good says whether a good trial was seen, Bad whether a bad one.
func (p *Posterior) Good() bool { good, _ := p.seen(); return good > 0 }
func (p *Posterior) Bad() bool  { _, bad := p.seen(); return bad > 0 }

// Range are the ends of the rates that are considered.
func (p *Posterior) Range() (low, high float64) { return p.rates[0], p.rates[len(p.rates)-1] }

// seen counts the trials.
func (p *Posterior) seen() (good, bad int) {
	for _, t := range p.trials {
		if t.Bad {
			bad++
		} else {
			good++
		}
	}
	return good, bad
}
