package random

import "math"

// Zipf draws ranks 1..n with probabilities proportional to 1/rank^s, for any s > 0, in constant time and without a
// table, by rejection-inversion: W. Hörmann, G. Derflinger, "Rejection-inversion to generate variates from monotone
// discrete distributions", ACM TOMACS 6 (1996), 169-184. (math/rand's Zipf needs s > 1.)
type Zipf struct {
	n, s           float64
	hx1, hn, limit float64
}

// NewZipf returns a distribution over the ranks 1 to n with exponent s.
func NewZipf(n int, s float64) Zipf {
	z := Zipf{n: float64(n), s: s}
	z.hx1 = z.integral(1.5) - 1
	z.hn = z.integral(z.n + 0.5)
	z.limit = 2 - z.inverse(z.integral(2.5)-z.density(2))
	return z
}

// Rank draws a rank from 1 to n.
func (z *Zipf) Rank(r *Source) int {
	for {
		u := z.hn + r.Float()*(z.hx1-z.hn) // uniform in (hx1, hn]
		x := z.inverse(u)
		k := min(max(math.Floor(x+0.5), 1), z.n)
		if k-x <= z.limit || u >= z.integral(k+0.5)-z.density(k) {
			return int(k)
		}
	}
}

// density is 1/x^s.
func (z *Zipf) density(x float64) float64 { return math.Exp(-z.s * math.Log(x)) }

// integral is an antiderivative of density: (x^(1-s) - 1)/(1-s), and log x for s = 1.
func (z *Zipf) integral(x float64) float64 {
	log := math.Log(x)
	return expm1Over((1-z.s)*log) * log
}

// inverse is the inverse function of integral.
func (z *Zipf) inverse(x float64) float64 {
	t := max(x*(1-z.s), -1)
	return math.Exp(log1pOver(t) * x)
}

// expm1Over is (e^x - 1)/x, continued to 1 at 0.
func expm1Over(x float64) float64 {
	if math.Abs(x) > 1e-8 {
		return math.Expm1(x) / x
	}
	return 1 + x/2*(1+x/3)
}

// log1pOver is log(1+x)/x, continued to 1 at 0.
func log1pOver(x float64) float64 {
	if math.Abs(x) > 1e-8 {
		return math.Log1p(x) / x
	}
	return 1 - x*(0.5-x/3)
}
