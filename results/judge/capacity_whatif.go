package judge

import (
	"fmt"
	"math"
	"slices"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/capacity"
	"github.com/policycortex/headroom/scenarios"
)

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
	low, high := s.Posterior().Range()
	for _, limit := range limitsNear(o.Limit) {
		w := results.WhatIf{Objective: fmt.Sprintf("%s: %s%s%g", o.Name(), o.Aggregation, o.Op, limit)}
		if limit == o.Limit { // which the trials were made for, so that they say more
			w.Rate, w.AtLeast, w.AtMost = new(*c.Rate), c.AtLeast, c.AtMost
			all = append(all, w)
			continue
		}
		p, err := capacity.NewPosterior(low/farLimit, high*2)
		if err != nil {
			return nil, err
		}
		for _, t := range trials {
			p.Add(trialAt(t, o, limit))
		}
		w.AtLeast = p.Good() && (!p.Bad() || p.Interval().High > highestRate(trials))
		w.AtMost = !w.AtLeast && (!p.Good() || p.Interval().Low < lowestRate(trials))
		w.Rate = new(withinTried(p, w.AtLeast, w.AtMost))
		if c.Rate != nil && !w.AtLeast && !w.AtMost && !c.AtLeast && !c.AtMost {
			*w.Rate = inOrder(*w.Rate, *c.Rate, limit > o.Limit)
		}
		all = append(all, w)
	}
	return all, nil
}

// inOrder is a capacity at another limit, no lower than the own one where the limit is looser, and no higher where it
// is tighter. From few trials, a wider range of rates alone would let it seem so.
func inOrder(at, own capacity.Interval, looser bool) capacity.Interval {
	bound := func(a, b float64) float64 {
		if looser {
			return max(a, b)
		}
		return min(a, b)
	}
	return capacity.Interval{
		Low: bound(at.Low, own.Low), Middle: bound(at.Middle, own.Middle), High: bound(at.High, own.High),
	}
}

// limitsNear are the other limits that are not too far from a limit.
func limitsNear(own float64) (near []float64) {
	for _, limit := range otherLimits {
		if limit >= own/farLimit && limit <= own*farLimit {
			near = append(near, limit)
		}
	}
	return near
}

// excessAtLimits are the excesses of a trial with other limits of the first objective that limits a time.
func excessAtLimits(m *results.Measurements, t results.CapacityTrial, objectives []scenarios.Threshold) (
	all []results.LimitExcess, err error,
) {
	i := slices.IndexFunc(objectives, limitsTime)
	if i < 0 {
		return nil, nil
	}
	others := slices.Clone(objectives)
	for _, limit := range limitsNear(objectives[i].Limit) {
		others[i].Limit = limit
		excess, may, err := trialExcess(m, t, others)
		if err != nil {
			return nil, err
		}
		if excess != nil {
			all = append(all, results.LimitExcess{Limit: limit, Excess: *excess, MayMiss: may})
		}
	}
	return all, nil
}

// trialAt is what a trial would have come to with another limit of an objective.
func trialAt(t results.CapacityTrial, o scenarios.Threshold, limit float64) capacity.Trial {
	trial := capacity.Trial{Rate: t.Rate, Bad: badAt(t, o, limit)}
	for _, at := range t.AtLimits {
		if at.Limit == limit {
			trial.Excess, trial.May = new(at.Excess), at.MayMiss
		}
	}
	return trial
}

// badAt says whether a trial would have been bad with another limit of an objective.
func badAt(t results.CapacityTrial, o scenarios.Threshold, limit float64) (bad bool) {
	own := o.Name() + ": " + o.Source
	for _, v := range t.Values {
		if v.Objective == own {
			bad = bad || v.Samples == 0 || !o.Op.Holds(v.Actual, limit)
		}
	}
	for _, crossed := range t.Crossed {
		bad = bad || crossed != own
	}
	return bad
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
