package reports

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/policycortex/headroom/results"
)

const (
	maxCauses = 5   // shown at the head of a report
	maxFirst  = 300 // bytes of the first error of a cause
)

// Causes say why requests failed, the most frequent reason first.
func (d digest) Causes() []string { return whyFailed(&d.Measurements) }

func whyFailed(m *results.Measurements) []string {
	all := m.Causes()
	var lines []string
	for _, c := range all[:min(len(all), maxCauses)] {
		line := causeText(m, c)
		if c.First != "" && c.First != c.Class {
			line += "; first: " + shortened(c.First)
		}
		lines = append(lines, line)
	}
	if rest := all[len(lines):]; len(rest) > 0 {
		var failed int64
		for _, c := range rest {
			failed += c.Count
		}
		lines = append(lines, fmt.Sprintf("%s for %s", Plural(int(failed), "more request"),
			Plural(len(rest), "other reason")))
	}
	return lines
}

// causeText is "status 403 × 500 at login", with the scenario when the run has several.
func causeText(m *results.Measurements, c results.Cause) string {
	text := timesAt(c)
	if len(m.Loads) > 1 {
		text += " of " + c.Scenario
	}
	return text
}

// timesAt is "status 200, expected 201 × 14 at login".
func timesAt(c results.Cause) string {
	class := c.Class
	if c.Expected != "" {
		class += ", expected " + c.Expected
	}
	return fmt.Sprintf("%s × %s at %s", class, count(c.Count), c.Request)
}

// skipTexts list the steps of flows that were not sent, and the failures that ended their flows.
func skipTexts(m *results.Measurements) []string {
	var lines []string
	for _, s := range m.Skips() {
		why := ""
		if len(s.Causes) > 0 {
			var causes []string
			for _, c := range s.Causes[:min(len(s.Causes), maxCauses)] {
				causes = append(causes, timesAt(c))
			}
			why = ": " + strings.Join(causes, ", ")
		}
		lines = append(lines, fmt.Sprintf("%s: step %s was skipped %s because an earlier step of its flow failed%s",
			s.Scenario, s.Step, Plural(int(s.Count), "time"), why))
	}
	return lines
}

// shortened cuts a text of unknown length.
func shortened(text string) string {
	if len(text) <= maxFirst {
		return text
	}
	end := maxFirst
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}
