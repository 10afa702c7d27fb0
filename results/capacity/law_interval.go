package capacity

import (
	"math"
	"math/rand/v2"
	"slices"
)

// resamples is how many laws are fitted for the intervals.
const resamples = 200

// LawInterval is the law of samples with the bounds of its 95 % intervals.
type LawInterval struct {
	Best  Fit   // of the full model
	Laws  []Law // those of the resamples
	Fits  []Fit // of all models, the best by AICc first
	Basis []Sample
}

// FitWithInterval fits the law, and again to resampled residuals (B. Efron, Annals of Statistics 7 (1979), 1-26): those
// of the full model, as shares of its throughputs and enlarged for the parameters that were fitted. The same samples
// always give the same intervals. They are too narrow where the law does not hold.
func FitWithInterval(samples []Sample) (*LawInterval, error) {
	fits, err := FitLaw(samples)
	if err != nil {
		return nil, err
	}
	l := &LawInterval{Fits: fits, Basis: samples}
	l.Best = fits[slices.IndexFunc(fits, func(f Fit) bool { return f.Model == Full })]
	var residuals []float64
	enlarge := 1.0
	if n, k := float64(len(samples)), float64(Full.parameters()); n > k {
		enlarge = math.Sqrt(n / (n - k))
	}
	mean := 0.0
	for _, s := range samples {
		r := s.X/l.Best.At(s.N) - 1
		residuals = append(residuals, r)
		mean += r / float64(len(samples))
	}
	random := rand.New(rand.NewPCG(1, uint64(len(samples))))
	for range resamples {
		drawn := slices.Clone(samples)
		for i := range drawn {
			r := (residuals[random.IntN(len(residuals))] - mean) * enlarge
			drawn[i].X = max(drawn[i].X*1e-3, l.Best.At(drawn[i].N)*(1+r))
		}
		l.Laws = append(l.Laws, refit(drawn, l.Best.Law))
	}
	return l, nil
}

// Of is the 95 % interval of a figure of the law, with its value.
func (l *LawInterval) Of(figure func(Law) float64) (low, value, high float64) {
	var all []float64
	for _, law := range l.Laws {
		all = append(all, figure(law))
	}
	slices.Sort(all)
	const tail = 0.025
	cut := int(tail * float64(len(all)))
	value = figure(l.Best.Law)
	return min(value, all[cut]), value, max(value, all[len(all)-1-cut])
}
