package reports

import (
	"fmt"

	"github.com/policycortex/headroom/results"
)

// checkRow is one check of one request.
type checkRow struct {
	Scenario, Request string
	results.Check
}

// Checks are all checks of the run, in the order of its requests.
func (d digest) Checks() []checkRow {
	var rows []checkRow
	for _, s := range d.Scenarios {
		for _, q := range s.Requests {
			for _, c := range q.Checks {
				rows = append(rows, checkRow{s.Name, q.Name, c})
			}
		}
	}
	return rows
}

func checksText(rows []checkRow) string {
	t := textTable{left: 3, rows: [][]string{{"scenario", "request", "check", "share", "passed", "failed"}}}
	for _, c := range rows {
		t.add(c.Scenario, c.Request, c.Name, metPercent(c.Check), count(c.Passed), count(c.Failed))
	}
	text := t.String()
	for _, c := range rows {
		if c.Unmet != "" {
			text += fmt.Sprintf("  first failure: %s at %s: %s\n", onOneLine(c.Name), onOneLine(c.Request),
				onOneLine(shortened(c.Unmet)))
		}
	}
	return text
}

// checkProperties are the checks as JUnit properties. They are not test cases because a failed check alone fails
// nothing.
func checkProperties(series []*results.Series) []junitProperty {
	var properties []junitProperty
	for _, s := range series {
		for _, c := range s.Checks {
			value := fmt.Sprintf("%s: %d passed, %d failed", metPercent(c), c.Passed, c.Failed)
			if c.Unmet != "" {
				value += "; first failure: " + shortened(c.Unmet)
			}
			properties = append(properties, junitProperty{"check " + s.Scenario + "/" + s.Name + "/" + c.Name, value})
		}
	}
	return properties
}
