package reports

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/experiment"
)

// RunMarkdown writes the verdict, the gates and the requests of a run as Markdown for the summary of a CI job. Text
// from the service or the scenario file is escaped.
func RunMarkdown(w io.Writer, r *results.Run) error {
	d, err := newDigest(r)
	if err != nil {
		return fmt.Errorf("write the run as Markdown: %w", err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "### %s: %s\n\n%s\n", r.Verdict.Outcome, plainMarkdown(r.Name), plainMarkdown(headline(r.Verdict)))
	listMarkdown(&b, "", reasons(r.Verdict))
	listMarkdown(&b, "Why requests failed", d.Causes())
	listMarkdown(&b, "Warnings", d.Notes())
	if len(r.Verdict.Gates) > 0 {
		t := markdownTable{left: 3, heading: []string{
			"verdict", "metric", "gate", "measured", "95 % interval", "margin", "samples",
		}}
		for _, g := range worstFirst(r.Verdict.Gates) {
			t.add(gateWord(g), g.Metric, g.Expression+within(": ", g), gateActual(g), gateInterval(g), gateMargin(g),
				count(g.Samples))
		}
		b.WriteString("\n" + t.String())
	}
	for _, one := range d.Besides() {
		var facts []string
		for _, f := range one.Facts {
			facts = append(facts, f.Text)
		}
		listMarkdown(&b, "At the same time as "+plainMarkdown(one.Gate), facts)
	}
	t := markdownTable{left: 2, heading: []string{
		"scenario", "request", "requests", "rate", "failed", "P50, ms", "P95, ms", "P99, ms",
	}}
	for _, s := range d.Scenarios {
		for _, q := range s.Requests {
			t.add(s.Name, q.Name, count(q.Summary.Requests), rate(q.Summary.Rate()), failedPercent(q.Summary),
				percentileOf(q.Summary.Response, 50), percentileOf(q.Summary.Response, 95),
				percentileOf(q.Summary.Response, 99))
		}
	}
	if !d.OnlyStreams() {
		b.WriteString("\n" + t.String())
	}
	if len(d.Streams) > 0 {
		b.WriteString("\n" + streamsMarkdown(d.Streams))
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write the run as Markdown: %w", err)
	}
	return nil
}

// worstFirst are the gates with those first that did not hold, and among the others those with the least margin.
func worstFirst(gates []results.Gate) []results.Gate {
	rank := func(g results.Gate) int {
		return slices.Index([]string{"crossed", "unresolved", "unreached", "held"}, gateClass(g))
	}
	sorted := slices.Clone(gates)
	slices.SortStableFunc(sorted, func(a, b results.Gate) int {
		if by := rank(a) - rank(b); by != 0 || !a.HasMargin() || !b.HasMargin() {
			return by
		}
		return cmp.Compare(a.Margin, b.Margin)
	})
	return sorted
}

// ExperimentMarkdown writes the outcome of an experiment as Markdown for the summary of a CI job: the gates, the worst
// first, then the figures that were not gated.
func ExperimentMarkdown(w io.Writer, e *results.Experiment) error {
	var b strings.Builder
	x := newTrial(e)
	fmt.Fprintf(&b, "### %s: %s\n\n%s\n\nBase %s, head %s: %s.\n", e.Outcome, plainMarkdown(e.Name),
		plainMarkdown(x.headline()), plainMarkdown(e.Base.Label), plainMarkdown(e.Head.Label), x.progress())
	listMarkdown(&b, "", x.reasonsOf())
	listMarkdown(&b, "Warnings", e.Warnings)
	if len(e.Gates) > 0 {
		t := markdownTable{left: 2, heading: []string{
			"verdict", "gate", "base", "head", "change", "95 % interval", "smallest change that would be found",
			"noise",
		}}
		for _, gate := range worstGates(e.Gates) {
			g := x.gateRow(gate)
			t.add(string(g.Decision), g.Metric+" "+g.Source, g.Base, g.Head, g.Change, g.Interval, g.Smallest, g.Noise)
		}
		b.WriteString("\n" + t.String())
	}
	t := markdownTable{left: 1, heading: []string{"not gated", "base", "head", "change", "95 % interval", "noise"}}
	for i := range e.Figures {
		f := &e.Figures[i]
		if !slices.ContainsFunc(e.Gates, func(g results.ExperimentGate) bool { return g.Figure == f.Figure }) {
			row := newChangeRow(f.Figure, f)
			t.add(row.Name, row.Base, row.Head, row.Change, row.Interval, row.Noise)
		}
	}
	if len(t.rows) > 0 {
		b.WriteString("\n" + t.String())
	}
	b.WriteString("\nNoise is the standard deviation of one block. An interval is that of a single figure, " +
		"looked at once: of twenty figures that did not change, about one lies outside of its interval. " +
		stoppedEarly + "\n")
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write the experiment as Markdown: %w", err)
	}
	return nil
}

// worstGates are the gates of an experiment, failed ones first, then undecided ones; among equals the greatest change
// for the worse first.
func worstGates(gates []results.ExperimentGate) []results.ExperimentGate {
	rank := func(g results.ExperimentGate) int {
		return slices.Index([]experiment.Decision{
			experiment.Failed, experiment.Unresolved, experiment.Undecided, experiment.Passed,
		}, g.Decision)
	}
	sorted := slices.Clone(gates)
	slices.SortStableFunc(sorted, func(a, b results.ExperimentGate) int {
		if by := rank(a) - rank(b); by != 0 {
			return by
		}
		return cmp.Compare(worsening(b), worsening(a))
	})
	return sorted
}

// listMarkdown writes a list, with a title where there is one; nothing for an empty one.
func listMarkdown(b *strings.Builder, title string, items []string) {
	if len(items) == 0 {
		return
	}
	if title != "" {
		fmt.Fprintf(b, "\n%s:\n", title)
	}
	b.WriteString("\n")
	for _, item := range items {
		fmt.Fprintf(b, "- %s\n", plainMarkdown(item))
	}
}

// plainMarkdown is a text that Markdown shows as it is, on one line.
func plainMarkdown(text string) string { return escapeMarkdown.Replace(onOneLine(text)) }

var escapeMarkdown = strings.NewReplacer(`\`, `\\`, "|", `\|`, "`", "\\`", "*", `\*`, "[", `\[`, "]", `\]`,
	"&", "&amp;", "<", "&lt;", ">", "&gt;", "#", `\#`, "~", `\~`, "@", "@&#8203;")

// markdownTable is a table whose first columns (left is their number) hold words and whose other columns hold numbers.
type markdownTable struct {
	left    int
	heading []string
	rows    [][]string
}

func (t *markdownTable) add(cells ...string) { t.rows = append(t.rows, cells) }

func (t *markdownTable) String() string {
	var b strings.Builder
	line := func(cells []string) { b.WriteString("| " + strings.Join(cells, " | ") + " |\n") }
	line(t.heading)
	rule := make([]string, len(t.heading))
	for i := range rule {
		rule[i] = "---"
		if i >= t.left {
			rule[i] = "---:"
		}
	}
	line(rule)
	for _, row := range t.rows {
		escaped := make([]string, len(row))
		for i, cell := range row {
			escaped[i] = plainMarkdown(cell)
		}
		line(escaped)
	}
	return b.String()
}
