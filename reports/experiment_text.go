package reports

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/experiment"
)

// ExperimentText writes the experiment's result for a terminal or a CI log. The first line says what became slower and
// by how much, with its interval. It is plain text without colour codes, and text that comes from elsewhere cannot
// control the terminal.
func ExperimentText(w io.Writer, e *results.Experiment) error {
	t := newTrial(e)
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s: %s\n", t.Outcome, onOneLine(t.headline()))
	for _, why := range t.reasonsOf() {
		fmt.Fprintf(&b, "  - %s\n", onOneLine(why))
	}
	for _, warning := range t.Warnings {
		fmt.Fprintf(&b, "  warning: %s\n", onOneLine(warning))
	}
	for _, arm := range []struct{ name, what string }{{"base", armText(t.Base)}, {"head", armText(t.Head)}} {
		if arm.what != "" {
			fmt.Fprintf(&b, "  %s: %s\n", arm.name, onOneLine(arm.what))
		}
	}
	fmt.Fprintf(&b, "  %s: %s; %s\n", onOneLine(t.Name), t.progress(), t.vetoedText())
	if len(t.Gates) > 0 {
		fmt.Fprintf(&b, "\nGates (change from base to head; noise: of a block)\n%s  %s\n", trialGatesText(t),
			stoppedEarly)
	}
	requests, err := trialRequestsText(t)
	if err != nil {
		return fmt.Errorf("draw the text of the experiment: %w", err)
	}
	if requests != "" {
		fmt.Fprintf(&b, "\nRequests (response time; medians over the slices)\n%s", requests)
	}
	if rows := t.others(); len(rows) > 0 {
		fmt.Fprintf(&b, "\nOther figures\n%s", changeRowsText(rows))
	}
	if len(t.Figures) > 0 {
		b.WriteString(signExplained + "\n")
	}
	if causes := t.vetoCauses(); len(causes) > 0 {
		b.WriteString("\nSlices that do not count, and the other one of their pair with them\n")
		for _, c := range causes {
			fmt.Fprintf(&b, "  %d × %s\n", c.Slices, onOneLine(c.Example))
		}
	}
	if again := t.repeat(); len(again) > 0 {
		fmt.Fprintf(&b, "\nOnce more\n  %s\n", onOneLine(shellLine(again)))
	}
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("draw the text of the experiment: %w", err)
	}
	return nil
}

// stoppedEarly says what the intervals of gates do not contain.
const stoppedEarly = "An experiment that ends before its last look ends because of what its blocks showed: " +
	"its changes " +
	"are exaggerated on average, and the 95 % intervals contain the true change less often."

// signExplained says what the mark of a figure means, and what it does not.
const signExplained = "  Changes are of slices that follow each other: they need not be head / base.\n" +
	"  * the 95 % interval of this figure alone does not include 0; of twenty figures without a change, one is " +
	"marked as a rule. Gates decide, not marks."

func trialGatesText(t trial) string {
	table := textTable{left: 3, rows: [][]string{{
		"verdict", "figure", "gate", "base", "head", "change", "95 % interval", "noise", "can find",
	}}}
	for _, g := range t.gateRows() {
		decision := string(g.Decision)
		if t.Outcome == results.Invalid {
			decision = none
		}
		table.add(decision, g.Metric, g.Source, g.Base, g.Head, g.Change, g.Interval, g.Noise, g.Smallest)
	}
	return table.String()
}

// marked is a change with an asterisk where its interval does not include 0.
func marked(row changeRow) string {
	if row.Sign == "" {
		return row.Change + "  "
	}
	return row.Change + " *"
}

func changeRowsText(rows []changeRow) string {
	table := textTable{left: 1, rows: [][]string{{"figure", "base", "head", "change  ", "95 % interval", "noise"}}}
	for _, row := range rows {
		table.add(row.Name, row.Base, row.Head, marked(row), row.Interval, row.Noise)
	}
	return table.String()
}

// trialRequestsText has a row for each percentile of each request, and one for those that failed.
func trialRequestsText(t trial) (string, error) {
	requests := t.requests()
	if len(requests) == 0 {
		return "", nil
	}
	base, err := t.overall(experiment.Base)
	if err != nil {
		return "", err
	}
	head, err := t.overall(experiment.Head)
	if err != nil {
		return "", err
	}
	scenarios := map[string]bool{}
	for _, r := range requests {
		scenarios[r.Scenario] = true
	}
	table := textTable{left: 2, rows: [][]string{{
		"request", "", "base", "head", "change  ", "95 % interval", "noise",
	}}}
	add := func(name string, base, head results.ArmRequests, rows []changeRow) {
		for _, row := range rows {
			table.add(name, row.Name, row.Base, row.Head, marked(row), row.Interval, row.Noise)
			name = ""
		}
		table.add(name, "failed", failedShare(base), failedShare(head), "", "", "")
	}
	for _, r := range requests {
		name := r.Name
		if len(scenarios) > 1 {
			name = r.Scenario + ", " + name
		}
		add(name, r.Base, r.Head, r.Rows)
	}
	if len(requests) > 1 {
		add("all", base, head, t.durations(nil))
	}
	text := table.String()
	text += fmt.Sprintf("  requests: %s of the base, %s of the head\n", count(base.Requests), count(head.Requests))
	return text, nil
}

// looksText is "8, 12, 16".
func looksText(looks []int) string {
	texts := make([]string, 0, len(looks))
	for _, n := range slices.Sorted(slices.Values(looks)) {
		texts = append(texts, strconv.Itoa(n))
	}
	return shortList(texts, len(texts))
}
