package judge

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/stats"
	"github.com/policycortex/headroom/scenarios"
)

// OneRunEach says why nothing is judged by one run on each side, and what judges.
const OneRunEach = "One run each is no experiment: two runs of one unchanged service often differ by more than their " +
	"own intervals say. To judge a change, let both versions take turns with headroom ab, or compare several runs of " +
	"each with headroom compare BASE... -- HEAD..."

// Pair is one run beside another of the same load. Where their figures differ, it does not follow that the service
// changed: see [OneRunEach].
type Pair struct {
	Old, New *results.Run
	Gates    []GateChange   // in the order of the new run; those that only the old one has go last
	Figures  []FigureChange // of each request, in the order of the new run
	Warnings []string
	// Differences are those of the environments, which are among the warnings.
	Differences []string
	Invalid     string // why nothing can be compared: a run's measurement is not valid; empty where both are
}

// GateChange is what became of a threshold; Old or New is nil where a run does not have it.
type GateChange struct {
	Old, New *results.Gate
	Difference
}

// FigureChange is what became of a figure of a request.
type FigureChange struct {
	Scenario, Request string
	Figure            string // P50 and P95 of the response time, rate, failed
	Unit              string // ms, /s, or empty for a share
	Difference
}

// Difference is a figure of two runs.
type Difference struct {
	Old, New Estimate
	// Comparable is true where both have an interval that takes account of how much neighbouring requests depend on
	// each other.
	Comparable   bool
	Incomparable string // why they cannot be compared; empty where they can
	Differs      bool   // their intervals do not overlap
	Share        bool   // the figure is a share of 1
}

// By is how much greater the new figure is, as a share of the old one; of a share, in shares of 1. ok is false where
// the old one is 0.
func (c Difference) By() (by float64, ok bool) {
	switch {
	case c.Share:
		return c.New.Value - c.Old.Value, true
	case c.Old.Value == 0:
		return 0, false
	}
	return (c.New.Value - c.Old.Value) / c.Old.Value, true
}

// newDifference holds two estimates beside each other. Two figures differ when their 95 % intervals do not overlap,
// which is stricter than a test of their difference at that level. Intervals that suppose that requests are independent
// tell nothing: of one unchanged server they seldom overlap.
func newDifference(old, new Estimate) Difference {
	c := Difference{Old: old, New: new}
	a, b := old.Interval, new.Interval
	switch {
	case old.Samples == 0 || new.Samples == 0:
		c.Incomparable = "no data"
	case min(old.Seconds, new.Seconds) < stats.MinBlocks:
		c.Incomparable = tooShort(old.Seconds, new.Seconds)
	case !a.Ends() || !b.Ends():
		c.Incomparable = "the figure has no confidence interval"
	case !a.Corrected || !b.Corrected:
		c.Incomparable = fmt.Sprintf("too few seconds have responses: each run needs at least %d", stats.MinBlocks)
	}
	if c.Incomparable != "" {
		return c
	}
	c.Comparable = true
	rose := a.High != nil && b.Low != nil && *b.Low > *a.High
	fell := b.High != nil && a.Low != nil && *b.High < *a.Low
	c.Differs = rose || fell
	return c
}

// tooShort says why two figures of so many measured seconds cannot be compared.
func tooShort(old, new int) string {
	measured := fmt.Sprintf("%d s and %d s", old, new)
	if old == new {
		measured = fmt.Sprintf("%d s", old)
	}
	return fmt.Sprintf("the runs are too short (%s measured, each needs at least %d s)", measured, stats.MinBlocks)
}

// ComparePair says in what two runs differ. It refuses, with a *NotAlikeError, runs that did not ask the same load.
func ComparePair(old, new *results.Run) (*Pair, error) {
	oldPlan, err := planOf(old)
	if err != nil {
		return nil, err
	}
	newPlan, err := planOf(new)
	if err != nil {
		return nil, err
	}
	if what := alike(old, new, oldPlan, newPlan); what != "" {
		return nil, &NotAlikeError{what}
	}
	c := &Pair{Old: old, New: new, Warnings: pairWarnings(old, new)}
	c.Differences = environmentDifferences(side{"old", []*results.Run{old}}, side{"new", []*results.Run{new}})
	c.Figures, err = figureChanges(&old.Measurements, &new.Measurements)
	if err != nil {
		return nil, err
	}
	before, err := gatesOf(old)
	if err != nil {
		return nil, err
	}
	after, err := gatesOf(new)
	if err != nil {
		return nil, err
	}
	c.Gates = gateChanges(before, after)
	c.distrust()
	return c, nil
}

// distrust makes all figures of invalid measurements incomparable, and times that cannot be trusted.
func (c *Pair) distrust() {
	var why []string
	untimed := false
	for _, side := range []struct {
		word string
		v    results.Verdict
	}{{"old", c.Old.Verdict}, {"new", c.New.Verdict}} {
		if side.v.Outcome == results.Invalid {
			why = append(why, strings.TrimSuffix(fmt.Sprintf("the %s run is INVALID: %s", side.word,
				strings.Join(side.v.Invalid, "; ")), ": "))
		}
		untimed = untimed || len(side.v.Untimed) > 0
	}
	c.Invalid = strings.Join(why, "; ")
	for i := range c.Gates {
		g := cmp.Or(c.Gates[i].New, c.Gates[i].Old)
		c.Gates[i].distrust(c.Invalid != "", untimed && !ofFailures(g.Threshold.Metric))
	}
	for i := range c.Figures {
		c.Figures[i].distrust(c.Invalid != "", untimed && c.Figures[i].Figure != "failed")
	}
}

// distrust makes two figures incomparable.
func (c *Difference) distrust(invalid, untimed bool) {
	reason := "the response times of a run cannot be trusted"
	if invalid {
		reason = "a run is INVALID"
	}
	if invalid || untimed {
		c.Comparable, c.Differs, c.Incomparable = false, false, reason
	}
}

// judged is a gate with its figure as an estimate.
type judged struct {
	*results.Gate
	estimate Estimate
}

// gatesOf gives the gates of a run the intervals that they have not been judged by.
func gatesOf(r *results.Run) ([]judged, error) {
	m := &r.Measurements
	var out []judged
	for i := range r.Verdict.Gates {
		g := &r.Verdict.Gates[i]
		t := g.Threshold
		blocks := blocksOf(m, m.Select(requestTags(t.Selector)))
		j := judged{Gate: g, estimate: Estimate{g.Actual, g.Samples, g.Interval, fullSeconds(blocks)}}
		sum, err := m.Summarize(t.Selector)
		if err != nil {
			return nil, err
		}
		if percentile, ok := percentileOfThreshold(t); ok && results.NeedsTimeBlocks(t) &&
			t.Metric == scenarios.HTTPReqDuration {
			j.estimate.Interval = widened(g.Interval, g.Actual, blocks, percentile)
		}
		switch {
		case t.Window > 0 || g.Samples == 0: // the worst of many windows is not a figure with an interval
		case t.Metric == scenarios.HTTPReqFailed:
			j.estimate.Interval = estimateFailedShare(sum, blocks).Interval
		case t.Metric == scenarios.HTTPReqs && t.Aggregation.Name == "rate":
			j.estimate.Interval = estimateRate(sum, blocks).Interval
		}
		out = append(out, j)
	}
	return out, nil
}

func gateChanges(before, after []judged) []GateChange {
	var out []GateChange
	same := func(a judged) func(judged) bool {
		return func(b judged) bool { return a.Metric == b.Metric && a.Expression == b.Expression }
	}
	for _, g := range after {
		change := GateChange{New: g.Gate, Difference: Difference{New: g.estimate, Share: g.Threshold.Metric.IsShare()}}
		if i := slices.IndexFunc(before, same(g)); i >= 0 {
			change.Old = before[i].Gate
			change.Difference = newDifference(before[i].estimate, g.estimate)
			change.Share = g.Threshold.Metric.IsShare()
		}
		out = append(out, change)
	}
	for _, g := range before {
		if !slices.ContainsFunc(after, same(g)) {
			out = append(out, GateChange{
				Old:        g.Gate,
				Difference: Difference{Old: g.estimate, Share: g.Threshold.Metric.IsShare()},
			})
		}
	}
	return out
}

// figureChanges compares P50, P95, throughput and failures of every request.
func figureChanges(old, new *results.Measurements) ([]FigureChange, error) {
	requests, err := new.ByRequest()
	if err != nil {
		return nil, err
	}
	var out []FigureChange
	for _, s := range requests {
		selector := map[string]string{"scenario": s.Scenario, "name": s.Name}
		before, err := old.Summarize(selector)
		if err != nil {
			return nil, err
		}
		after, err := new.Summarize(selector)
		if err != nil {
			return nil, err
		}
		if before.Requests == 0 && after.Requests == 0 {
			continue
		}
		then, now := blocksOf(old, old.Select(selector)), blocksOf(new, new.Select(selector))
		times := map[float64]Difference{}
		for _, percentile := range []float64{50, 95} {
			a, err := estimatePercentile(old, selector, before.Response, then, percentile)
			if err != nil {
				return nil, err
			}
			b, err := estimatePercentile(new, selector, after.Response, now, percentile)
			if err != nil {
				return nil, err
			}
			times[percentile] = newDifference(a, b)
		}
		rate := newDifference(estimateRate(before, then), estimateRate(after, now))
		failed := newDifference(estimateFailedShare(before, then), estimateFailedShare(after, now))
		failed.Share = true
		out = append(
			out,
			FigureChange{s.Scenario, s.Name, "P50", "ms", times[50]},
			FigureChange{s.Scenario, s.Name, "P95", "ms", times[95]},
			FigureChange{s.Scenario, s.Name, "rate", "/s", rate},
			FigureChange{s.Scenario, s.Name, "failed", "", failed},
		)
	}
	return out, nil
}

// pairWarnings say what a reader of a comparison should know: what differs besides the service, and what the runs
// themselves warn of.
func pairWarnings(old, new *results.Run) []string {
	var out []string
	if new.Measurements.Started.Before(old.Measurements.Started) {
		out = append(out, "the new run was made before the old one: are they in the right order?")
	}
	out = append(out, environmentDifferences(side{"old", []*results.Run{old}}, side{"new", []*results.Run{new}})...)
	before := append(tooShortWarnings(old), runWarnings(old)...)
	after := append(tooShortWarnings(new), runWarnings(new)...)
	for _, w := range before {
		if slices.Contains(after, w) {
			out = append(out, "both: "+w)
		} else {
			out = append(out, "old: "+w)
		}
	}
	for _, w := range after {
		if !slices.Contains(before, w) {
			out = append(out, "new: "+w)
		}
	}
	return out
}

// tooShortWarnings say that a run is too short for intervals of its figures.
func tooShortWarnings(r *results.Run) []string {
	if long(r) {
		return nil
	}
	return []string{fmt.Sprintf("fewer than %d full seconds of a scenario were measured: too few to show a difference",
		stats.MinBlocks)}
}

// runWarnings are what a comparison should say of one of its runs.
func runWarnings(r *results.Run) []string {
	var out []string
	for _, reason := range r.Verdict.Invalid {
		out = append(out, "INVALID: "+reason)
	}
	if aborted := r.Measurements.Aborted; aborted != "" {
		out = append(out, fmt.Sprintf("ended early, because a threshold was crossed: %s", aborted))
	}
	return append(out, r.Verdict.Warnings...)
}

// long reports whether every scenario was measured for long enough to tell how much alike neighbouring seconds are.
func long(r *results.Run) bool {
	m := &r.Measurements
	for _, l := range m.Loads {
		if len(blocksOf(m, m.Select(map[string]string{"scenario": l.Scenario}))) < stats.MinBlocks {
			return false
		}
	}
	return true
}
