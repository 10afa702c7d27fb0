package reports

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// TestInstances: where instances were told apart, every report has what each of them answered.
func TestInstances(t *testing.T) {
	r := sampleRun(t)
	var page, text, summary bytes.Buffer
	draw := func() {
		t.Helper()
		for buffer, err := range map[*bytes.Buffer]error{
			&page: HTML(&page, r), &text: Text(&text, r), &summary: SummaryJSON(&summary, r),
		} {
			if err != nil || buffer.Len() == 0 {
				t.Fatal(err)
			}
		}
	}
	draw()
	for _, part := range []string{`id="instances"`, "\nInstances", "by_instance"} {
		if strings.Contains(page.String()+text.String()+summary.String(), part) {
			t.Errorf("%s is there although nobody told instances apart", part)
		}
	}
	page.Reset()
	text.Reset()
	summary.Reset()
	warm := r.Measurements.Series[:3] // the third has none
	warm[0].Instance, warm[1].Instance = 1, 3
	draw()
	for _, want := range []string{`id="instances"`, `<th scope="row">unknown</th><td class="n">500</td>`} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("the page has no %s", want)
		}
	}
	_, table, _ := strings.Cut(text.String(), "\nInstances (response time in ms)\n")
	table, _, _ = strings.Cut(table, "\n\n")
	var rows []string
	for line := range strings.Lines(table) {
		rows = append(rows, strings.Join(strings.Fields(line)[:3], " "))
	}
	want := "scenario instance requests, warm unknown 500, warm 1 7,000, warm 2 0, warm 3 2,500"
	if got := strings.Join(rows, ", "); got != want {
		t.Errorf("the text has %s, want %s", got, want)
	}
	var s struct {
		Scenarios []struct {
			Name       string
			ByInstance []struct{ Instance, Requests int } `json:"by_instance"`
		}
	}
	if err := json.Unmarshal(summary.Bytes(), &s); err != nil {
		t.Fatal(err)
	}
	if by := s.Scenarios[0].ByInstance; len(by) != 4 || by[3].Instance != 3 || by[3].Requests != 2500 ||
		len(s.Scenarios[1].ByInstance) != 0 {
		t.Errorf("the summary has %+v", s.Scenarios)
	}
}
