package judge

import (
	"fmt"
	"math"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/capacity"
)

// usersSamples are the throughputs of closed loops.
func usersSamples(bracket []results.CapacityTrial) (samples []capacity.Sample) {
	for _, t := range bracket {
		if good := t.GoodRate(); t.Users > 0 && good > 0 {
			samples = append(samples, capacity.Sample{N: float64(t.Users), X: good})
		}
	}
	return samples
}

// lawOf is the scalability law over users or instances; nil where there were too few different numbers of them.
func lawOf(samples []capacity.Sample, over string) (*results.LawRecord, error) {
	different := map[float64]bool{}
	for _, s := range samples {
		different[s.N] = true
	}
	if len(different) < capacity.FewestSamples {
		return nil, nil
	}
	law, err := capacity.FitWithInterval(samples)
	if err != nil {
		return nil, fmt.Errorf("fit the scalability law over %s: %w", over, err)
	}
	r := &results.LawRecord{
		Over: over, Model: law.Fits[0].Model, RSquared: law.Best.RSquared, Others: law.Fits, Samples: samples,
	}
	for _, p := range []struct {
		to *[3]float64
		of func(capacity.Law) float64
	}{
		{&r.Alpha, func(l capacity.Law) float64 { return l.Alpha }},
		{&r.Beta, func(l capacity.Law) float64 { return l.Beta }},
		{&r.Gamma, func(l capacity.Law) float64 { return l.Gamma }},
	} {
		p.to[0], p.to[1], p.to[2] = law.Of(p.of)
	}
	most := capacity.Farthest(samples)
	r.Refusal = capacity.Entitled(samples, most)
	entitled := most
	if r.Refusal != "" {
		entitled = most / 2 // what was measured
	}
	if low, peak, high := law.Of(capacity.Law.Peak); peak <= entitled {
		r.Peak, r.PeakLow, r.Most = peak, low, law.Best.At(peak)
		if high <= entitled {
			r.PeakHigh = high
		}
	}
	const points = 40
	for i := range points + 1 {
		n := math.Pow(most, float64(i)/points) // from 1 to twice what was measured
		low, x, high := law.Of(func(l capacity.Law) float64 { return l.At(n) })
		r.Band = append(r.Band, results.LawPoint{N: n, X: x, Low: low, High: high})
	}
	return r, nil
}
