package reports

import (
	_ "embed"
	"fmt"
	"html/template"
	"strings"

	"github.com/policycortex/headroom/results"
)

//go:embed tuning.html.tmpl
var tuningTemplate string

// The section is one of the templates of the page.
var _ = template.Must(parsedPage.New("tuning.html.tmpl").Funcs(template.FuncMap{
	"tuningClass": tuningClass, "tuningCount": tuningCount, "tuningSubject": tuningSubject,
}).Parse(tuningTemplate))

// Tuning is what the reference server changed in its own settings, or advised.
func (d digest) Tuning() []results.TuningAction {
	if d.Evidence == nil {
		return nil
	}
	return d.Evidence.Tuning
}

// tuningClass is the CSS class of an outcome.
func tuningClass(a results.TuningAction) string {
	switch a.Outcome {
	case "kept":
		return "held"
	case "failed":
		return "crossed"
	}
	return "unresolved"
}

// tuningSubject is the name of the statement, or the table, that an action is of; empty for others.
func tuningSubject(a results.TuningAction) string {
	line, _, _ := strings.Cut(a.Subject, "\n")
	return strings.TrimPrefix(line, "-- name: ")
}

// tuningText lists the actions.
func tuningText(actions []results.TuningAction) string {
	t := textTable{left: 4, rows: [][]string{{
		"at s", "knob", "change", "outcome", "figure", "before", "after", "request before", "after",
	}}}
	for _, a := range actions {
		knob := a.Knob
		if subject := tuningSubject(a); subject != "" {
			knob += " of " + subject
		}
		t.add(instant(a.At), onOneLine(knob), onOneLine(a.Text), onOneLine(a.Outcome), onOneLine(a.Figure),
			millisIfAny(a.Before), millisIfAny(a.After), millisIfAny(a.RequestBefore), millisIfAny(a.RequestAfter))
	}
	return t.String()
}

// tuningCount says how the actions came out: "12 changes: 8 kept, 4 reverted".
func tuningCount(actions []results.TuningAction) string {
	n := map[string]int{}
	for _, a := range actions {
		n[a.Outcome]++
	}
	var parts []string
	for _, outcome := range []string{"kept", "reverted", "failed", "undone", "trying", "advised", "adapted"} {
		if n[outcome] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n[outcome], outcome))
			delete(n, outcome)
		}
	}
	return Plural(len(actions), "action") + ": " + strings.Join(parts, ", ")
}
