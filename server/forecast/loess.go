package forecast

import "math"

// loess fits polynomials of degree 0 or 1 to equally spaced values, locally (Cleveland 1979), with tricube weights.
type loess struct {
	w     []float64
	table []float64 // tricube weights by distance, of a window in the middle of the series
	of    int       // the half window that the table is of
}

// smooth writes the fit at every value of y into dst. weights are further weights of the values, or nil. Where all
// weights within the window are 0, the fit is the value itself.
func (l *loess) smooth(dst, y, weights []float64, window, degree int) {
	n := len(y)
	left, right := 0, min(window, n)
	for i := range y {
		if i >= (window+1)/2 && right < n {
			left, right = left+1, right+1
		}
		fit, ok := l.at(y, weights, window, degree, i, left, right)
		if !ok {
			fit = y[i]
		}
		dst[i] = fit
	}
}

// at returns the fit at the place x, which may lie one beyond the values, by those from left to before right. ok is
// false where all weights are 0.
func (l *loess) at(y, weights []float64, window, degree, x, left, right int) (fit float64, ok bool) {
	half := max(x-left, right-1-x)
	if window > len(y) {
		half += (window - len(y)) / 2
	}
	w := l.tricube(half, x, left, right)
	if weights != nil {
		for j := range w {
			w[j] *= weights[left+j]
		}
	}
	var sum, places, values float64
	for j, weight := range w {
		sum += weight
		places += weight * float64(left+j)
		values += weight * y[left+j]
	}
	if sum <= 0 {
		return 0, false
	}
	mean, centre := values/sum, places/sum
	if half == 0 || degree == 0 {
		return mean, true
	}
	var squares, products float64
	for j, weight := range w {
		d := float64(left+j) - centre
		squares += weight * d * d
		products += weight * d * y[left+j]
	}
	if math.Sqrt(squares/sum) <= .001*float64(len(y)-1) { // too close to each other for a slope
		return mean, true
	}
	return mean + products/squares*(float64(x)-centre), true
}

// tricube returns the weights of the values from left to before right by their distance from x.
func (l *loess) tricube(half, x, left, right int) []float64 {
	if half != l.of || l.table == nil {
		l.of, l.table = half, l.table[:0]
		for d := range half + 2 {
			l.table = append(l.table, tricube(float64(d), float64(half)))
		}
	}
	l.w = l.w[:0]
	for j := left; j < right; j++ {
		l.w = append(l.w, l.table[max(j-x, x-j)])
	}
	return l.w
}

func tricube(distance, half float64) float64 {
	switch {
	case distance <= .001*half:
		return 1
	case distance <= .999*half:
		share := distance / half
		rest := 1 - share*share*share
		return rest * rest * rest
	}
	return 0
}
