package reports

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/judge"
)

// PairText writes in what two runs differ, for a terminal or a CI log. oldName and newName are the caller's names for
// the runs.
func PairText(w io.Writer, c *judge.Pair, oldName, newName string) error {
	var b bytes.Buffer
	t := textTable{left: 6}
	for _, side := range []struct {
		word, name string
		run        *results.Run
	}{{"old", oldName, c.Old}, {"new", newName, c.New}} {
		t.add(side.word, side.name, string(side.run.Verdict.Outcome), side.run.Name,
			side.run.Measurements.Started.UTC().Format(time.DateTime)+" UTC", side.run.Environment.Targets())
	}
	b.WriteString(t.String())
	fmt.Fprintf(&b, "\n%s\n", onOneLine(pairHeadline(c)))
	if c.Invalid == "" {
		fmt.Fprintln(&b, judge.OneRunEach)
	}
	for _, warning := range c.Warnings {
		fmt.Fprintf(&b, "  warning: %s\n", onOneLine(warning))
	}
	if len(c.Gates) > 0 {
		fmt.Fprintf(&b, "\nGates (margin: the share of the allowed loss that is left)\n%s", gateChangesText(c.Gates))
	}
	fmt.Fprintf(&b, "\nRequests (response time)\n%s", figureChangesText(c.Figures))
	b.WriteString("\nIn parentheses: 95 % confidence intervals, by the variation within a run. ~ the intervals " +
		"overlap. ? cannot be determined.\n")
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("draw the comparison: %w", err)
	}
	return nil
}

// pairHeadline says how many figures differ, and how much headroom is left.
func pairHeadline(c *judge.Pair) string {
	if c.Invalid != "" {
		return "The runs cannot be compared: " + c.Invalid + "."
	}
	differ, unknown := differing(c.Figures)
	text := fmt.Sprintf("Of %s, %d differ between these two runs.", Plural(len(c.Figures), "request figure"), differ)
	if differ == 1 {
		text = fmt.Sprintf("Of %s, 1 differs between these two runs.", Plural(len(c.Figures), "request figure"))
	}
	switch why := commonReason(c.Figures); {
	case unknown > 0 && unknown == len(c.Figures) && why != "":
		text = "These runs cannot show a difference: " + why + "."
	case unknown > 0:
		text += fmt.Sprintf(" %d cannot be determined; the reasons are below the tables.", unknown)
	}
	before, after := tightest(c.Old.Verdict), tightest(c.New.Verdict)
	if after == nil {
		return text
	}
	text += fmt.Sprintf(" Headroom: %s at the tightest gate, %s %s", gateMargin(*after), after.Metric, after.Expression)
	if before == nil {
		return text + "."
	}
	text += fmt.Sprintf("; before %s", gateMargin(*before))
	if before.Metric != after.Metric || before.Expression != after.Expression {
		text += fmt.Sprintf(" at %s %s", before.Metric, before.Expression)
	}
	return text + "."
}

// commonReason is the reason that all figures share for being unknown; empty when there are several.
func commonReason(figures []judge.FigureChange) string {
	why := ""
	for _, f := range figures {
		if why != "" && f.Incomparable != why {
			return ""
		}
		why = f.Incomparable
	}
	return why
}

// differing counts the figures that differ, and those that cannot be compared.
func differing(figures []judge.FigureChange) (differ, unknown int) {
	for _, f := range figures {
		switch {
		case f.Differs:
			differ++
		case f.Incomparable != "":
			unknown++
		}
	}
	return differ, unknown
}

func gateChangesText(changes []judge.GateChange) string {
	t := textTable{left: 2, rows: [][]string{{
		"metric", "gate", "old", "", "new", "", "change", "", "margin old",
		"margin new",
	}}}
	for _, c := range changes {
		g := c.New
		if g == nil {
			g = c.Old
		}
		row := []string{g.Metric, g.Expression, none, "", none, "", "", "", none, none}
		if c.Old != nil {
			row[2], row[3], row[8] = gateActual(*c.Old), bracketed(c.Difference.Old, c.Share, g.Unit),
				gateMargin(*c.Old)
		}
		if c.New != nil {
			row[4], row[5], row[9] = gateActual(*c.New), bracketed(c.Difference.New, c.Share, g.Unit),
				gateMargin(*c.New)
		}
		if c.Old != nil && c.New != nil {
			row[6], row[7] = differenceText(c.Difference)
		}
		t.add(row...)
	}
	var why []string
	for _, c := range changes {
		why = append(why, c.Incomparable)
	}
	return t.String() + unknownText(why)
}

func figureChangesText(changes []judge.FigureChange) string {
	t := textTable{left: 3, rows: [][]string{{"scenario", "request", "figure", "old", "", "new", "", "change", ""}}}
	for _, c := range changes {
		show := func(e judge.Estimate) string {
			switch {
			case e.Samples == 0:
				return none
			case c.Share:
				return percent(e.Value)
			}
			return withUnit(perUnit(c.Unit)(e.Value), c.Unit)
		}
		change, word := differenceText(c.Difference)
		t.add(c.Scenario, c.Request, c.Figure, show(c.Old), bracketed(c.Old, c.Share, c.Unit), show(c.New),
			bracketed(c.New, c.Share, c.Unit), change, word)
	}
	var why []string
	for _, c := range changes {
		why = append(why, c.Incomparable)
	}
	return t.String() + unknownText(why)
}

// unknownText gives the reasons for the question marks, each reason once.
func unknownText(why []string) (text string) {
	slices.Sort(why)
	for _, reason := range slices.Compact(why) {
		if reason != "" {
			text += "  ? " + reason + "\n"
		}
	}
	return text
}

// perUnit formats numbers of a unit, without the unit.
func perUnit(unit string) func(float64) string {
	if unit == "/s" {
		return perSecondText
	}
	return threeDigits
}

// hasEnd is false for an interval that is open at both ends.
func hasEnd(in *results.Interval) bool { return in != nil && (in.Low != nil || in.High != nil) }

// bracketed shows an estimate's interval in parentheses, "(4.71 to 5.03)"; shares are in percent.
func bracketed(e judge.Estimate, share bool, unit string) string {
	if !hasEnd(e.Interval) {
		return ""
	}
	end := func(v *float64) string {
		switch {
		case v == nil:
			return "?"
		case share:
			return threeDigits(100 * *v)
		}
		return perUnit(unit)(*v)
	}
	text := end(e.Interval.Low) + " to " + end(e.Interval.High)
	if share {
		text += " %"
	}
	return "(" + text + ")"
}

// differenceText shows by how much a figure differs; "~" when the intervals overlap.
func differenceText(d judge.Difference) (change, word string) {
	switch {
	case !d.Comparable:
		word = "?"
	case d.Differs:
		word = "differs"
	default:
		return "~", ""
	}
	by, ok := d.By()
	if !ok || d.Old.Samples == 0 || d.New.Samples == 0 {
		return none, word
	}
	change = signedPercent(by)
	if d.Share {
		change += " points" // of 100
	}
	return change, word
}
