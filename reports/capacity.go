package reports

import (
	"fmt"
	"strings"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/capacity"
)

// Rate shows iterations per second with their unit.
func Rate(perSecond float64) string { return rate(perSecond) }

// TrialText is what a stretch of load came to, on one line.
func TrialText(t results.CapacityTrial) string {
	at := rate(t.Achieved)
	if t.Rate > 0 {
		at = rate(t.Rate)
	}
	text := fmt.Sprintf("%s, P95 %s ms", at, millis(t.P95))
	switch {
	case t.Veto != "":
		return text + ", does not count: " + t.Veto
	case t.Kind == results.TrialClosed:
		return text
	case !t.Bad:
		return text + ", good"
	}
	return text + ", bad: " + strings.Join(crossedTexts(t), "; ")
}

// crossedTexts say what a trial crossed, with its values.
func crossedTexts(t results.CapacityTrial) (texts []string) {
	for _, name := range t.Crossed {
		for _, v := range t.Values {
			if v.Objective == name && v.Samples == 0 {
				name += " (no data)"
			} else if v.Objective == name {
				name += " (" + objectiveValue(v) + ")"
			}
		}
		texts = append(texts, name)
	}
	return texts
}

func objectiveValue(v results.Value) string {
	if v.Unit == "" {
		return percent(v.Actual)
	}
	return withUnit(threeDigits(v.Actual), v.Unit)
}

// ceiling is a capacity as its reports show it.
type ceiling struct{ *results.Capacity }

// headline is the first line: the capacity with its interval, or why there is none.
func (c ceiling) headline() string {
	objectives := c.objectivesText()
	switch r := c.Rate; {
	case r == nil:
		return "no capacity was found"
	case c.Outcome == results.Invalid:
		return "the capacity is not known: most trials say nothing"
	case c.AtMost:
		return fmt.Sprintf("the objectives do not hold at %s or more: %s", c.iterations(r.High), objectives)
	case c.AtLeast:
		return fmt.Sprintf("the capacity is at least %s, with %s", c.rateText(r.Low), objectives)
	default:
		return fmt.Sprintf("the capacity is %s (95 %% interval %s to %s), with %s", c.rateText(r.Middle),
			c.iterations(r.Low), c.iterations(r.High), objectives)
	}
}

// flows says that an iteration has more than one request.
func (c ceiling) flows() bool { return c.RequestsPerIteration > 1.0001 }

// iterations shows a rate of iterations, and requests one of requests. Without flows, both are the same.
func (c ceiling) iterations(perSecond float64) string { return c.named(perSecond, " iterations/s") }
func (c ceiling) requests(perSecond float64) string   { return c.named(perSecond, " requests/s") }

func (c ceiling) named(perSecond float64, unit string) string {
	if !c.flows() {
		return rate(perSecond)
	}
	return perSecondText(perSecond) + unit
}

// rateText is a rate of iterations and, where the scenario has flows, how many requests that is.
func (c ceiling) rateText(perSecond float64) string {
	text := c.iterations(perSecond)
	if c.flows() {
		text += ", which are " + c.requests(perSecond*c.RequestsPerIteration)
	}
	return text
}

func (c ceiling) objectivesText() string {
	var texts []string
	for _, o := range c.Objectives {
		texts = append(texts, o.String())
	}
	return strings.Join(texts, ", ")
}

// fact is a line of the summary.
type fact struct{ Name, Text string }

// facts are what a planner reads first.
func (c ceiling) facts() (all []fact) {
	add := func(name, format string, a ...any) { all = append(all, fact{name, fmt.Sprintf(format, a...)}) }
	if c.Binding != "" {
		add("Crossed most often", "%s", c.Binding)
	}
	bound := c.Bound
	if c.WhyUnknown != "" {
		bound += ": " + c.WhyUnknown
	}
	add("Bound by", "%s", bound)
	if text := c.hiccupsText(); text != "" {
		add("Bad trials", "%s", text)
	}
	if soak := c.soakText(); soak != "" {
		add("Soak", "%s", soak)
	}
	if c.Knee > 0 {
		add("Knee", "%s: from there on P95 is twice that at light load", c.iterations(c.Knee))
	}
	if c.Plan.Today > 0 && c.known() && !c.AtMost {
		add("Headroom today", "%s", c.headroomText())
	}
	if b := c.Beyond; b != nil {
		add("Beyond", "%s", c.beyondText(*b))
	}
	if law := lawText(c.Law); law != "" {
		add("Scalability law", "%s", law)
	}
	if c.Plan.Measured > 1 {
		add("Instances", "%s", c.instancesText())
	}
	if law := lawText(c.InstanceLaw); law != "" {
		add("Law over instances", "%s", law)
	}
	return all
}

func (c ceiling) soakText() string {
	text := ""
	for _, t := range c.Trials {
		switch {
		case t.Kind != results.TrialSoak || t.Veto != "":
		case t.Bad:
			text = fmt.Sprintf("%s for %s did not hold: %s", c.iterations(t.Rate), lasted(t.Seconds),
				strings.Join(crossedTexts(t), "; "))
		default:
			text = fmt.Sprintf("%s for %s held", c.iterations(t.Rate), lasted(t.Seconds))
		}
	}
	return text
}

// headroomText is how much more than today's peak the service takes.
func (c ceiling) headroomText() string {
	more := func(to float64) string { return fmt.Sprintf("%+.0f %%", 100*(to/c.Plan.Today-1)) }
	if c.AtLeast {
		return fmt.Sprintf("at least %s above %s", more(c.Rate.Low), c.iterations(c.Plan.Today))
	}
	return fmt.Sprintf("%s above %s (95 %% interval %s to %s)", more(c.Rate.Middle), c.iterations(c.Plan.Today),
		more(c.Rate.Low), more(c.Rate.High))
}

func (c ceiling) beyondText(b results.Beyond) string {
	if b.NotJudged != "" {
		return fmt.Sprintf("not judged at %s: %s", c.iterations(b.Rate), b.NotJudged)
	}
	text := fmt.Sprintf("%s: in the last half of %s at %s, %.0f %% of the capacity is answered well (%s)", b.Behaviour,
		seconds(b.Seconds), c.iterations(b.Rate), 100*b.Share, c.requests(b.Goodput))
	if b.Refused > 0 {
		text += fmt.Sprintf(", %.0f %% refused", 100*b.Refused)
	}
	after := c.iterations(b.After)
	if b.Recovered == nil {
		return fmt.Sprintf("%s; after it, %s at %s were not enough to recover", text, seconds(b.Watched), after)
	}
	return fmt.Sprintf("%s; at %s it recovers within %s", text, after, seconds(max(1, *b.Recovered)))
}

// known says that a report may speak of the rate.
func (c ceiling) known() bool { return c.Rate != nil && c.Outcome != results.Invalid }

// hiccupsText says how many trials below the capacity were bad, for no reason of the rate.
func (c ceiling) hiccupsText() string {
	if !c.known() || c.AtMost {
		return ""
	}
	below, bad := 0, 0
	for _, t := range c.Trials {
		if t.Veto == "" && t.Rate < c.Rate.Low {
			below++
			if t.Bad {
				bad++
			}
		}
	}
	if bad == 0 {
		return ""
	}
	return fmt.Sprintf("%d of %s below the lower end, by chance or a hiccup, which do not lower the capacity", bad,
		Plural(below, "trial"))
}

// planHeading names the columns of forecastRow.
var planHeading = []string{"rate", "instances", "95 % interval", "cost of a million requests"}

func (c ceiling) forecastRow(f capacity.Forecast) []string {
	cost := none
	switch {
	case f.Cost > 0 && f.AtMost:
		cost = "at most " + perSecondText(f.CostHigh)
	case f.Cost > 0:
		cost = fmt.Sprintf("%s (%s to %s)", perSecondText(f.Cost), perSecondText(f.CostLow), perSecondText(f.CostHigh))
	}
	instances, interval := count(int64(f.Instances)), fmt.Sprintf("%d to %d", f.Low, f.High)
	if f.AtMost {
		instances, interval = "at most "+count(int64(f.High)), none
	}
	if f.Refusal != "" {
		interval += " (assumed)"
	}
	return []string{c.iterations(f.Rate), instances, interval, cost}
}

func (c ceiling) whatIfText(w results.WhatIf) string {
	switch {
	case w.Rate == nil:
		return none
	case w.AtMost:
		return "below " + c.iterations(w.Rate.High)
	case w.AtLeast:
		return "at least " + c.iterations(w.Rate.Low)
	}
	return fmt.Sprintf("%s (%s to %s)", c.iterations(w.Rate.Middle), c.iterations(w.Rate.Low),
		c.iterations(w.Rate.High))
}
