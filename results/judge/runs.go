package judge

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/policycortex/headroom/results"
)

// NamedRun is a run with the caller's name for it: where it is saved.
type NamedRun struct {
	Name string
	*results.Run
}

// Rule says how several runs of each side are judged.
type Rule struct {
	// Tolerance is the share by which a figure may differ: 0.05 for 5 %. That of figures that are shares themselves is
	// [ShareTolerance].
	Tolerance float64
	// Alpha is the probability with which any figure of two equal sides is called worse; that of better is another
	// alpha.
	Alpha float64
}

// DefaultRule is that of headroom compare.
var DefaultRule = Rule{Tolerance: 0.05, Alpha: 0.01}

// ShareTolerance is by how much a share of 1, such as that of failed requests, may differ: one percentage point.
const ShareTolerance = 0.01

// Validate says what of a rule is not possible.
func (r Rule) Validate() error {
	if !(r.Tolerance > 0 && r.Tolerance < 1) {
		return fmt.Errorf("a tolerance of %v is not possible: it lies above 0 and below 1, as in 5%%", r.Tolerance)
	}
	if !(r.Alpha > 0 && r.Alpha < 0.5) {
		return fmt.Errorf("an alpha of %v is not possible: it lies above 0 and below 0.5", r.Alpha)
	}
	return nil
}

// Comparison is what several runs on each side say of two versions. A run is the unit: how far the runs of one side lie
// apart says how much chance there is in a figure, and what happens within a run does not.
type Comparison struct {
	Base, Head []NamedRun
	Rule       Rule
	Figures    []JudgedFigure
	// Family is the number of figures that share alpha: all that are judged, but for those that are the same in all
	// runs, which no deal of the runs to the two sides could call different (R. E. Tarone, Biometrics 46 (1990),
	// 515-522).
	Family int
	// Exact says that the p-values are those of all deals of the runs to the two sides, of which there are Deals;
	// otherwise there are too many, and they are Welch's.
	Exact bool
	Deals int
	// TooFew is the least number of runs on each side with which any figure can be called worse at all; 0 where there
	// are as many.
	TooFew   int
	Warnings []string
	// Differences are those of the environments, which are among the warnings.
	Differences []string
	Invalid     string // why nothing can be judged: a run's measurement is not valid; empty where all are
}

// CompareRuns judges the runs of two versions of a service. It refuses, with a *NotAlikeError, runs that did not ask
// the same load, and a run that is there twice. Each side needs two runs at least.
//
// The figures are those of all runs' thresholds, and of each request P50, P95, the share of failed requests and, where
// the clients wait for answers, the rate. Times and rates are compared by their logarithms, so that a change is a
// ratio; shares, and figures that are 0 in some run, by their values. The test is that of all ways to deal the runs to
// the two sides where these are at most 20,000, and Welch's beyond; Holm's method shares alpha among the figures. A
// figure is worse when that test says so and its estimate is worse by more than half of the tolerance: what is too
// small to matter is no finding, however sure it is. It is within the tolerance when its 95 % interval is (Welch's),
// which is wrong with a probability of 2.5 % for each figure.
func CompareRuns(base, head []NamedRun, rule Rule) (*Comparison, error) {
	if err := rule.Validate(); err != nil {
		return nil, err
	}
	if min(len(base), len(head)) < fewestRuns {
		return nil, errors.New("several runs are compared with several: each side needs at least 2")
	}
	c := &Comparison{Base: base, Head: head, Rule: rule}
	if err := c.checkAlike(); err != nil {
		return nil, err
	}
	c.Differences = environmentDifferences(side{"base", runsOf(base)}, side{"head", runsOf(head)})
	c.Warnings = slices.Concat(c.order(), c.Differences, c.runWarnings())
	c.Invalid = c.invalid()
	if err := c.measure(); err != nil {
		return nil, err
	}
	c.judge()
	return c, nil
}

// fewestRuns is the least number of runs of a side that scatter.
const fewestRuns = 2

func runsOf(named []NamedRun) []*results.Run {
	var out []*results.Run
	for _, n := range named {
		out = append(out, n.Run)
	}
	return out
}

// Outcome is FAIL where a figure is worse, UNRESOLVED where one cannot be told, INVALID where a run is, else PASS.
func (c *Comparison) Outcome() results.Outcome {
	if c.Invalid != "" {
		return results.Invalid
	}
	outcome := results.Pass
	for _, f := range c.Figures {
		switch f.Verdict {
		case Worse:
			return results.Fail
		case Unresolved, NotJudged:
			outcome = results.Unresolved
		}
	}
	return outcome
}

// Count is the number of figures with a verdict.
func (c *Comparison) Count(v Verdict) (n int) {
	for _, f := range c.Figures {
		if f.Verdict == v {
			n++
		}
	}
	return n
}

// checkAlike refuses runs of another load than the first, and the same run twice, which would count its chance twice.
func (c *Comparison) checkAlike() error {
	all := slices.Concat(c.Base, c.Head)
	first := all[0]
	plan, err := planOf(first.Run)
	if err != nil {
		return err
	}
	for i, r := range all {
		for _, o := range all[:i] {
			m, n := &r.Measurements, &o.Measurements
			if m.Started.Equal(n.Started) && m.Elapsed == n.Elapsed && r.Environment.Target == o.Environment.Target {
				return &NotAlikeError{fmt.Sprintf("%s and %s are the same run", o.Name, r.Name)}
			}
		}
		other, err := planOf(r.Run)
		if err != nil {
			return err
		}
		if what := alike(first.Run, r.Run, plan, other); what != "" {
			return &NotAlikeError{fmt.Sprintf("%s and %s: %s", first.Name, r.Name, what)}
		}
	}
	return nil
}

// order warns where the runs of one side were all made before those of the other: then whatever else changed in the
// meantime counts as a difference of the versions.
func (c *Comparison) order() []string {
	type turn struct {
		r    *results.Run
		head bool
	}
	var turns []turn
	for _, r := range c.Base {
		turns = append(turns, turn{r.Run, false})
	}
	for _, r := range c.Head {
		turns = append(turns, turn{r.Run, true})
	}
	slices.SortStableFunc(turns, func(a, b turn) int {
		return a.r.Measurements.Started.Compare(b.r.Measurements.Started)
	})
	changes := 0
	for i := 1; i < len(turns); i++ {
		if turns[i].head != turns[i-1].head {
			changes++
		}
	}
	if changes > 1 {
		return nil
	}
	first, last := "base", "head"
	if turns[0].head {
		first, last = last, first
	}
	return []string{fmt.Sprintf("all %s runs were made before the %s runs: a drift of the machine or of the service "+
		"between them is not excluded, and no p-value accounts for it; take the runs in turns", first, last)}
}

// runWarnings are the warnings of the runs, each once, with the runs that have it.
func (c *Comparison) runWarnings() []string {
	var texts []string
	of := map[string][]string{}
	all := slices.Concat(c.Base, c.Head)
	for _, r := range all {
		for _, w := range runWarnings(r.Run) {
			if of[w] == nil {
				texts = append(texts, w)
			}
			if !slices.Contains(of[w], r.Name) {
				of[w] = append(of[w], r.Name)
			}
		}
	}
	var out []string
	for _, text := range texts {
		switch names := of[text]; {
		case len(names) == len(all):
			out = append(out, "all runs: "+text)
		case len(names) > 2:
			out = append(out, fmt.Sprintf("%s and %d other runs: %s", names[0], len(names)-1, text))
		default:
			for _, name := range names {
				out = append(out, name+": "+text)
			}
		}
	}
	return out
}

// invalid says which runs are invalid.
func (c *Comparison) invalid() string {
	var why []string
	for _, r := range slices.Concat(c.Base, c.Head) {
		if r.Verdict.Outcome == results.Invalid {
			why = append(why, strings.TrimSuffix(fmt.Sprintf("%s is INVALID: %s", r.Name,
				strings.Join(r.Verdict.Invalid, "; ")), ": "))
		}
	}
	return strings.Join(why, "; ")
}

// untimed names the first run of which the response times cannot be trusted; empty: all can.
func (c *Comparison) untimed() string {
	for _, r := range slices.Concat(c.Base, c.Head) {
		if len(r.Verdict.Untimed) > 0 {
			return r.Name
		}
	}
	return ""
}

// levels are the bounds of the differences that the tolerance allows, both above 0: upwards and downwards, of
// logarithms or, of figures that are not compared by them, of values.
func (c *Comparison) levels(f *JudgedFigure) (up, down float64) {
	switch {
	case f.Ratio:
		return math.Log1p(c.Rule.Tolerance), -math.Log1p(-c.Rule.Tolerance)
	case f.Share:
		return ShareTolerance, ShareTolerance
	}
	allowed := c.Rule.Tolerance * math.Abs(f.BaseValue)
	return allowed, allowed
}
