package forecast

import (
	"math"
	"slices"
)

// Windows are the parameters of a decomposition. Windows of loess are odd numbers of values, at least 3.
type Windows struct {
	Period   int // of the season, at least 2
	Seasonal int // of the same day of successive periods, whose level is smoothed
	Trend    int
	LowPass  int // the paper takes the least odd number that is not below Period, statsmodels the least above it
	Inner    int // passes of season and trend for each set of weights
	Outer    int // how often the weights of the days are computed again; 0 for no robustness
}

// Decomposition is a series as the sum of a season, a trend and the remainder.
type Decomposition struct {
	Seasonal, Trend, Remainder []float64
	// Weights are those of the days at the end, from 0 for one that counted for nothing to 1.
	Weights []float64
}

// Decompose is STL: Cleveland, Cleveland, McRae and Terpenning (1990), "STL: A Seasonal-Trend Decomposition Procedure
// Based on Loess", Journal of Official Statistics 6(1). The degree of the seasonal loess is 0 and that of the others 1,
// and every value is fitted, as in R by stl(y, s.window, t.window = …, s.jump = 1, t.jump = 1, l.jump = 1, robust =
// TRUE). The series has at least two periods. weights are those to begin with, or nil for 1: the paper has no others,
// and with them a single value of great size spoils the weights of its neighbours for good.
func Decompose(y []float64, w Windows, weights []float64) Decomposition {
	n := len(y)
	s := stl{
		windows: w, y: y, Decomposition: Decomposition{
			Seasonal: make([]float64, n), Trend: make([]float64, n), Remainder: make([]float64, n),
			Weights: make([]float64, n),
		},
		rest: make([]float64, n), passed: make([]float64, n), absolute: make([]float64, n),
		cycle: make([]float64, n+2*w.Period), averages: make([]float64, n+2*w.Period),
		part: make([]float64, n/w.Period+1), weights: make([]float64, n/w.Period+1),
		smooth: make([]float64, n/w.Period+3),
	}
	for i := range s.Weights {
		s.Weights[i] = 1
	}
	copy(s.Weights, weights)
	for outer := 0; ; outer++ {
		for range w.Inner {
			s.pass()
		}
		for i := range y {
			s.Remainder[i] = y[i] - s.Trend[i] - s.Seasonal[i]
		}
		if outer == w.Outer {
			return s.Decomposition
		}
		s.weigh()
	}
}

// stl is a decomposition under way, with its scratch space.
type stl struct {
	windows Windows
	Decomposition
	y                      []float64
	rest, passed, absolute []float64 // as long as the series
	cycle, averages        []float64 // with a period more on either side
	part, weights, smooth  []float64 // of one day of the period
	loess                  loess
}

// pass is the inner loop: steps 1 to 6 of section 2.2 of the paper.
func (s *stl) pass() {
	for i := range s.y {
		s.rest[i] = s.y[i] - s.Trend[i]
	}
	s.smoothCycle()
	low := average(s.averages, s.cycle, s.windows.Period)
	low = average(low, low, s.windows.Period)
	low = average(low, low, 3)
	s.loess.smooth(s.passed, low, nil, s.windows.LowPass, 1)
	for i := range s.y {
		s.Seasonal[i] = s.cycle[s.windows.Period+i] - s.passed[i]
		s.rest[i] = s.y[i] - s.Seasonal[i]
	}
	s.loess.smooth(s.Trend, s.rest, s.Weights, s.windows.Trend, 1)
}

// smoothCycle smooths the values of each day of the period, and extends them by one period to either side.
func (s *stl) smoothCycle() {
	for day := range s.windows.Period {
		k := 0
		for i := day; i < len(s.rest); i += s.windows.Period {
			s.part[k], s.weights[k] = s.rest[i], s.Weights[i]
			k++
		}
		part, weights, smooth := s.part[:k], s.weights[:k], s.smooth[:k+2]
		s.loess.smooth(smooth[1:k+1], part, weights, s.windows.Seasonal, 0)
		ok := false
		smooth[0], ok = s.loess.at(part, weights, s.windows.Seasonal, 0, -1, 0, min(s.windows.Seasonal, k))
		if !ok {
			smooth[0] = smooth[1]
		}
		smooth[k+1], ok = s.loess.at(part, weights, s.windows.Seasonal, 0, k, max(0, k-s.windows.Seasonal), k)
		if !ok {
			smooth[k+1] = smooth[k]
		}
		for m, v := range smooth {
			s.cycle[m*s.windows.Period+day] = v
		}
	}
}

// weigh computes the weights of the days from their remainders.
func (s *stl) weigh() { bisquare(s.Weights, s.Remainder, s.absolute) }

// bisquare computes weights from remainders: section 2.4 of the paper. scratch is as long as they are.
func bisquare(weights, remainders, scratch []float64) {
	for i, r := range remainders {
		scratch[i] = math.Abs(r)
	}
	limit := 6 * median(scratch)
	for i, r := range remainders {
		switch share := math.Abs(r) / limit; {
		case math.Abs(r) <= .001*limit:
			weights[i] = 1
		case math.Abs(r) <= .999*limit:
			weights[i] = (1 - share*share) * (1 - share*share)
		default:
			weights[i] = 0
		}
	}
}

// firstWeights are those by the deviations from medians: of the days around each, and of the days of the period.
func firstWeights(y []float64, w Windows) []float64 {
	n, half := len(y), w.Trend/2
	rest, scratch := make([]float64, n), make([]float64, n)
	for i := range y {
		around := append(scratch[:0], y[max(0, i-half):min(n, i+half+1)]...)
		rest[i] = y[i] - median(around)
	}
	for day := range w.Period {
		same := scratch[:0]
		for i := day; i < n; i += w.Period {
			same = append(same, rest[i])
		}
		level := median(same)
		for i := day; i < n; i += w.Period {
			rest[i] -= level
		}
	}
	weights := make([]float64, n)
	bisquare(weights, rest, scratch)
	return weights
}

// average writes the moving averages of n values into dst, which may be src, and returns them.
func average(dst, src []float64, n int) []float64 {
	out := len(src) - n + 1
	sum := 0.0
	for _, v := range src[:n] {
		sum += v
	}
	for i := range out {
		first := src[i]
		dst[i] = sum / float64(n)
		if i+n < len(src) {
			sum += src[i+n] - first
		}
	}
	return dst[:out]
}

// median sorts its values.
func median(values []float64) float64 {
	slices.Sort(values)
	n := len(values)
	return (values[n/2] + values[n-1-n/2]) / 2
}
