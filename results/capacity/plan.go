package capacity

import (
	"errors"
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
}

// Forecast is what a rate needs. The low number of instances goes with the high end of the capacity's interval.
type Forecast struct {
	Rate       float64 `json:"rps"`
	Low        int     `json:"n_lo"`
	Instances  int     `json:"n"`
	High       int     `json:"n_hi"`
	PerMillion float64 `json:"usd_per_million,omitempty"` // with the middle number of instances
}

// mostInstances bounds a forecast: beyond it the law says nothing.
const mostInstances = 100_000

// Forecast returns the least number of instances whose capacity, used by the share that is allowed and without the
// spare ones, is the rate:
//
//	Use · C(n - Spare) >= rate
//
// C is the capacity of one instance, times what the law over instances says that n of them do. It fails where no number
// of instances suffices.
func (p Plan) Forecast(rate float64, one Interval, law [3]Law) (Forecast, error) {
	if !(rate > 0) || !(p.Use > 0 && p.Use <= 1) || p.Spare < 0 || !(one.Low > 0) {
		return Forecast{},
			errors.New("a plan needs a rate and a capacity above 0, a share in use from 0 to 1, and no " +
				"negative number of spare instances")
	}
	f := Forecast{Rate: rate}
	for _, c := range []struct {
		n        *int
		capacity float64
		law      Law
	}{{&f.Low, one.High, law[0]}, {&f.Instances, one.Middle, law[1]}, {&f.High, one.Low, law[2]}} {
		n, ok := p.instances(rate, c.capacity, c.law)
		if !ok {
			return f, errors.New("no number of instances bears that rate: adding more of them makes the whole slower")
		}
		*c.n = n
	}
	if p.Price > 0 {
		f.PerMillion = p.Price * float64(f.Instances) * 1e6 / (3600 * rate)
	}
	return f, nil
}

// instances is the least number for which the plan holds.
func (p Plan) instances(rate, capacity float64, law Law) (n int, ok bool) {
	working, ok := Law{law.Alpha, law.Beta, capacity}.Concurrency(rate / p.Use)
	if !ok || working > mostInstances {
		return 0, false
	}
	const rounding = 1e-9 // relative: 3.0000000001 instances are 3
	return max(1, int(math.Ceil(working*(1-rounding)))) + p.Spare, true
}

// Assumed are the laws of instances where only one was measured: from those that do not disturb each other at all to
// those of which 5 % of the work is shared.
func Assumed() [3]Law { return [3]Law{{Gamma: 1}, {Alpha: 0.02, Gamma: 1}, {Alpha: 0.05, Gamma: 1}} }

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
