package reports

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/policycortex/headroom/results"
)

// TestFlowsAreShown: how long whole flows took is in the text and in the page, also of a run that was read again.
func TestFlowsAreShown(t *testing.T) {
	r := sampleRun(t)
	flow := results.NewIterations("warm", "buy")
	flow.Completed, flow.Broken = 2, 1
	flow.Duration.Record(2 * time.Second)
	flow.Duration.Record(2 * time.Second)
	r.Measurements.Iterations = []*results.Iterations{flow}
	r.Measurements.Loads[0].Counted, r.Measurements.Loads[0].Open = true, false
	dir := t.TempDir()
	if err := results.Save(dir, r); err != nil {
		t.Fatal(err)
	}
	back, err := results.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := Text(&text, back); err != nil {
		t.Fatal(err)
	}
	if err := Write(dir, back); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(dir, HTMLFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"buy", "2,00"} {
		_, section, found := strings.Cut(text.String(), "Whole flows")
		if !found || !strings.Contains(section, want) {
			t.Errorf("the text does not have %s of flows:\n%s", want, text.String())
		}
		_, section, found = strings.Cut(string(page), `<section id="flows"`)
		section, _, _ = strings.Cut(section, "</section>")
		if !found || !strings.Contains(section, want) {
			t.Errorf("the page does not have %s of flows:\n%s", want, section)
		}
	}
}
