package judge

import (
	"fmt"
	"math"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/capacity"
	"github.com/policycortex/headroom/scenarios"
)

// muchWider is how many times wider than asked for an interval may be. It may be wider at all because it reaches down
// to the rate of the soak that held, and because a capacity with its interval is an answer though it is not the one
// asked for; that is a warning.
const muchWider = 2

// concludeCapacity says what a capacity comes to, and why. tell are the trials that say something.
func concludeCapacity(c *results.Capacity, s *capacity.Search, tell []results.CapacityTrial) {
	c.Outcome, c.Reasons = results.Pass, []string{}
	doubt := func(why string) {
		if why != "" {
			c.Outcome, c.Reasons = results.Unresolved, append(c.Reasons, why)
		}
	}
	if c.Interrupted {
		doubt(fmt.Sprintf("interrupted after %.0f s: the search did not come to its end", c.Elapsed))
	}
	switch {
	case s != nil && s.Spoilt(), len(c.Trials) > 0 && len(tell) == 0 && !c.Interrupted:
		c.Outcome = results.Invalid
		c.Reasons = append(c.Reasons, fmt.Sprintf("%d of %d trials say nothing: the machine was too busy, or the "+
			"generator was the limit; the first: %s", len(c.Trials)-len(tell), len(c.Trials), firstVeto(c.Trials)))
	case len(tell) > 0:
		doubt(doubtOf(c, s, tell))
		warnOfWidth(c, s)
	case len(c.Trials) > 0:
		doubt("no trial until then says anything; the first: " + firstVeto(c.Trials))
	case c.Interrupted: // which says it
	case s == nil:
		doubt("the search did not begin")
	default:
		doubt("there was no time for a trial: give it more")
	}
	c.Valid = len(c.Reasons) == 0
	if c.Design.Require > 0 && c.Rate != nil && c.Outcome != results.Invalid && !c.Interrupted {
		require(c)
	}
}

// doubtOf is why the rate that was found is not the answer that was asked for; empty where it is.
func doubtOf(c *results.Capacity, s *capacity.Search, tell []results.CapacityTrial) string {
	low := scenarios.PerSecond(c.Rate.Low)
	switch {
	case c.AtLeast && !math.IsInf(s.Ceiling(), 1):
		return fmt.Sprintf("the generator was the limit at %s: the capacity is at least %s: %s",
			scenarios.PerSecond(s.Ceiling()), low, firstLimit(c.Trials))
	case c.AtLeast:
		return "no trial was bad: the capacity is at least " + low
	case c.AtMost:
		return fmt.Sprintf("no trial was good: the objectives do not hold at %s either",
			scenarios.PerSecond(lowestRate(tell)))
	case c.Interrupted: // else there may have been more
	case c.Rate.Width() > muchWider*c.Design.Width:
		return widthText(c) + ": give it more time"
	case c.Design.Soak > 0 && !c.Proven:
		return soakDoubt(c)
	}
	return ""
}

func widthText(c *results.Capacity) string {
	return fmt.Sprintf("the 95 %% interval is %.0f %% wide, and at most %.0f %% was asked for", 100*c.Rate.Width(),
		100*c.Design.Width)
}

// warnOfWidth warns of an interval that is wider than asked for, but not much.
func warnOfWidth(c *results.Capacity, s *capacity.Search) {
	known := !c.AtLeast && !c.AtMost && !c.Interrupted
	if known && s.Posterior().Interval().Width() > c.Design.Width && c.Rate.Width() <= muchWider*c.Design.Width {
		c.Warnings = append(c.Warnings, widthText(c)+": give it more time")
	}
}

// soakDoubt is why the lower end is not proven by a soak.
func soakDoubt(c *results.Capacity) string {
	bad, veto := "", ""
	for _, t := range c.Trials {
		switch {
		case t.Kind != results.TrialSoak:
		case t.Veto != "":
			veto = t.Veto
		case t.Bad:
			bad = scenarios.PerSecond(t.Rate)
		}
	}
	switch {
	case bad != "":
		return fmt.Sprintf("the soak of %.0f s at %s did not hold: over a longer time the capacity may be lower",
			c.Design.Soak, bad)
	case veto != "":
		return fmt.Sprintf("the soak of %.0f s says nothing (%s): that the lower end holds for longer is not proven",
			c.Design.Soak, veto)
	}
	return fmt.Sprintf("there was no time for a soak of %.0f s: that the lower end holds for longer is not proven",
		c.Design.Soak)
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
		c.Reasons = append(c.Reasons, fmt.Sprintf("%s are required, and the lower end of the interval is %s",
			scenarios.PerSecond(need), scenarios.PerSecond(c.Rate.Low)))
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

// firstLimit is why the generator was the limit.
func firstLimit(trials []results.CapacityTrial) string {
	for _, t := range trials {
		if t.Limit {
			return t.Veto
		}
	}
	return "no trial says why"
}
