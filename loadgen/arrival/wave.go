package arrival

import "math"

// wave is a rate that swings around its mean like a sine, per second:
//
//	λ(t) = mean + amplitude·sin(2πt/period)
//	L(t) = mean·t + amplitude·period/2π·(1 - cos(2πt/period))
//
// with amplitude <= mean, so that L never falls. It has no inverse in closed form; as 0 <= L(t) - mean·t <=
// amplitude·period/π, the t for a given L lies between (L - amplitude·period/π)/mean and L/mean, where when finds it by
// Newton's method, halving the interval where that would leave it.
type wave struct{ mean, amplitude, period float64 }

func waveOf(w wave, length float64) *Schedule {
	return &Schedule{wave: &w, end: length, total: int64(math.Ceil(w.expected(length) - roundOff))}
}

func (w *wave) expected(t float64) float64 {
	return w.mean*t + w.amplitude*w.period/(2*math.Pi)*(1-math.Cos(2*math.Pi*t/w.period))
}

// waveError is the error of when in seconds: a tenth of a nanosecond.
const waveError = 1e-10

func (w *wave) when(arrivals float64) float64 {
	low, high := max(0, (arrivals-w.amplitude*w.period/math.Pi)/w.mean), arrivals/w.mean
	t := high
	for high-low > waveError {
		over := w.expected(t) - arrivals
		if over > 0 {
			high = t
		} else {
			low = t
		}
		step := over / (w.mean + w.amplitude*math.Sin(2*math.Pi*t/w.period))
		next := t - step
		if !(next > low && next < high) { // also where the rate is 0
			next = (low + high) / 2
		} else if math.Abs(step) < waveError {
			return next
		}
		t = next
	}
	return t
}
