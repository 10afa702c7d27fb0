package forecast

import "math"

// Holt is damped exponential smoothing after the last value of a series: the model ETS(A,Ad,N) of Hyndman, Koehler, Ord
// and Snyder (2008), "Forecasting with Exponential Smoothing". Where Phi is 1, it is Holt's linear method.
type Holt struct {
	Alpha float64 // smoothing of the level
	Beta  float64 // smoothing of the trend; at most Alpha
	Phi   float64 // damping of the trend
	// Level and Trend are the state after the last value; Variance is that of the errors one step ahead.
	Level, Trend, Variance float64
}

// The bounds of the parameters, those of ets in R's package forecast. Beta is Alpha times the second.
const (
	least, most       = 1e-4, 0.9999
	leastPhi, mostPhi = 0.8, 0.98
	// parameters are what is fitted, for the degrees of freedom: three of smoothing, and the initial level and trend.
	parameters = 5
)

// fitHolt returns the smoothing with the least sum of squared errors, by its parameters and its initial state. The
// series has more values than parameters.
func fitHolt(y []float64) Holt {
	sum := func(p [3]float64) float64 { // p is alpha, beta/alpha, phi
		h := Holt{Alpha: p[0], Beta: p[0] * p[1], Phi: p[2]}
		h.Level, h.Trend = h.firstState(y)
		return h.run(y)
	}
	best, squares := start(sum)
	best = descend(sum, best, squares)
	h := Holt{Alpha: best[0], Beta: best[0] * best[1], Phi: best[2]}
	h.Level, h.Trend = h.firstState(y)
	h.Variance = h.run(y) / float64(len(y)-parameters)
	return h
}

// run goes through the series, updates level and trend, and returns the sum of the squared errors one step ahead.
func (h *Holt) run(y []float64) (squares float64) {
	level, trend := h.Level, h.Trend
	for _, v := range y {
		trend *= h.Phi
		e := v - level - trend
		level += trend + h.Alpha*e
		trend += h.Beta * e
		squares += e * e
	}
	h.Level, h.Trend = level, trend
	return squares
}

// means returns the forecasts one after the other.
func (h *Holt) means() func() float64 {
	at, trend := h.Level, h.Trend
	return func() float64 {
		trend *= h.Phi
		at += trend
		return at
	}
}

// variances returns those of the forecasts one after the other: table 6.1 of the book.
func (h *Holt) variances() func() float64 {
	sum, damped, power := 1.0, 0.0, 1.0 // damped is phi + phi² + …
	first := true
	return func() float64 {
		if !first {
			power *= h.Phi
			damped += power
			c := h.Alpha + h.Beta*damped
			sum += c * c
		}
		first = false
		return h.Variance * sum
	}
}

// firstState returns the initial level and trend with the least sum of squared errors. The errors are linear in both,
// so this is a regression: of the errors from a state of zero on what a level of 1 and a trend of 1 would add to them.
func (h *Holt) firstState(y []float64) (level, trend float64) {
	var l, b, l1, b1, l2, b2 float64 // of the series, and what is left of an initial level and an initial trend of 1
	l1, b2 = 1, 1
	var s11, s12, s22, t1, t2 float64
	for _, v := range y {
		b, b1, b2 = b*h.Phi, b1*h.Phi, b2*h.Phi
		e, e1, e2 := v-l-b, l1+b1, l2+b2
		l, b = l+b+h.Alpha*e, b+h.Beta*e
		l1, b1 = e1-h.Alpha*e1, b1-h.Beta*e1
		l2, b2 = e2-h.Alpha*e2, b2-h.Beta*e2
		s11, s12, s22 = s11+e1*e1, s12+e1*e2, s22+e2*e2
		t1, t2 = t1+e1*e, t2+e2*e
	}
	determinant := s11*s22 - s12*s12
	if determinant <= 1e-12*s11*s22 { // the two cannot be told apart
		return t1 / s11, 0
	}
	return (t1*s22 - t2*s12) / determinant, (t2*s11 - t1*s12) / determinant
}

// start returns the best of a grid.
func start(sum func([3]float64) float64) (best [3]float64, squares float64) {
	squares = math.Inf(1)
	for _, alpha := range [...]float64{.02, .1, .3, .6, .9} {
		for _, beta := range [...]float64{.01, .1, .4} {
			for _, phi := range [...]float64{.85, .95, mostPhi} {
				p := [3]float64{alpha, beta, phi}
				if s := sum(p); s < squares {
					best, squares = p, s
				}
			}
		}
	}
	return best, squares
}

// descend is a pattern search (Hooke and Jeeves 1961) from a point to a minimum within the bounds.
func descend(sum func([3]float64) float64, p [3]float64, squares float64) [3]float64 {
	low, high := [3]float64{least, least, leastPhi}, [3]float64{most, most, mostPhi}
	step := [3]float64{.1, .1, .04}
	for step[0] > 1e-4 {
		better := false
		for i := range p {
			for _, by := range [...]float64{step[i], -step[i]} {
				q := p
				q[i] = min(max(q[i]+by, low[i]), high[i])
				s := sum(q)
				if s < squares {
					p, squares, better = q, s, true
					break
				}
			}
		}
		if !better {
			for i := range step {
				step[i] /= 2
			}
		}
	}
	return p
}
