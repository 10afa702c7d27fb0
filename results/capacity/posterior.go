package capacity

import (
	"errors"
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// Trial is a stretch of load at one rate, and whether the objectives held in it.
type Trial struct {
	Rate float64 `json:"rate"`
	Bad  bool    `json:"bad"`
}

// Posterior is what trials say of the capacity: the rate R* at which a trial is as likely good as bad. A trial at the
// rate r is bad with the probability
//
//	P(bad | r) = e + (1 - e - g) · Φ((ln r - ln R*) / s)
//
// in which s says how sharp the limit is, e how often a trial is bad for no reason of the rate, as by a hiccup, and g =
// 0.02 how often one far beyond the limit is good. R* is log-uniform in the range of the search, and s and e are
// uniform over a few values that cover what services show; all three are integrated over a grid. This is Bayesian
// estimation of a psychometric function (B. Treutwein, Vision Research 35 (1995), 2503-2522) with lapses (F. A.
// Wichmann, N. J. Hill, Perception & Psychophysics 63 (2001), 1293-1313).
type Posterior struct {
	rates  []float64 // the grid of R*, ascending, at equal distances of the logarithm
	cells  []cell
	trials []Trial
}

// cell is a hypothesis on everything but R*, with the logarithms of the probabilities for each R*.
type cell struct {
	spread, lapse float64
	log           []float64
}

const gridPoints = 400

var (
	spreads = []float64{0.01, 0.02, 0.04, 0.08, 0.16, 0.3}
	lapses  = []float64{0.02, 0.1, 0.2}
)

const lucky = 0.02 // the share of good trials far beyond the limit

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
	for _, s := range spreads {
		for _, e := range lapses {
			p.cells = append(p.cells, cell{s, e, make([]float64, gridPoints)})
		}
	}
	return p, nil
}

// Add takes a trial into account.
func (p *Posterior) Add(t Trial) {
	p.trials = append(p.trials, t)
	at := math.Log(t.Rate)
	for _, c := range p.cells {
		for i, r := range p.rates {
			bad := c.lapse + (1-c.lapse-lucky)*distuv.UnitNormal.CDF((at-math.Log(r))/c.spread)
			if !t.Bad {
				bad = 1 - bad
			}
			c.log[i] += math.Log(bad)
		}
	}
}

// Trials are those that were taken into account, in their order.
func (p *Posterior) Trials() []Trial { return p.trials }

// Density is the probability of each rate of the grid.
func (p *Posterior) Density() (rates, density []float64) {
	density = make([]float64, len(p.rates))
	most := math.Inf(-1)
	for _, c := range p.cells {
		for _, v := range c.log {
			most = max(most, v)
		}
	}
	sum := 0.0
	for _, c := range p.cells {
		for i, v := range c.log {
			density[i] += math.Exp(v - most)
			sum += math.Exp(v - most)
		}
	}
	for i := range density {
		density[i] /= sum
	}
	return p.rates, density
}

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
