package reports

import (
	"cmp"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/policycortex/headroom/results/history"
)

// History is a history as it is drawn.
type History struct {
	Path    string // of its file
	Entries int
	Series  []history.Series
	// Commits lists the commits after one revision up to another, a line each; nil where they are not known.
	Commits func(after, upTo string) []string
}

// Alarms are the series that have a new change for the worse and decide, the greatest change first.
func (h History) Alarms() []history.Series {
	var all []history.Series
	for _, s := range h.Series {
		if s.Alarm() != nil {
			all = append(all, s)
		}
	}
	slices.SortStableFunc(all, func(a, b history.Series) int {
		return compareSizes(a.Alarm().By, b.Alarm().By)
	})
	return all
}

// compareSizes orders the greater change first, whatever its direction.
func compareSizes(a, b float64) int {
	return cmp.Compare(math.Abs(math.Log1p(b)), math.Abs(math.Log1p(a)))
}

// Headline says what is new.
func (h History) Headline() string {
	alarms := h.Alarms()
	if len(alarms) == 0 {
		text := fmt.Sprintf("No new change for the worse in %s.", entries(h.Entries))
		if longest(h.Series) < history.FewestPoints {
			text += fmt.Sprintf(" No change can be found yet: a series needs at least %d entries.",
				history.FewestPoints)
		}
		return text
	}
	s, c := alarms[0], alarms[0].Alarm()
	_, first := s.Around(*c)
	text := fmt.Sprintf("New change for the worse: %s of %s %s since %s.", s.Figure, s.Scenario, changeText(c.By, 1),
		revisionText(first))
	if len(alarms) > 1 {
		text += fmt.Sprintf(" %s more.", Plural(len(alarms)-1, "figure"))
	}
	return text
}

// Ordered are the series in the order of a report: alarms, then those that decide, then those with changes.
func (h History) Ordered() []history.Series {
	rank := func(s history.Series) int {
		switch {
		case s.Alarm() != nil:
			return 0
		case s.Decides():
			return 1
		case len(s.Changes) > 0:
			return 2
		}
		return 3
	}
	sorted := slices.Clone(h.Series)
	slices.SortStableFunc(sorted, func(a, b history.Series) int { return rank(a) - rank(b) })
	return sorted
}

// HistoryText writes a history for a terminal: what is new, then each series as a row of blocks with its changes.
func HistoryText(w io.Writer, h History) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", onOneLine(h.Headline()))
	var still []string
	for _, s := range h.Ordered() {
		if !s.Decides() && len(s.Changes) == 0 {
			still = append(still, s.Figure)
			continue
		}
		h.seriesText(&b, s)
	}
	still = slices.Compact(still)
	if len(still) > 0 {
		fmt.Fprintf(&b, "\nNo change in %s\n", onOneLine(strings.Join(still, ", ")))
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("draw the history: %w", err)
	}
	return nil
}

// seriesText writes a series with its changes, the newest first.
func (h History) seriesText(b *strings.Builder, s history.Series) {
	low, high := rangeOf(s)
	fmt.Fprintf(b, "\n%s  %s\n  %s  %s to %s, %s\n  %s\n", onOneLine(s.Scenario), onOneLine(s.Figure), sparkline(s),
		shown(s, low), shown(s, high), Plural(len(s.Points), "run"), onOneLine(placeOf(s)))
	for _, c := range slices.Backward(s.Changes) {
		before, first := s.Around(c)
		fmt.Fprintf(b, "  %s since %s (p = %.3f)\n", onOneLine(changeWords(s, c)), onOneLine(revisionText(first)), c.P)
		for _, line := range h.between(before, first) {
			fmt.Fprintf(b, "    %s\n", onOneLine(line))
		}
	}
}

// between says which commits may have caused a change.
func (h History) between(before, first history.Entry) []string {
	if before.Revision == first.Revision {
		return []string{"both sides are of one revision: what changed was not the code, or it was not committed"}
	}
	var lines []string
	if h.Commits != nil {
		lines = h.Commits(before.Revision, first.Revision)
	}
	if lines == nil {
		return []string{fmt.Sprintf("the commits after %s up to %s are not known here", shortRevision(before.Revision),
			shortRevision(first.Revision))}
	}
	return lines
}

// changeWords is a change in words: "NEW  +19.8 %, worse".
func changeWords(s history.Series, c history.Change) string {
	word := "better"
	if c.Worse {
		word = "worse"
	}
	text := changeText(c.By, 1) + ", " + word
	switch {
	case c.New && c.Worse && s.Decides():
		text = "NEW  " + text
	case c.New:
		text = "new  " + text
	}
	return text
}

// placeOf says where a series was measured.
func placeOf(s history.Series) string {
	place := s.Machine
	if s.Reference != "" {
		place = "relative to " + s.Reference
	}
	if s.Environment != "" {
		place += ", environment " + s.Environment
	}
	return strings.TrimPrefix(place, ", ")
}

func revisionText(e history.Entry) string {
	text := shortRevision(e.Revision)
	if e.Dirty {
		text += " with changes"
	}
	if e.Subject != "" {
		text += fmt.Sprintf(" %q", e.Subject)
	}
	return text + " of " + e.Time.UTC().Format(time.DateOnly)
}

func entries(n int) string {
	if n == 1 {
		return "1 entry"
	}
	return count(int64(n)) + " entries"
}

func longest(series []history.Series) (points int) {
	for _, s := range series {
		points = max(points, len(s.Points))
	}
	return points
}

func rangeOf(s history.Series) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, p := range s.Points {
		low, high = min(low, p.Shown()), max(high, p.Shown())
	}
	return low, high
}

// shown is a value of a series with its unit; relative to a reference it has none.
func shown(s history.Series, v float64) string {
	if s.Reference != "" {
		return threeDigits(v)
	}
	return valueText(v, s.Unit)
}

// valueText shows a value in a unit of an export. CPU times are fractions of a millisecond.
func valueText(v float64, unit string) string {
	switch {
	case unit == "s" && v < 1e-3:
		return threeDigits(v*1e6) + " µs"
	case unit == "s" && v < 1:
		return threeDigits(v*1e3) + " ms"
	case unit == "1/s":
		return rate(v)
	}
	return withUnit(threeDigits(v), unit)
}

// sparkline draws the levels of a series as blocks, the lowest and the highest at the ends of the scale. A scale of
// less than the least change that counts would show noise as if it were something.
func sparkline(s history.Series) string {
	blocks := []rune("▁▂▃▄▅▆▇█")
	low, high := rangeOf(s)
	low, high = math.Log(low), math.Log(high)
	if least := math.Log1p(history.SmallestChange); high-low < least {
		middle := (low + high) / 2
		low, high = middle-least/2, middle+least/2
	}
	line := make([]rune, len(s.Points))
	for i, p := range s.Points {
		at := (p.Level - low) / (high - low) * float64(len(blocks))
		line[i] = blocks[max(0, min(int(at), len(blocks)-1))]
	}
	return string(line)
}

//go:embed history.html.tmpl
var historyTemplate string

var parsedHistory = template.Must(template.New("history.html").Funcs(template.FuncMap{
	"words": changeWords, "place": placeOf, "revision": revisionText, "shown": shown, "chart": newSeriesChart,
	"first": func(s history.Series, c history.Change) history.Entry { _, e := s.Around(c); return e },
	"between": func(h History, s history.Series, c history.Change) []string {
		return h.between(s.Around(c))
	},
	"entries": entries,
	"anchor":  func(i int) string { return fmt.Sprintf("series-%d", i) },
	"p":       func(p float64) string { return fmt.Sprintf("%.3f", p) },
}).Parse(historyTemplate))

// HistoryHTML writes a history as one self-contained web page without scripts: what is new, and each series as a chart
// with its changes and the commits that may have caused them. All text from the history is escaped.
func HistoryHTML(w io.Writer, h History) error {
	err := parsedHistory.Execute(w, struct {
		History
		Style template.CSS
	}{h, template.CSS(pageStyle)})
	if err != nil {
		return fmt.Errorf("draw the history: %w", err)
	}
	return nil
}

// seriesChart is the chart of a series. Places are in its own units, 0 0 being the upper left corner.
type seriesChart struct {
	Width, Height float64
	Line          string // the points of the polyline
	Dots          []drawnPoint
	Changes       []drawnChange
	Marks         []drawnMark // of the scale
}

type drawnPoint struct {
	X, Y  float64
	Title string
}

type drawnChange struct {
	X     float64
	Worse bool
}

type drawnMark struct {
	Y    float64
	Text string
}

// The chart of a series: a column for each entry, a scale on the left.
const (
	drawnWidth  = 960
	drawnHeight = 180
	drawnLeft   = 90
	drawnEdge   = 16
)

func newSeriesChart(s history.Series) seriesChart {
	d := seriesChart{Width: drawnWidth, Height: drawnHeight}
	low, high := rangeOf(s)
	low, high = math.Log(low), math.Log(high)
	if low == high {
		low, high = low-history.SmallestChange, high+history.SmallestChange
	}
	x := func(i float64) float64 {
		return fourDecimals(drawnLeft + (drawnWidth-drawnLeft-drawnEdge)*i/max(1, float64(len(s.Points)-1)))
	}
	y := func(level float64) float64 {
		return fourDecimals(drawnEdge + (drawnHeight-2*drawnEdge)*(high-level)/(high-low))
	}
	var line []string
	for i, p := range s.Points {
		dot := drawnPoint{X: x(float64(i)), Y: y(p.Level), Title: shown(s, p.Shown()) + " at " + revisionText(p.Entry)}
		d.Dots = append(d.Dots, dot)
		line = append(line, fmt.Sprintf("%g,%g", dot.X, dot.Y))
	}
	d.Line = strings.Join(line, " ")
	for _, c := range s.Changes {
		d.Changes = append(d.Changes, drawnChange{x(float64(c.Index) - 0.5), c.Worse})
	}
	for _, level := range []float64{low, (low + high) / 2, high} {
		d.Marks = append(d.Marks, drawnMark{y(level), shown(s, math.Exp(level))})
	}
	return d
}
