package reports

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/judge"
)

//go:embed compare.html.tmpl
var comparisonTemplate string

var parsedComparison = template.Must(template.New(ComparisonHTMLFile).Funcs(template.FuncMap{
	"breakable": breakable, "lower": strings.ToLower,
}).Parse(comparisonTemplate))

// comparisonPage is the data of the template.
type comparisonPage struct {
	Comparison *judge.Comparison
	Outcome    results.Outcome
	Name       string
	Headline   string
	Method     string
	Started    time.Time
	Policy     string
	Style      template.CSS
	Rows       []comparisonPageRow
	Runs       []comparisonPageRun
}

// comparisonPageRow is a figure; its cells are those of comparisonRow.
type comparisonPageRow struct {
	Class  string
	Cells  []string
	Gates  []string
	Reason string
	Plot   *runsPlot // nil where the values are all the same
}

// comparisonPageRun is a run of a side.
type comparisonPageRun struct {
	Side string
	judge.NamedRun
}

// runsPlot is where the values of the runs, and the means of the sides, stand on a line, in pixels.
type runsPlot struct {
	Width              float64
	Base, Head         []float64
	BaseMean, HeadMean float64
}

// ComparisonHTML writes a comparison of several runs as one self-contained web page without scripts: the verdict, each
// figure with the values of all runs, and the runs. It loads nothing, and all text from the runs is escaped.
func ComparisonHTML(w io.Writer, c *judge.Comparison) error {
	first, _ := startOfRuns(c)
	p := comparisonPage{
		Comparison: c, Outcome: c.Outcome(), Name: comparisonName(c), Headline: comparisonHeadline(c),
		Method: comparisonMethod(c), Started: first, Style: template.CSS(pageStyle),
		Policy: "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'",
	}
	for _, f := range figuresByVerdict(c) {
		p.Rows = append(p.Rows, comparisonPageRow{
			Class: judgedClass(f.Verdict), Cells: comparisonRow(c, f), Gates: f.Gates, Reason: f.Reason,
			Plot: newRunsPlot(f),
		})
	}
	for _, side := range comparedSides(c) {
		for _, r := range side.runs {
			p.Runs = append(p.Runs, comparisonPageRun{side.word, r})
		}
	}
	slices.SortStableFunc(p.Runs, func(a, b comparisonPageRun) int {
		return a.Measurements.Started.Compare(b.Measurements.Started)
	})
	if err := parsedComparison.Execute(w, p); err != nil {
		return fmt.Errorf("draw %s: %w", ComparisonHTMLFile, err)
	}
	return nil
}

// judgedClass is the CSS class of a verdict.
func judgedClass(v judge.Verdict) string {
	switch v {
	case judge.Worse:
		return "crossed"
	case judge.Better, judge.Within:
		return "held"
	}
	return "unresolved"
}

func newRunsPlot(f judge.JudgedFigure) *runsPlot {
	const width, edge = 200, 5 // pixels; the edge leaves room for the dots
	if f.Verdict == judge.NotJudged || f.Constant() {
		return nil
	}
	all := slices.Concat(f.Base, f.Head)
	low, high := slices.Min(all), slices.Max(all)
	at := func(v float64) float64 { return fourDecimals(edge + (width-2*edge)*(v-low)/(high-low)) }
	p := &runsPlot{Width: width, BaseMean: at(f.BaseValue), HeadMean: at(f.HeadValue)}
	for _, v := range f.Base {
		p.Base = append(p.Base, at(v))
	}
	for _, v := range f.Head {
		p.Head = append(p.Head, at(v))
	}
	return p
}
