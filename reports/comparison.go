package reports

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/policycortex/headroom/results/judge"
)

// The files that WriteComparison creates.
const (
	ComparisonHTMLFile = "compare.html"
	ComparisonJSONFile = "compare.json"
)

// WriteComparison draws compare.html, compare.json and junit.xml of a comparison of several runs into dir, which must
// exist. Files are replaced atomically. The same runs always give the same bytes.
func WriteComparison(dir string, c *judge.Comparison) error {
	return writeAll(dir, c, []drawer[*judge.Comparison]{
		{ComparisonHTMLFile, ComparisonHTML}, {ComparisonJSONFile, ComparisonJSON}, {JUnitFile, ComparisonJUnit},
	})
}

// ComparisonText writes what several runs on each side say, for a terminal or a CI log. The verdict comes first.
func ComparisonText(w io.Writer, c *judge.Comparison) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s: %s\n\n", c.Outcome(), onOneLine(comparisonHeadline(c)))
	t := textTable{left: 5}
	for _, side := range comparedSides(c) {
		t.add(side.word, Plural(len(side.runs), "run"), side.names(), side.times(), side.runs[0].Environment.Targets())
	}
	b.WriteString(t.String())
	for _, warning := range c.Warnings {
		fmt.Fprintf(&b, "  warning: %s\n", onOneLine(warning))
	}
	table := textTable{left: 2, rows: [][]string{comparisonHeading}}
	for _, f := range figuresByVerdict(c) {
		table.add(comparisonRow(c, f)...)
	}
	fmt.Fprintf(&b, "\n%s", table.String())
	for _, f := range c.Figures {
		if f.Reason != "" {
			fmt.Fprintf(&b, "  %s is not judged: %s\n", onOneLine(f.Name()), onOneLine(f.Reason))
		}
	}
	fmt.Fprintf(&b, "\n%s\n", comparisonMethod(c))
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("draw the comparison: %w", err)
	}
	return nil
}

// comparedRuns is a side of a comparison with the word for it.
type comparedRuns struct {
	word string
	runs []judge.NamedRun
}

func comparedSides(c *judge.Comparison) []comparedRuns {
	return []comparedRuns{{"base", c.Base}, {"head", c.Head}}
}

// names are the names of the first and the last run.
func (s comparedRuns) names() string {
	first, last := s.runs[0].Name, s.runs[len(s.runs)-1].Name
	if len(s.runs) == fewRuns {
		return first + ", " + last
	}
	return first + " … " + last
}

// fewRuns are so few that all are named.
const fewRuns = 2

// times are when the first and the last run of a side were made.
func (s comparedRuns) times() string {
	byTime := slices.SortedFunc(slices.Values(s.runs), func(a, b judge.NamedRun) int {
		return a.Measurements.Started.Compare(b.Measurements.Started)
	})
	at := func(r judge.NamedRun) string { return r.Measurements.Started.UTC().Format(time.DateTime) }
	return at(byTime[0]) + " to " + at(byTime[len(byTime)-1]) + " UTC"
}

// comparisonHeadline is the verdict in a sentence or two.
func comparisonHeadline(c *judge.Comparison) string {
	if c.Invalid != "" {
		return "The runs cannot be judged: " + c.Invalid + ". Take another run in its place."
	}
	figures := Plural(len(c.Figures), "figure")
	var text string
	switch worse := figuresOfVerdict(c, judge.Worse); {
	case len(worse) > 0:
		text = fmt.Sprintf("%d of %s %s worse: %s.", len(worse), figures, isAre(len(worse)),
			strings.Join(worseTexts(worse), "; "))
	case c.TooFew > 0:
		return fmt.Sprintf("With %d and %s nothing can be called worse at an alpha of %s, however large the change "+
			"is: take at least %s on each side.", len(c.Base), Plural(len(c.Head), "run"), levelText(c.Rule.Alpha),
			Plural(c.TooFew, "run"))
	default:
		text = fmt.Sprintf("Of %s, none is worse.", figures)
	}
	if better := c.Count(judge.Better); better > 0 {
		text += fmt.Sprintf(" %d %s better.", better, isAre(better))
	}
	if within := c.Count(judge.Within); within > 0 {
		text += fmt.Sprintf(" %d %s within the tolerance.", within, isAre(within))
	}
	if unknown := c.Count(judge.Unresolved) + c.Count(judge.NotJudged); unknown > 0 {
		text += fmt.Sprintf(" %d cannot be told.", unknown)
	}
	return text
}

func isAre(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

// mostNamed is how many figures a headline names.
const mostNamed = 3

// worseTexts are the figures that became worse, the worst first, and how many more there are.
func worseTexts(worse []judge.JudgedFigure) []string {
	var out []string
	for _, f := range worse[:min(mostNamed, len(worse))] {
		out = append(out, fmt.Sprintf("%s by %s (95 %% interval %s)", f.Name(), judgedChange(f), judgedInterval(f)))
	}
	if more := len(worse) - mostNamed; more > 0 {
		out = append(out, fmt.Sprintf("and %d more", more))
	}
	return out
}

// figuresByVerdict are the figures with the worst first: those that are worse by the size of their change, then those
// that cannot be told, then the others in the order of the comparison.
func figuresByVerdict(c *judge.Comparison) []judge.JudgedFigure {
	rank := func(f judge.JudgedFigure) int {
		return slices.Index([]judge.Verdict{
			judge.Worse, judge.NotJudged, judge.Unresolved, judge.Better, judge.Within,
		}, f.Verdict)
	}
	sorted := slices.Clone(c.Figures)
	slices.SortStableFunc(sorted, func(a, b judge.JudgedFigure) int {
		if by := rank(a) - rank(b); by != 0 || a.Verdict != judge.Worse {
			return by
		}
		return cmp.Compare(math.Abs(b.Change), math.Abs(a.Change))
	})
	return sorted
}

func figuresOfVerdict(c *judge.Comparison, v judge.Verdict) (figures []judge.JudgedFigure) {
	for _, f := range figuresByVerdict(c) {
		if f.Verdict == v {
			figures = append(figures, f)
		}
	}
	return figures
}

// comparisonHeading names the columns of comparisonRow.
var comparisonHeading = []string{
	"verdict", "figure", "base", "head", "change", "95 % interval", "p", "found from", "runs needed",
}

func comparisonRow(c *judge.Comparison, f judge.JudgedFigure) []string {
	row := []string{judgedWord(c, f), f.Name(), none, none, none, none, none, none, none}
	if f.Verdict == judge.NotJudged {
		return row
	}
	row[2], row[3] = judgedValue(f, f.BaseValue), judgedValue(f, f.HeadValue)
	row[4], row[5] = judgedChange(f), judgedInterval(f)
	if f.Constant() {
		return row
	}
	row[6], row[7] = pText(f.P()), judgedSize(f, f.Smallest)
	if f.Needed > 0 {
		row[8] = runsNeeded(f)
	}
	return row
}

func runsNeeded(f judge.JudgedFigure) string {
	if f.Needed >= judge.MostRuns {
		return "over " + count(judge.MostRuns)
	}
	return strconv.Itoa(f.Needed)
}

// judgedWord is the verdict on a figure in words.
func judgedWord(c *judge.Comparison, f judge.JudgedFigure) string {
	switch f.Verdict {
	case judge.Within:
		return "within " + toleranceText(c, f)
	case judge.Unresolved:
		return "cannot be told"
	case judge.NotJudged:
		return "not judged"
	}
	return string(f.Verdict)
}

// toleranceText is by how much a figure may differ.
func toleranceText(c *judge.Comparison, f judge.JudgedFigure) string {
	if f.Share {
		return "1 point"
	}
	return levelText(c.Rule.Tolerance)
}

// levelText shows a round share of 1: 5 %, 0.5 %.
func levelText(share float64) string {
	return strconv.FormatFloat(fourDecimals(100*share), 'f', -1, 64) + " %"
}

// judgedValue shows a value of a figure with its unit.
func judgedValue(f judge.JudgedFigure, v float64) string {
	if f.Share {
		return percent(v)
	}
	return withUnit(perUnit(f.Unit)(v), f.Unit)
}

// judgedChange shows by how much the head differs, with its sign.
func judgedChange(f judge.JudgedFigure) string { return signedJudged(f, f.Change) }

func judgedInterval(f judge.JudgedFigure) string {
	if !isFinite(f.Low) || !isFinite(f.High) {
		return none
	}
	return signedJudged(f, f.Low) + " to " + signedJudged(f, f.High)
}

func signedJudged(f judge.JudgedFigure, change float64) string {
	switch {
	case !isFinite(change):
		return none
	case f.Ratio:
		return signedPercent(change)
	case f.Share:
		return signedPercent(change) + " points"
	case change > 0:
		return "+" + judgedValue(f, change)
	case change < 0:
		return "-" + judgedValue(f, -change)
	}
	return judgedValue(f, 0)
}

// judgedSize shows a change without its direction.
func judgedSize(f judge.JudgedFigure, size float64) string {
	switch {
	case !isFinite(size):
		return none
	case f.Ratio:
		return percent(size)
	case f.Share:
		return percent(size) + " points"
	}
	return judgedValue(f, size)
}

// pText shows a p-value with two digits.
func pText(p float64) string {
	if p < 0.0001 {
		return "<0.0001"
	}
	return strconv.FormatFloat(p, 'g', 2, 64)
}

// comparisonMethod says how the figures were judged.
func comparisonMethod(c *judge.Comparison) string {
	if c.Invalid != "" {
		return "Nothing was judged."
	}
	test := fmt.Sprintf("by all %s ways to deal the runs to the two sides", count(int64(c.Deals)))
	if !c.Exact {
		test = "by Welch's t-test"
	}
	return fmt.Sprintf("A run is the unit. p is one-sided, %s, and adjusted by Holm for the %s that are not the same "+
		"in all runs: the probability that any of them is called worse by chance is at most %s. Worse and better also "+
		"need a change of more than half of the tolerance (%s; of shares, 1 percentage point). \"Found from\" is "+
		"about the change for the worse that as many runs, scattering as these do, find in 9 of 10 comparisons; "+
		"\"runs needed\" is about how many on each side would tell.",
		test, Plural(c.Family, "figure"), levelText(c.Rule.Alpha), levelText(c.Rule.Tolerance))
}

// comparisonName is the name of what was compared.
func comparisonName(c *judge.Comparison) string { return c.Head[0].Run.Name }

// startOfRuns is when the first run of a comparison was started, and the seconds that all of them took.
func startOfRuns(c *judge.Comparison) (first time.Time, took float64) {
	for _, r := range slices.Concat(c.Base, c.Head) {
		m := &r.Measurements
		if first.IsZero() || m.Started.Before(first) {
			first = m.Started
		}
		took += m.Elapsed
	}
	return first, took
}
