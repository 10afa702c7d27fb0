package reports

import (
	"io"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/judge"
)

// ComparisonJSON writes a comparison of several runs on each side for scripts. Units are those of summary.json: times
// are milliseconds, rates are per second, shares are from 0 to 1:
//
//	version                2
//	judged                 true
//	comparable, reason     false and why, if a run is not valid; then nothing is judged
//	outcome                PASS, FAIL (a figure is worse), UNRESOLVED (one cannot be told) or INVALID
//	headline               the first line of the text
//	base[], head[]         the runs: path, name, started (RFC 3339), outcome, invalid (reasons), target
//	rule                   tolerance (a share), share_tolerance (of figures that are shares), alpha
//	test                   permutation (exact) or welch; deals (to the two sides; of permutation), family (number of figures that share alpha)
//	runs_needed            the least number of runs on each side with which anything can be called worse; 0 if there are as many
//	differences[]          of the environments; they are among the warnings
//	warnings[]
//	worse, better, within, unresolved, unknown   numbers of figures
//	figures[]              metric, tags, statistic, window_seconds, gates (thresholds on it), unit, share, more_is_better,
//	  base, head           values (of each run) and value (their mean: geometric if ratio is true)
//	  ratio                true: change, low, high and smallest are shares of base.value; false: they are differences in unit
//	  change, low, high    of head to base, with the 95 % interval
//	  p_worse, p_better    one-sided; adjusted_p_worse, adjusted_p_better: by Holm
//	  verdict, reason      worse, better, within (the tolerance), unresolved, or unknown (see reason)
//	  smallest_change      that as many runs find in 9 of 10 comparisons
//	  runs_needed          on each side, for a verdict; 0 if there is one
//
// A number is null where it is not known. Those of figures have six significant digits.
func ComparisonJSON(w io.Writer, c *judge.Comparison) error {
	doc := comparisonDoc{
		Version: ComparisonVersion, Judged: true, Comparable: c.Invalid == "", Reason: c.Invalid, Outcome: c.Outcome(),
		Headline: comparisonHeadline(c), Base: runsCompared(c.Base), Head: runsCompared(c.Head),
		Rule:        comparisonRule{c.Rule.Tolerance, judge.ShareTolerance, c.Rule.Alpha},
		Test:        comparisonTest{"welch", 0, c.Family},
		RunsNeeded:  c.TooFew,
		Differences: append([]string{}, c.Differences...), Warnings: append([]string{}, c.Warnings...),
		Worse: c.Count(judge.Worse), Better: c.Count(judge.Better), Within: c.Count(judge.Within),
		Unresolved: c.Count(judge.Unresolved), Unknown: c.Count(judge.NotJudged), Figures: []judgedDoc{},
	}
	if c.Exact {
		doc.Test.Name, doc.Test.Deals = "permutation", c.Deals
	}
	for _, f := range c.Figures {
		doc.Figures = append(doc.Figures, newJudgedDoc(f))
	}
	return writeComparison(w, doc)
}

type comparisonDoc struct {
	Version     int             `json:"version"`
	Judged      bool            `json:"judged"`
	Comparable  bool            `json:"comparable"`
	Reason      string          `json:"reason,omitempty"`
	Outcome     results.Outcome `json:"outcome"`
	Headline    string          `json:"headline"`
	Base        []runCompared   `json:"base"`
	Head        []runCompared   `json:"head"`
	Rule        comparisonRule  `json:"rule"`
	Test        comparisonTest  `json:"test"`
	RunsNeeded  int             `json:"runs_needed"`
	Differences []string        `json:"differences"`
	Warnings    []string        `json:"warnings"`
	Worse       int             `json:"worse"`
	Better      int             `json:"better"`
	Within      int             `json:"within"`
	Unresolved  int             `json:"unresolved"`
	Unknown     int             `json:"unknown"`
	Figures     []judgedDoc     `json:"figures"`
}

type comparisonRule struct {
	Tolerance      float64 `json:"tolerance"`
	ShareTolerance float64 `json:"share_tolerance"`
	Alpha          float64 `json:"alpha"`
}

type comparisonTest struct {
	Name   string `json:"name"`
	Deals  int    `json:"deals,omitempty"`
	Family int    `json:"family"`
}

type judgedDoc struct {
	Metric         string            `json:"metric"`
	Tags           map[string]string `json:"tags,omitempty"`
	Statistic      string            `json:"statistic"`
	Window         float64           `json:"window_seconds,omitempty"`
	Gates          []string          `json:"gates,omitempty"`
	Unit           string            `json:"unit"`
	Share          bool              `json:"share"`
	MoreIsBetter   bool              `json:"more_is_better"`
	Base           judgedSide        `json:"base"`
	Head           judgedSide        `json:"head"`
	Ratio          bool              `json:"ratio"`
	Change         *number           `json:"change"`
	Low            *number           `json:"low"`
	High           *number           `json:"high"`
	PWorse         *number           `json:"p_worse"`
	PBetter        *number           `json:"p_better"`
	AdjustedWorse  *number           `json:"adjusted_p_worse"`
	AdjustedBetter *number           `json:"adjusted_p_better"`
	Verdict        judge.Verdict     `json:"verdict"`
	Reason         string            `json:"reason,omitempty"`
	Smallest       *number           `json:"smallest_change"`
	RunsNeeded     int               `json:"runs_needed"`
}

type judgedSide struct {
	Value  *number  `json:"value"`
	Values []number `json:"values"`
}

func newJudgedDoc(f judge.JudgedFigure) judgedDoc {
	doc := judgedDoc{
		Metric: string(f.Of.Metric), Tags: f.Of.Selector, Statistic: f.Of.Aggregation.String(),
		Window: f.Of.Window.Seconds(), Gates: f.Gates, Unit: f.Unit, Share: f.Share, MoreIsBetter: f.MoreIsBetter,
		Base: judgedSide{nil, numbersOf(f.Base)}, Head: judgedSide{nil, numbersOf(f.Head)}, Ratio: f.Ratio,
		Verdict: f.Verdict, Reason: f.Reason, RunsNeeded: f.Needed,
	}
	if f.Verdict == judge.NotJudged {
		return doc
	}
	doc.Base.Value, doc.Head.Value = finite(f.BaseValue), finite(f.HeadValue)
	doc.Change, doc.Low, doc.High = finite(f.Change), finite(f.Low), finite(f.High)
	doc.PWorse, doc.PBetter = finite(f.Worse), finite(f.Better)
	doc.AdjustedWorse, doc.AdjustedBetter = finite(f.AdjustedWorse), finite(f.AdjustedBetter)
	if !f.Constant() {
		doc.Smallest = finite(f.Smallest)
	}
	return doc
}

// finite is nil for a number that JSON does not have.
func finite(v float64) *number {
	if !isFinite(v) {
		return nil
	}
	return new(number(v))
}

func numbersOf(values []float64) []number {
	out := make([]number, len(values))
	for i, v := range values {
		out[i] = number(v)
	}
	return out
}

func runsCompared(runs []judge.NamedRun) []runCompared {
	var out []runCompared
	for _, r := range runs {
		out = append(out, newRunCompared(r.Run, r.Name))
	}
	return out
}
