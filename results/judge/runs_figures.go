package judge

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/stats"
	"github.com/policycortex/headroom/scenarios"
)

// Verdict is what several runs say of a figure.
type Verdict string

// The verdicts.
const (
	Worse      Verdict = "worse"
	Better     Verdict = "better"
	Within     Verdict = "within"     // no difference of more than the tolerance
	Unresolved Verdict = "unresolved" // it cannot be told
	NotJudged  Verdict = "unknown"    // see JudgedFigure.Reason
)

// JudgedFigure is a figure of several runs on each side.
type JudgedFigure struct {
	// Of is what the figure is, as a threshold without a limit: its metric, selector, aggregation and window.
	Of scenarios.Threshold
	// Gates are the thresholds on it, as written: p(95)<50.
	Gates        []string
	Unit         string // ms, /s, B, B/s, or empty for shares and counts
	Share        bool   // it is a share of 1
	MoreIsBetter bool
	Base, Head   []float64 // of each run, in the order of the runs
	// Ratio says that its logarithms are compared, and changes are shares of the base's value; other changes are
	// differences.
	Ratio bool
	// BaseValue and HeadValue are the means: geometric ones where Ratio is set.
	BaseValue, HeadValue float64
	// Change is that of the means, Low and High are its 95 % interval, by Welch: 0.05 for 5 % more or, without Ratio,
	// in the figure's unit.
	Change, Low, High float64
	// Worse and Better are the one-sided p-values of those directions, before and after Holm's adjustment.
	Worse, Better                 float64
	AdjustedWorse, AdjustedBetter float64
	Verdict                       Verdict
	Reason                        string // why it is not judged
	// Smallest is the smallest change for the worse, above 0, that this many runs find with a probability of 90 %,
	// given how they scatter; infinite where they are too few to find any.
	Smallest float64
	// Needed is about the number of runs on each side with which a figure that cannot be told would be; 0 of others,
	// and MostRuns where it would be more than that.
	Needed int
}

// MostRuns bounds JudgedFigure.Needed.
const MostRuns = 1000

// mostDeals is the most deals of the runs to two sides that are all looked at.
const mostDeals = 20_000

// Name is the metric with its selector, and what of it: http_req_duration{name:get} p(95).
func (f *JudgedFigure) Name() string {
	name := f.Of.Name() + " " + f.Of.Aggregation.String()
	if f.Of.Window > 0 {
		name += " for " + f.Of.Window.String()
	}
	return name
}

// By is the change as a share of the base's value; ok is false where there is none: of shares, and where the base is 0.
func (f *JudgedFigure) By() (by float64, ok bool) {
	switch {
	case f.Ratio:
		return f.Change, true
	case f.Share || f.BaseValue == 0:
		return 0, false
	}
	return f.Change / math.Abs(f.BaseValue), true
}

// P is the adjusted p-value of the direction in which the head lies.
func (f *JudgedFigure) P() float64 { return min(f.AdjustedWorse, f.AdjustedBetter) }

// measure lists the figures and takes their values from each run.
func (c *Comparison) measure() error {
	figures, err := c.figures()
	if err != nil {
		return err
	}
	for _, f := range figures {
		missing, measured := "", false
		for _, r := range slices.Concat(c.Base, c.Head) {
			g, err := evaluate(&r.Measurements, f.Of, 0)
			if err != nil {
				return fmt.Errorf("compare %s of %s: %w", f.Name(), r.Name, err)
			}
			measured = measured || g.Samples > 0
			if g.Samples == 0 && missing == "" {
				missing = "no data in " + r.Name
			}
			f.Unit = g.Unit
			if len(f.Base) < len(c.Base) {
				f.Base = append(f.Base, g.Actual)
			} else {
				f.Head = append(f.Head, g.Actual)
			}
		}
		if !measured && len(f.Gates) == 0 {
			continue // a request that was never sent
		}
		switch late := c.untimed(); {
		case c.Invalid != "":
			f.Reason = "a run is INVALID"
		case late != "" && !ofFailures(f.Of.Metric):
			f.Reason = "the response times of " + late + " cannot be trusted"
		default:
			f.Reason = missing
		}
		c.Figures = append(c.Figures, *f)
	}
	return nil
}

// figures are those of the thresholds, then those of the requests that no threshold is on.
func (c *Comparison) figures() ([]*JudgedFigure, error) {
	first := &c.Head[0].Measurements
	var out []*JudgedFigure
	known := map[string]*JudgedFigure{}
	add := func(t scenarios.Threshold, gate string, moreIsBetter bool) {
		key := sameFigure(first, t)
		if known[key] == nil {
			known[key] = &JudgedFigure{Of: t, Share: t.Metric.IsShare(), MoreIsBetter: moreIsBetter}
			out = append(out, known[key])
		}
		if f := known[key]; gate != "" && !slices.Contains(f.Gates, gate) {
			f.Gates = append(f.Gates, gate)
		}
	}
	for _, r := range slices.Concat(c.Head, c.Base) {
		plan, err := planOf(r.Run)
		if err != nil {
			return nil, err
		}
		for _, t := range plan.Thresholds {
			add(t, t.Source, moreIsBetter(t))
		}
	}
	requests, err := first.ByRequest()
	if err != nil {
		return nil, err
	}
	for _, s := range requests {
		of := func(metric scenarios.MetricName, name string, percentile float64) {
			t := scenarios.Threshold{
				Metric: metric, Selector: map[string]string{"name": s.Name},
				Aggregation: scenarios.Aggregation{Name: name, Percentile: percentile},
			}
			if len(first.Loads) > 1 {
				t.Selector["scenario"] = s.Scenario
			}
			add(t, "", metric == scenarios.HTTPReqs)
		}
		of(scenarios.HTTPReqDuration, "p", 50)
		of(scenarios.HTTPReqDuration, "p", 95)
		if !isOpen(first, s.Scenario) {
			of(scenarios.HTTPReqs, "rate", 0)
		}
		of(scenarios.HTTPReqFailed, "rate", 0)
	}
	return out, nil
}

// isOpen reports whether the schedule of a scenario decides its rate, and not its service.
func isOpen(m *results.Measurements, scenario string) bool {
	return slices.ContainsFunc(m.Loads, func(l *results.Load) bool { return l.Scenario == scenario && l.Open })
}

// sameFigure is a text that figures have in common that are the same: those that take the same of the same series of
// requests. The median is the 50th percentile.
func sameFigure(m *results.Measurements, t scenarios.Threshold) string {
	of := fmt.Sprint(t.Selector)
	if t.Metric.PerRequest() && t.Metric != scenarios.Checks { // which are selected by their names as well
		of = ""
		for _, s := range m.Select(t.Selector) {
			of += fmt.Sprintf(" %p", s)
		}
	}
	aggregation := t.Aggregation.String()
	if percentile, ok := percentileOfThreshold(t); ok {
		aggregation = fmt.Sprintf("p(%v)", percentile)
	}
	return fmt.Sprintf("%s %s %s %s", t.Metric, aggregation, t.Window, of)
}

// moreIsBetter is the direction of a threshold: that of its bound or, of an equality, that of its metric.
func moreIsBetter(t scenarios.Threshold) bool {
	if t.Op.IsLower() || t.Op.IsUpper() {
		return t.Op.IsLower()
	}
	return slices.Contains([]scenarios.MetricName{
		scenarios.HTTPReqs, scenarios.HTTPReqCacheHit, scenarios.Checks, scenarios.CacheHitRatio,
	}, t.Metric)
}

// judge gives every figure its verdict.
func (c *Comparison) judge() {
	n, m := len(c.Base), len(c.Head)
	c.Deals = stats.Permutations(n, m, mostDeals)
	c.Exact = c.Deals <= mostDeals
	var family []*JudgedFigure
	var worse, better []float64
	for i := range c.Figures {
		f := &c.Figures[i]
		if f.Reason != "" {
			f.Verdict = NotJudged
			continue
		}
		f.estimate(c.Exact)
		if f.Constant() {
			f.Verdict, f.AdjustedWorse, f.AdjustedBetter = Within, 1, 1
			continue
		}
		family = append(family, f)
		worse, better = append(worse, f.Worse), append(better, f.Better)
	}
	c.Family = len(family)
	if c.Family == 0 {
		return
	}
	level := c.Rule.Alpha / float64(c.Family)
	if c.Exact && 1/float64(c.Deals) > level {
		c.TooFew = c.resolving(level)
	}
	worse, better = stats.Holm(worse), stats.Holm(better)
	for i, f := range family {
		f.AdjustedWorse, f.AdjustedBetter = worse[i], better[i]
		c.decide(f, level)
	}
}

// resolving is the least number of runs on each side with which the test can reach a level: beyond the deals that are
// all looked at, Welch's reaches every one.
func (c *Comparison) resolving(level float64) int {
	n := 2
	for n < stats.FewestPermuted(level) && stats.Permutations(n, n, mostDeals) <= mostDeals {
		n++
	}
	return n
}

// Constant reports whether the figure is the same in all runs.
func (f *JudgedFigure) Constant() bool {
	all := slices.Concat(f.Base, f.Head)
	return slices.Min(all) == slices.Max(all)
}

// scaled are the values as they are compared.
func (f *JudgedFigure) scaled() (base, head []float64) {
	base, head = slices.Clone(f.Base), slices.Clone(f.Head)
	if f.Ratio {
		for _, side := range [][]float64{base, head} {
			for i, v := range side {
				side[i] = math.Log(v)
			}
		}
	}
	return base, head
}

// unscaled is a difference as a change.
func (f *JudgedFigure) unscaled(difference float64) float64 {
	if f.Ratio {
		return math.Expm1(difference)
	}
	return difference
}

// estimate fills in what the runs say of a figure by itself.
func (f *JudgedFigure) estimate(exact bool) {
	f.Ratio = !f.Share && slices.Min(slices.Concat(f.Base, f.Head)) > 0
	base, head := f.scaled()
	f.BaseValue, f.HeadValue = stat.Mean(base, nil), stat.Mean(head, nil)
	if f.Ratio {
		f.BaseValue, f.HeadValue = math.Exp(f.BaseValue), math.Exp(f.HeadValue)
	}
	w := stats.NewWelch(base, head)
	low, high := w.Interval(stats.Confidence)
	f.Change, f.Low, f.High = f.unscaled(w.Difference), f.unscaled(low), f.unscaled(high)
	less, greater := w.Less(), w.Greater()
	if exact {
		less, greater = stats.PermutationTest(base, head)
	}
	f.Worse, f.Better = greater, less
	if f.MoreIsBetter {
		f.Worse, f.Better = less, greater
	}
}

// decide gives a figure its verdict; level is the p-value that is low enough whatever the others are.
func (c *Comparison) decide(f *JudgedFigure, level float64) {
	base, head := f.scaled()
	w := stats.NewWelch(base, head)
	low, high := w.Interval(stats.Confidence)
	up, down := c.levels(f)
	worse, worst, best := w.Difference, up, down // by how much it is worse, and what is allowed in each direction
	if f.MoreIsBetter {
		worse, worst, best = -w.Difference, down, up
	}
	scatter := pooled(base, head)
	n, m := float64(len(base)), float64(len(head))
	f.Smallest = f.asChange(stats.Reach(level, stats.Power, n+m-2, scatter*math.Sqrt(1/n+1/m), worst/2))
	if c.TooFew > 0 {
		f.Smallest = math.Inf(1)
	}
	switch {
	case f.AdjustedWorse <= c.Rule.Alpha && worse > worst/2:
		f.Verdict = Worse
	case f.AdjustedBetter <= c.Rule.Alpha && -worse > best/2:
		f.Verdict = Better
	case low > -down && high < up:
		f.Verdict = Within
	default:
		f.Verdict = Unresolved
		f.Needed = min(MostRuns, max(
			min(len(base), len(head))+1, c.resolving(level),
			stats.FewestToFind(worst, worst/2, scatter, level, stats.Power),
			stats.FewestToFind(min(up, down), 0, scatter, (1-stats.Confidence)/2, (1+stats.Power)/2)))
	}
}

// asChange is a difference for the worse as a change, above 0.
func (f *JudgedFigure) asChange(worse float64) float64 {
	if f.MoreIsBetter {
		return -f.unscaled(-worse)
	}
	return f.unscaled(worse)
}

// pooled is the standard deviation of the runs around the means of their sides.
func pooled(base, head []float64) float64 {
	n, m := float64(len(base)-1), float64(len(head)-1)
	return math.Sqrt((n*stat.Variance(base, nil) + m*stat.Variance(head, nil)) / (n + m))
}
