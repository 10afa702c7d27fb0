package reports

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/policycortex/headroom/results"
)

// ComparisonText writes what changed between two runs, for a terminal or a CI log. oldName and newName are what the caller
// knows the runs by.
func ComparisonText(w io.Writer, c *results.Comparison, oldName, newName string) error {
	var b bytes.Buffer
	t := textTable{left: 6}
	for _, side := range []struct {
		word, name string
		run        *results.Run
	}{{"old", oldName, c.Old}, {"new", newName, c.New}} {
		t.add(side.word, side.name, string(side.run.Verdict.Outcome), side.run.Name, side.run.Measurements.Started.UTC().Format(time.DateTime)+" UTC", side.run.Environment.Target)
	}
	b.WriteString(t.String())
	fmt.Fprintf(&b, "\n%s\n", onOneLine(comparisonHeadline(c)))
	for _, warning := range c.Warnings {
		fmt.Fprintf(&b, "  warning: %s\n", onOneLine(warning))
	}
	if len(c.Gates) > 0 {
		fmt.Fprintf(&b, "\nGates (the margin is the share of what may be lost that is left)\n%s", gateChangesText(c.Gates))
	}
	fmt.Fprintf(&b, "\nRequests (response time)\n%s", figureChangesText(c.Figures))
	b.WriteString("\nIn brackets: 95 % intervals. ~ they overlap: no difference beyond the chance within a run. ? not known.\n")
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("draw the comparison: %w", err)
	}
	return nil
}

// comparisonHeadline answers in one sentence each whether something was taken away, and how much is left.
func comparisonHeadline(c *results.Comparison) string {
	if c.Invalid != "" {
		return "The runs cannot be compared: " + c.Invalid + "."
	}
	worse, better, untold := changed(c.Figures)
	text := fmt.Sprintf("Of %s of requests %d became worse, %d better.", Plural(len(c.Figures), "figure"), worse, better)
	switch why := commonReason(c.Figures); {
	case untold > 0 && untold == len(c.Figures) && why != "":
		text = "These runs cannot show what changed: " + why + "."
	case untold > 0:
		text += fmt.Sprintf(" For %d this is not known; the reasons are below the tables.", untold)
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

// commonReason is why none of the figures can be told, where it is one reason.
func commonReason(figures []results.FigureChange) string {
	why := ""
	for _, f := range figures {
		if why != "" && f.Untold != why {
			return ""
		}
		why = f.Untold
	}
	return why
}

// changed counts the figures that became worse, those that became better, and those of which neither can be told.
func changed(figures []results.FigureChange) (worse, better, untold int) {
	for _, f := range figures {
		switch {
		case f.Worse:
			worse++
		case f.Better:
			better++
		case f.Untold != "":
			untold++
		}
	}
	return worse, better, untold
}

func gateChangesText(changes []results.GateChange) string {
	t := textTable{left: 2, rows: [][]string{{"metric", "gate", "old", "", "new", "", "change", "", "margin old", "margin new"}}}
	for _, c := range changes {
		g := c.New
		if g == nil {
			g = c.Old
		}
		row := []string{g.Metric, g.Expression, none, "", none, "", "", "", none, none}
		if c.Old != nil {
			row[2], row[3], row[8] = gateActual(*c.Old), bracketed(c.Difference.Old, c.Share, g.Unit), gateMargin(*c.Old)
		}
		if c.New != nil {
			row[4], row[5], row[9] = gateActual(*c.New), bracketed(c.Difference.New, c.Share, g.Unit), gateMargin(*c.New)
		}
		if c.Old != nil && c.New != nil {
			row[6], row[7] = differenceText(c.Difference)
		}
		t.add(row...)
	}
	var why []string
	for _, c := range changes {
		why = append(why, c.Untold)
	}
	return t.String() + untoldText(why)
}

func figureChangesText(changes []results.FigureChange) string {
	t := textTable{left: 3, rows: [][]string{{"scenario", "request", "figure", "old", "", "new", "", "change", ""}}}
	for _, c := range changes {
		show := func(e results.Estimate) string {
			switch {
			case e.Samples == 0:
				return none
			case c.Share:
				return percent(e.Value)
			}
			return withUnit(perUnit(c.Unit)(e.Value), c.Unit)
		}
		change, word := differenceText(c.Difference)
		t.add(c.Scenario, c.Request, c.Figure, show(c.Old), bracketed(c.Old, c.Share, c.Unit), show(c.New), bracketed(c.New, c.Share, c.Unit), change, word)
	}
	var why []string
	for _, c := range changes {
		why = append(why, c.Untold)
	}
	return t.String() + untoldText(why)
}

// untoldText says why figures with a question mark cannot be told, each reason once.
func untoldText(why []string) (text string) {
	slices.Sort(why)
	for _, reason := range slices.Compact(why) {
		if reason != "" {
			text += "  ? " + reason + "\n"
		}
	}
	return text
}

// perUnit is how numbers of a unit are shown, without it.
func perUnit(unit string) func(float64) string {
	if unit == "/s" {
		return perSecondText
	}
	return threeDigits
}

// hasEnd is false where an interval tells nothing.
func hasEnd(in *results.Interval) bool { return in != nil && (in.Low != nil || in.High != nil) }

// bracketed shows an estimate's interval, "(4.71 to 5.03)"; of a share, in percent.
func bracketed(e results.Estimate, share bool, unit string) string {
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

// differenceText shows by how much a figure changed, unless the intervals overlap, and whether for the worse.
func differenceText(d results.Difference) (change, word string) {
	switch {
	case !d.Told:
		word = "?"
	case d.Worse:
		word = "worse"
	case d.Better:
		word = "better"
	default:
		return "~", ""
	}
	by, ok := d.By()
	if !ok || d.Old.Samples == 0 || d.New.Samples == 0 {
		return none, word
	}
	if change = signedPercent(by); d.Share {
		change += " points" // of 100
	}
	return change, word
}
