package judge

import (
	"fmt"
	"math"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/capacity"
	"github.com/policycortex/headroom/scenarios"
)

// ConcludeCapacity completes a capacity by what follows from its bracket and its trials: the rate with its interval,
// what binds and bounds it, the knee, the scalability law, and the outcome. s is the search that made them; nil where
// it did not begin.
func ConcludeCapacity(c *results.Capacity, s *capacity.Search, objectives []scenarios.Threshold) error {
	var err error
	counts := telling(c.Bracket)
	c.Law, err = lawOf(usersSamples(counts), "users")
	if err != nil {
		return err
	}
	if dropped := len(c.Bracket) - len(counts); dropped > 0 {
		c.Warnings = append(c.Warnings, fmt.Sprintf("%d of %d stretches of users without pauses do not count; the "+
			"first: %s", dropped, len(c.Bracket), firstVeto(c.Bracket)))
	}
	if err := concludeInstances(c); err != nil {
		return err
	}
	tell := telling(c.Trials)
	if s != nil && len(tell) > 0 {
		c.Warnings = append(c.Warnings, fewSamples(tell, objectives)...)
		p := s.Posterior()
		c.AtLeast, c.AtMost, c.Proven = s.AtLeast() || !p.Bad(), s.AtMost() || !p.Good(), s.Proven()
		c.Rate = new(withinTried(p, c.AtLeast, c.AtMost))
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
		loads = append(loads, loadOf(t, c.Processes))
	}
	c.Knee, _ = capacity.Knee(times)
	c.Binding = binding(tell)
	bound, unknown := capacity.BoundBy(loads)
	if c.AtLeast && !math.IsInf(s.Ceiling(), 1) { // which is before the service had anything used up
		bound, unknown = capacity.Generator, ""
	}
	c.Bound, c.WhyUnknown, c.Evidence = string(bound), unknown, evidence(loads)
	concludeCapacity(c, s, tell)
	weighUnseen(c, tell, objectives)
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

// withinTried is the interval of a posterior. Where only one of its ends is known, that is no farther than trials went:
// beyond the highest good or the lowest bad one, the range of the search speaks and not they.
func withinTried(p *capacity.Posterior, atLeast, atMost bool) capacity.Interval {
	in, good, bad := p.Interval(), 0.0, math.Inf(1)
	for _, t := range p.Trials() {
		if t.Bad {
			bad = min(bad, t.Rate)
		} else {
			good = max(good, t.Rate)
		}
	}
	if atLeast {
		in.Low = min(in.Low, good)
	}
	if atMost {
		in.High = max(in.High, bad)
	}
	return in
}
