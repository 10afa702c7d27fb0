package reports

import (
	"bytes"
	"strings"
	"testing"
)

// TestEnginesOfScenarios: a report names the engine of each scenario where they differ, and only there.
func TestEnginesOfScenarios(t *testing.T) {
	draw := func(engines ...string) (text, page, summary string) {
		t.Helper()
		run := sampleRun(t)
		for i, engine := range engines {
			run.Measurements.Loads[i].Engine = engine
		}
		var b, h, j bytes.Buffer
		if err := Text(&b, run); err != nil {
			t.Fatal(err)
		}
		if err := HTML(&h, run); err != nil {
			t.Fatal(err)
		}
		if err := SummaryJSON(&j, run); err != nil {
			t.Fatal(err)
		}
		return b.String(), h.String(), j.String()
	}
	text, page, summary := draw("wire (epoll)", "vegeta v12")
	if !strings.Contains(text, "  sent by wire (epoll): warm\n  sent by vegeta v12: cold\n") {
		t.Errorf("the text has\n%s", text)
	}
	if !strings.Contains(page, "independent clients") || !strings.Contains(summary, `"engine": "vegeta v12"`) {
		t.Error("the page or the summary does not name the engines")
	}
	text, page, summary = draw()
	if strings.Contains(text, "sent by") || strings.Contains(page, "independent clients") ||
		strings.Contains(summary, `"engine": "`) {
		t.Error("a run with one engine names engines of scenarios")
	}
}
