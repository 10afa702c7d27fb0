package capacity

import (
	"errors"
	"fmt"
	"math"
)

// Plan says how a capacity is used.
type Plan struct {
	// Use is the share of its capacity that an instance is loaded with at the peak: 0.7.
	Use float64
	// Spare is how many instances may be missing without that share being exceeded: 1.
	Spare int
	// Price is what an instance costs an hour, in any currency; 0: not asked for.
	Price float64
	// Requests is how many an iteration has; 0 counts as 1.
	Requests float64
}

// Forecast is what a rate needs. The low number of instances goes with the high end of the capacity's interval.
type Forecast struct {
	Rate      float64 `json:"rps"` // iterations per second, as the capacity is
	Low       int     `json:"n_lo"`
	Instances int     `json:"n"`
	High      int     `json:"n_hi"`
	// AtMost says that High suffices, and how many less would is not known: the capacity is known to be at least a
	// rate.
	AtMost bool `json:"at_most,omitempty"`
	// What a million requests cost with each number of instances.
	CostLow  float64 `json:"usd_per_million_lo,omitempty"`
	Cost     float64 `json:"usd_per_million,omitempty"`
	CostHigh float64 `json:"usd_per_million_hi,omitempty"`
	// Assumed says that how several instances scale is assumed, and Refusal why the law that was measured does not say
	// it; empty where none was.
	Assumed bool   `json:"assumed,omitempty"`
	Refusal string `json:"refusal,omitempty"`
}

// mostInstances bounds a forecast: beyond it nothing is said.
const mostInstances = 100_000

// Forecast returns the least number of instances whose capacity, used by the share that is allowed and without the
// spare ones, is the rate:
//
//	Use · C(n - Spare) >= rate
//
// C is the capacity that was found, times what the law over instances says that n of them do of that; where that law is
// not entitled to speak, what is assumed. It fails where no number of instances suffices.
func (p Plan) Forecast(rate float64, c Interval, s Scaling) (Forecast, error) {
	if !(rate > 0) || !(p.Use > 0 && p.Use <= 1) || p.Spare < 0 || !(c.Low > 0) || s.Measured < 1 {
		return Forecast{},
			errors.New("a plan needs a rate and a capacity above 0, a share in use from 0 to 1, and no " +
				"negative number of spare instances")
	}
	f, impossible := Forecast{Rate: rate, Assumed: true}, false
	var working [3]float64
	if s.Law != nil {
		working, f.Refusal, impossible = s.byLaw(rate/p.Use, c)
		f.Assumed = f.Refusal != ""
	}
	if f.Assumed {
		laws := s.assumed()
		for i, capacity := range []float64{c.High, c.Middle, c.Low} {
			working[i] = s.needed(rate/p.Use, capacity, laws[i])
		}
	}
	switch {
	case impossible:
		return f, errors.New("no number of instances bears that rate: adding more of them makes the whole slower")
	case working[2] > mostInstances:
		like := ""
		if s.Shared[1] > assumedMostShared {
			like = ", as the measured ones do"
		}
		return f, fmt.Errorf("no number of instances bears that rate if they share %.2g %% of their work%s",
			100*s.Shared[1], like)
	}
	for i, n := range []*int{&f.Low, &f.Instances, &f.High} {
		*n = p.whole(working[i])
	}
	f.CostLow, f.Cost, f.CostHigh = p.perMillion(rate, f.Low), p.perMillion(rate, f.Instances),
		p.perMillion(rate, f.High)
	return f, nil
}

// perMillion is what a million requests cost with so many instances at a rate of iterations per second.
func (p Plan) perMillion(rate float64, instances int) float64 {
	requests := rate
	if p.Requests > 0 {
		requests *= p.Requests
	}
	return p.Price * float64(instances) * 1e6 / (3600 * requests)
}

// whole is the number of instances, with the spare ones, of which so many must work.
func (p Plan) whole(working float64) int {
	const rounding = 1e-9 // relative: 3.0000000001 instances are 3
	return max(1, int(math.Ceil(working*(1-rounding)))) + p.Spare
}

// Farthest is the highest concurrency for which a law is entitled to speak: twice the highest that was measured.
func Farthest(samples []Sample) float64 {
	most := 0.0
	for _, s := range samples {
		most = max(most, s.N)
	}
	return 2 * most
}

// Entitled says why a law may not be asked for a concurrency; empty where it may. It may where that is not farther than
// twice what was measured, and the fit to the logarithms says nearly the same: where the two differ by more than 10 %,
// the samples do not determine the law.
func Entitled(samples []Sample, n float64) (refusal string) {
	if n > Farthest(samples) {
		return "it lies beyond twice the highest concurrency that was measured"
	}
	logarithmic := make([]Sample, len(samples))
	for i, s := range samples {
		logarithmic[i] = Sample{s.N, s.X, s.weight() / (s.X * s.X)} // the variance of ln X is that of X over X²
	}
	one, other := Full.fit(samples).At(n), Full.fit(logarithmic).At(n)
	if math.Abs(one-other) > 0.1*one {
		return "the measured throughputs scatter too much to determine the law there"
	}
	return ""
}
