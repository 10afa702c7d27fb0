package judge

import (
	"fmt"
	"math"
	"slices"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/capacity"
	"github.com/policycortex/headroom/scenarios"
)

// ConcludeCapacity completes a capacity by what follows from its bracket and its trials: the rate with its interval,
// what binds and bounds it, the knee, the scalability law, and the outcome. s is the search that made them; nil where
// it did not begin.
func ConcludeCapacity(c *results.Capacity, s *capacity.Search, objectives []scenarios.Threshold) error {
	var err error
	c.Law, err = lawOf(usersSamples(c.Bracket), "users")
	if err != nil {
		return err
	}
	if err := concludeInstances(c); err != nil {
		return err
	}
	tell := telling(c.Trials)
	if s != nil && len(tell) > 0 {
		p := s.Posterior()
		c.AtLeast, c.AtMost, c.Proven = s.AtLeast() || !p.Bad(), s.AtMost() || !p.Good(), s.Proven()
		c.Rate = new(p.Interval())
		if soaked, ok := soakedRate(tell); ok { // what is published is not more than what was proven
			c.Rate.Low = min(c.Rate.Low, soaked)
		}
		c.Posterior = &results.Density{}
		c.Posterior.Rates, c.Posterior.Density = p.Density()
		c.WhatIf, err = whatIf(c, tell, objectives, s)
		if err != nil {
			return err
		}
	}
	var times []capacity.TimeAt
	var loads []capacity.Load
	for _, t := range tell {
		times = append(times, capacity.TimeAt{Rate: t.Rate, Time: t.P95})
		loads = append(loads, loadOf(t))
	}
	c.Knee, _ = capacity.Knee(times)
	c.Binding = binding(tell)
	bound, evidence := capacity.BoundBy(loads)
	c.Bound, c.Evidence = string(bound), evidence
	concludeCapacity(c, s)
	return nil
}

// telling are the open trials that say something.
func telling(trials []results.CapacityTrial) (all []results.CapacityTrial) {
	for _, t := range trials {
		if t.Veto == "" {
			all = append(all, t)
		}
	}
	return all
}

// soakedRate is the highest rate at which a soak held.
func soakedRate(trials []results.CapacityTrial) (rate float64, ok bool) {
	for _, t := range trials {
		if t.Kind == results.TrialSoak && !t.Bad {
			rate, ok = max(rate, t.Rate), true
		}
	}
	return rate, ok
}

// binding is what was crossed in most bad trials, of those that were crossed as often the one that was crossed at the
// lowest rate.
func binding(trials []results.CapacityTrial) string {
	times, lowest := map[string]int{}, map[string]float64{}
	for _, t := range trials {
		for _, name := range t.Crossed {
			if rate, known := lowest[name]; !known || t.Rate < rate {
				lowest[name] = t.Rate
			}
			times[name]++
		}
	}
	first := ""
	for name, n := range times {
		switch {
		case first == "", n > times[first], n == times[first] && lowest[name] < lowest[first]:
			first = name
		case n == times[first] && lowest[name] == lowest[first]:
			first = min(first, name)
		}
	}
	return first
}

// loadOf is how much of each resource a trial used.
func loadOf(t results.CapacityTrial) capacity.Load {
	u := t.Use
	l := capacity.Load{Rate: t.Rate, Bad: t.Bad, Used: map[capacity.Resource]float64{}}
	for r, share := range map[capacity.Resource]*float64{
		capacity.MachineCPU: u.MachineShare(), capacity.ServerCPU: u.ServerShare(), capacity.Collector: u.GCShare(),
		capacity.RunQueue: u.Waited, capacity.Pool: u.PoolWaits,
	} {
		if share != nil {
			l.Used[r] = *share
		}
	}
	if t.Requests > 0 {
		l.Used[capacity.Limiter] = float64(t.Refused) / float64(t.Requests)
	}
	return l
}

// usersSamples are the throughputs of closed loops.
func usersSamples(bracket []results.CapacityTrial) (samples []capacity.Sample) {
	for _, t := range bracket {
		if good := t.Achieved * (1 - failedShare(t)); t.Users > 0 && good > 0 {
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
	if peak := law.Best.Peak(); peak <= capacity.Farthest(samples) {
		r.Peak, r.Most = peak, law.Best.At(peak)
	}
	most := capacity.Farthest(samples)
	r.Refusal = capacity.Entitled(samples, most)
	const points = 40
	for i := range points + 1 {
		n := math.Pow(most, float64(i)/points) // from 1 to twice what was measured
		low, x, high := law.Of(func(l capacity.Law) float64 { return l.At(n) })
		r.Band = append(r.Band, results.LawPoint{N: n, X: x, Low: low, High: high})
	}
	return r, nil
}

func failedShare(t results.CapacityTrial) float64 {
	if t.Requests == 0 {
		return 0
	}
	return float64(t.Failed) / float64(t.Requests)
}

// otherLimits are the limits of response times, in ms, that capacities are estimated for as well.
var otherLimits = []float64{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000}

// farLimit is how many times more or less than its own limit an objective is asked for.
const farLimit = 10

// whatIf estimates the capacity at other limits of the first objective that limits a time, from the same trials. They
// were placed for another limit, so the intervals are wide where that is far.
func whatIf(c *results.Capacity, trials []results.CapacityTrial, objectives []scenarios.Threshold, s *capacity.Search) (
	all []results.WhatIf, err error,
) {
	i := slices.IndexFunc(objectives, limitsTime)
	if i < 0 {
		return nil, nil
	}
	o := objectives[i]
	own := o.Name() + ": " + o.Source
	low, high := s.Posterior().Range()
	for _, limit := range otherLimits {
		if limit < o.Limit/farLimit || limit > o.Limit*farLimit {
			continue
		}
		p, err := capacity.NewPosterior(low/farLimit, high*2)
		if err != nil {
			return nil, err
		}
		for _, t := range trials {
			bad := false
			for _, v := range t.Values {
				if v.Objective == own {
					bad = bad || v.Samples == 0 || !o.Op.Holds(v.Actual, limit)
				}
			}
			for _, crossed := range t.Crossed {
				bad = bad || crossed != own
			}
			p.Add(capacity.Trial{Rate: t.Rate, Bad: bad})
		}
		// Beyond the rates that were tried, the range of the posterior speaks and not the trials.
		in, lowest, highest := p.Interval(), lowestRate(trials), highestRate(trials)
		all = append(all, results.WhatIf{
			Objective: fmt.Sprintf("%s: %s%s%g", o.Name(), o.Aggregation, o.Op, limit), Rate: &in,
			AtLeast: !p.Bad() || in.High > highest, AtMost: p.Bad() &&
				(!p.Good() || in.Low < lowest && in.High <= highest),
		})
	}
	return all, nil
}

// concludeCapacity says what a capacity comes to, and why.
func concludeCapacity(c *results.Capacity, s *capacity.Search) {
	c.Outcome = results.Pass
	doubt := func(format string, a ...any) {
		c.Outcome = results.Unresolved
		c.Reasons = append(c.Reasons, fmt.Sprintf(format, a...))
	}
	switch {
	case c.Interrupted:
		doubt("interrupted after %.0f s: the search did not come to its end", c.Elapsed)
	case c.Rate == nil && s == nil:
		doubt("the search did not begin")
	}
	if s != nil && (s.Spoilt() || c.Rate == nil) {
		c.Outcome = results.Invalid
		c.Reasons = append(c.Reasons, fmt.Sprintf("%d of %d trials say nothing: the machine was too busy, or the "+
			"generator "+
			"was the limit; the first: %s", s.Vetoed(), len(c.Trials), firstVeto(c.Trials)))
	} else if c.Rate != nil {
		switch {
		case c.AtLeast && !math.IsInf(s.Ceiling(), 1):
			doubt("the generator was the limit at %.4g/s: the capacity is at least %.4g/s", s.Ceiling(), c.Rate.Low)
		case c.AtLeast:
			doubt("no trial was bad: the capacity is at least %.4g/s", c.Rate.Low)
		case c.AtMost:
			doubt("no trial was good: the objectives do not hold at %.4g/s either", lowestRate(c.Trials))
		case c.Rate.Width() > 2*c.Design.Width:
			doubt("the 95 %% interval is %.0f %% wide, and at most %.0f %% was asked for: give it more time",
				100*c.Rate.Width(), 100*c.Design.Width)
		case c.Design.Soak > 0 && !c.Proven:
			doubt("no soak of %.0f s at the lower end of the interval held: over a longer time the capacity is lower",
				c.Design.Soak)
		}
	}
	c.Valid = len(c.Reasons) == 0
	if c.Design.Require > 0 && c.Rate != nil && c.Outcome != results.Invalid && !c.Interrupted {
		require(c)
	}
	if c.Reasons == nil {
		c.Reasons = []string{}
	}
}

// require holds the lower end of a capacity against the rate that is required. What is known only to be at least a rate
// may be enough, and what is wide may be certain.
func require(c *results.Capacity) {
	need := c.Design.Require
	switch {
	case !c.AtMost && c.Rate.Low >= need && (c.Proven || c.Design.Soak == 0):
		c.Outcome = results.Pass
	case c.AtMost, c.Rate.Low < need && !c.AtLeast:
		c.Outcome = results.Fail
		c.Reasons = append(c.Reasons, fmt.Sprintf("%.4g/s are required, and the lower end of the interval is %.4g/s",
			need,
			c.Rate.Low))
	}
}

func firstVeto(trials []results.CapacityTrial) string {
	for _, t := range trials {
		if t.Veto != "" {
			return t.Veto
		}
	}
	return "none was made"
}

func highestRate(trials []results.CapacityTrial) (highest float64) {
	for _, t := range trials {
		highest = max(highest, t.Rate)
	}
	return highest
}

func lowestRate(trials []results.CapacityTrial) float64 {
	lowest := math.Inf(1)
	for _, t := range trials {
		lowest = min(lowest, t.Rate)
	}
	return lowest
}
