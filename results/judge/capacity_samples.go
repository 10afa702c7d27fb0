package judge

import (
	"fmt"
	"slices"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// Of the requests that an objective is about in a trial, so many must be allowed to miss it that they say more than
// chance does: by then, how many do scatters by a fifth or so. Of failures, of which most services have none, one will
// do.
const (
	fewestLate   = 20
	fewestFailed = 1
)

// fewSamples warns of objectives that most trials say little or nothing of.
func fewSamples(trials []results.CapacityTrial, objectives []scenarios.Threshold) (warnings []string) {
	for _, o := range objectives {
		may, least := o.Limit, float64(fewestFailed)
		p, isPercentile := percentileOfThreshold(o)
		switch {
		case isPercentile:
			may, least = 1-p/100, fewestLate
		case !isShare(o):
			continue
		case !o.Op.IsUpper():
			may = 1 - o.Limit
		}
		name := o.Name() + ": " + o.Source
		samples := samplesOf(trials, name)
		switch {
		case samples == 0:
			warnings = append(warnings, fmt.Sprintf("%s: most trials say nothing of it, as they had none of its "+
				"requests: "+
				"give these a larger share of the mix", name))
		case may > 0 && samples*may < least:
			warnings = append(warnings, fmt.Sprintf("%s: a trial has about %.0f requests that it is about, of "+
				"which %.2g "+
				"may miss it: chance decides whether more do, unless that is %.0f or more. Give them a "+
				"larger share of "+
				"the mix, or limit a lower percentile", name, samples, samples*may, least))
		}
	}
	return warnings
}

// samplesOf is the median of how many samples trials had of an objective.
func samplesOf(trials []results.CapacityTrial, name string) float64 {
	var all []int64
	for _, t := range trials {
		samples := int64(0)
		for _, v := range t.Values {
			if v.Objective == name {
				samples = v.Samples
			}
		}
		all = append(all, samples)
	}
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return float64(all[len(all)/2])
}

// weighUnseen makes what would pass unresolved where an objective has no data in any trial: nothing was held against
// it.
func weighUnseen(c *results.Capacity, trials []results.CapacityTrial, objectives []scenarios.Threshold) {
	if c.Outcome != results.Pass {
		return
	}
	for _, o := range objectives {
		name := o.Name() + ": " + o.Source
		seen := slices.ContainsFunc(trials, func(t results.CapacityTrial) bool {
			return slices.ContainsFunc(t.Values, func(v results.Value) bool { return v.Objective == name })
		})
		if !seen {
			c.Outcome, c.Valid = results.Unresolved, false
			c.Reasons = append(c.Reasons, name+": no trial has data that it is about")
		}
	}
}
