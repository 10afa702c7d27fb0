package capacity

import (
	"errors"
	"math"
	"slices"

	"gonum.org/v1/gonum/optimize"
)

// Sample is a measured throughput at a concurrency: users, connections, or instances.
type Sample struct {
	N float64 // at least 1
	X float64 // requests per second
	// Weight is 1 / variance of X; 0 counts as 1.
	Weight float64
}

// Law is the Universal Scalability Law (N. J. Gunther, Guerrilla Capacity Planning, 2007, chapters 4 to 6) in the form
// with three parameters:
//
//	X(N) = γ·N / (1 + α·(N - 1) + β·N·(N - 1))
//
// All parameters are 0 or more.
type Law struct {
	Alpha float64 `json:"alpha"` // contention: the share of the work that is serial
	Beta  float64 `json:"beta"`  // coherence: what each pair costs
	Gamma float64 `json:"gamma"` // throughput at N = 1, in requests per second
}

// At is the throughput at a concurrency.
func (l Law) At(n float64) float64 { return l.Gamma * l.relative(n) }

// relative is the throughput as a multiple of that at 1.
func (l Law) relative(n float64) float64 { return n / (1 + l.Alpha*(n-1) + l.Beta*n*(n-1)) }

// Peak is the concurrency with the highest throughput, √((1 - α) / β); infinite where β is 0. A service with α of 1 or
// more is fastest alone.
func (l Law) Peak() float64 {
	if l.Alpha >= 1 {
		return 1
	}
	if l.Beta == 0 {
		return math.Inf(1)
	}
	return max(1, math.Sqrt((1-l.Alpha)/l.Beta))
}

// Most is the highest throughput: at the peak, or where there is none the limit γ / α, which is infinite for a service
// that scales without contention.
func (l Law) Most() float64 {
	if peak := l.Peak(); !math.IsInf(peak, 1) {
		return l.At(peak)
	}
	return l.Limit()
}

// Limit is the throughput that contention alone would allow, γ / α; infinite without contention.
func (l Law) Limit() float64 {
	if l.Alpha == 0 {
		return math.Inf(1)
	}
	return l.Gamma / l.Alpha
}

// Optimal is the concurrency from which on the limit is nearer than twice the throughput, 1 / α; infinite without
// contention.
func (l Law) Optimal() float64 {
	if l.Alpha == 0 {
		return math.Inf(1)
	}
	return 1 / l.Alpha
}

// Concurrency is the least one with a throughput of x. It is the smaller root of β·X·N² - B·N + X·(1 - α) = 0 with
// B = γ - X·(α - β). A service with α of 1 or more is fastest alone; of less than one, the law says nothing, and x
// takes one for the share x / γ of the time. ok is false where the law never reaches x.
func (l Law) Concurrency(x float64) (n float64, ok bool) {
	switch {
	case x <= 0:
		return 0, x == 0
	case l.Alpha >= 1:
		return x / l.Gamma, x <= l.Gamma
	}
	b := l.Gamma - x*(l.Alpha-l.Beta)
	c := x * (1 - l.Alpha)
	discriminant := b*b - 4*l.Beta*x*c
	if b <= 0 || discriminant < 0 {
		return 0, false
	}
	return 2 * c / (b + math.Sqrt(discriminant)), true // which is exact for β = 0 as well
}

// Latency is the mean time of a request in seconds at a throughput of x up to the peak, by Little's law: N / X. ok is
// false where the law never reaches x.
func (l Law) Latency(x float64) (seconds float64, ok bool) {
	n, ok := l.Concurrency(x)
	return n / x, ok
}

// ThroughputAt is the throughput at which the mean time of a request is so many seconds: from R = N / X(N) follows
// β·N² + (α - β)·N + 1 - α = γ·R, of which N is the positive root. It is 0 where even a single request takes longer.
func (l Law) ThroughputAt(seconds float64) float64 {
	a, b, c := l.Beta, l.Alpha-l.Beta, 1-l.Alpha-l.Gamma*seconds
	var n float64
	switch {
	case l.Gamma*seconds < 1:
		return 0
	case a > 0:
		n = (-b + math.Sqrt(b*b-4*a*c)) / (2 * a)
	case b > 0:
		n = -c / b
	default:
		return math.Inf(1) // the time never grows
	}
	return n / seconds
}

// Model says which parameters are fitted; the others are 0.
type Model string

// The models, the simplest first.
const (
	Linear     Model = "linear"    // X = γ·N
	Contention Model = "amdahl"    // β = 0
	Coherence  Model = "coherence" // α = 0
	Full       Model = "usl"
)

func (m Model) parameters() int {
	switch m {
	case Linear:
		return 1
	case Full:
		return 3
	}
	return 2
}

// Fit is a law with how well it fits.
type Fit struct {
	Law
	Model Model `json:"model"`
	// AICc is Akaike's information criterion with the correction for small samples (C. M. Hurvich, C.-L. Tsai,
	// Biometrika 76 (1989), 297-307): of two models of the same samples the smaller one is the better. It is infinite
	// with too few samples for the model.
	AICc float64 `json:"-"`
	// RSquared is the share of the samples' variance that the law explains.
	RSquared float64 `json:"r_squared"`
}

// FewestSamples is the least number of different concurrencies that the law is fitted to.
const FewestSamples = 4

// FitLaw fits the law by weighted least squares, with all parameters at 0 or more, and the models that are simpler. The
// first is the best by AICc.
func FitLaw(samples []Sample) ([]Fit, error) {
	seen := map[float64]bool{}
	for _, s := range samples {
		if !(s.N >= 1) || !(s.X > 0) || math.IsInf(s.X, 1) || s.Weight < 0 {
			return nil,
				errors.New("a sample of the scalability law needs a concurrency of 1 or more and a throughput " +
					"above 0")
		}
		seen[s.N] = true
	}
	if len(seen) < FewestSamples {
		return nil, errors.New("the scalability law needs at least 4 different concurrencies")
	}
	var fits []Fit
	for _, m := range []Model{Linear, Contention, Coherence, Full} {
		fits = append(fits, m.fit(samples))
	}
	slices.SortStableFunc(fits, func(a, b Fit) int {
		switch {
		case a.AICc < b.AICc:
			return -1
		case a.AICc > b.AICc:
			return 1
		}
		return 0
	})
	return fits, nil
}

// fit fits one model. For given α and β the best γ follows, as the law is linear in it; the other two are looked for
// from several starts, as squares, which are 0 or more.
func (m Model) fit(samples []Sample) Fit {
	law := func(x []float64) Law {
		var l Law
		switch m {
		case Contention:
			l.Alpha = x[0] * x[0]
		case Coherence:
			l.Beta = x[0] * x[0]
		case Full:
			l.Alpha, l.Beta = x[0]*x[0], x[1]*x[1]
		}
		l.Gamma = l.bestGamma(samples)
		return l
	}
	if m == Linear {
		return m.judge(law(nil), samples)
	}
	best, least := Law{}, math.Inf(1)
	for _, alpha := range []float64{0.001, 0.03, 0.3} {
		for _, beta := range []float64{1e-6, 1e-4, 1e-2} {
			start := []float64{math.Sqrt(alpha), math.Sqrt(beta)}
			switch m {
			case Contention:
				start = start[:1]
			case Coherence:
				start = start[1:]
			}
			if l, squares := minimize(law, start, samples); squares < least {
				best, least = l, squares
			}
		}
	}
	return m.judge(best, samples)
}

// minimize looks for the law with the least squares from a start.
func minimize(law func(x []float64) Law, start []float64, samples []Sample) (Law, float64) {
	problem := optimize.Problem{Func: func(x []float64) float64 { return law(x).squares(samples) }}
	settings := &optimize.Settings{
		Converger:       &optimize.FunctionConverge{Absolute: 0, Relative: 1e-15, Iterations: 200},
		FuncEvaluations: 20_000,
	}
	r, err := optimize.Minimize(problem, start, settings, &optimize.NelderMead{})
	if r == nil || err != nil && math.IsNaN(r.F) {
		return Law{}, math.Inf(1)
	}
	return law(r.X), r.F
}

// refit fits the full law to samples that are much like those of a known one.
func refit(samples []Sample, known Law) Law {
	law := func(x []float64) Law {
		l := Law{Alpha: x[0] * x[0], Beta: x[1] * x[1]}
		l.Gamma = l.bestGamma(samples)
		return l
	}
	const away = 1e-4 // from 0, where a start would not move
	start := []float64{math.Sqrt(max(known.Alpha, away)), math.Sqrt(max(known.Beta, away*away))}
	l, _ := minimize(law, start, samples)
	return l
}

func (s Sample) weight() float64 {
	if s.Weight == 0 {
		return 1
	}
	return s.Weight
}

func (l Law) bestGamma(samples []Sample) float64 {
	var xf, ff float64
	for _, s := range samples {
		f := l.relative(s.N)
		xf += s.weight() * s.X * f
		ff += s.weight() * f * f
	}
	return xf / ff
}

func (l Law) squares(samples []Sample) (sum float64) {
	for _, s := range samples {
		d := s.X - l.At(s.N)
		sum += s.weight() * d * d
	}
	return sum
}

func (m Model) judge(l Law, samples []Sample) Fit {
	f := Fit{Law: l, Model: m, AICc: math.Inf(1)}
	n, k := float64(len(samples)), float64(m.parameters()+1) // and the variance
	squares := l.squares(samples)
	if n > k+1 {
		// A perfect fit would be infinitely good; what floating point cannot tell apart is as good as perfect.
		var scale float64
		for _, s := range samples {
			scale += s.weight() * s.X * s.X
		}
		f.AICc = n*math.Log(max(squares, 1e-20*scale)/n) + 2*k + 2*k*(k+1)/(n-k-1)
	}
	var mean, weights, total float64
	for _, s := range samples {
		mean, weights = mean+s.weight()*s.X, weights+s.weight()
	}
	mean /= weights
	for _, s := range samples {
		total += s.weight() * (s.X - mean) * (s.X - mean)
	}
	f.RSquared = 1 - squares/total
	return f
}
