package reports

import (
	"encoding/xml"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/policycortex/headroom/results"
)

// TestWhyRequestsFailed: every report says so at its head, the most frequent reason first, and of many the first few.
func TestWhyRequestsFailed(t *testing.T) {
	r := passedRun(t)
	s := r.Measurements.Series[0]
	s.Failed = 515
	s.Errors = map[string]int64{"TLS": 500}
	s.ErrorSamples = map[string]string{
		"TLS":        "x509: certificate signed by unknown authority",
		"status 500": "500: \x1b[31m" + strings.Repeat("long ", 200),
	}
	for i := range 5 {
		s.Errors[fmt.Sprintf("status %d", 500+i)] = int64(5 - i)
	}
	first := "TLS × 500 at get-resource; first: x509: certificate signed by unknown authority"
	lines := whyFailed(&r.Measurements)
	if len(lines) != maxCauses+1 || lines[0] != first || lines[maxCauses] != "1 more request for 1 other reason" ||
		len(lines[1]) > 2*maxFirst {
		t.Errorf("%q", lines)
	}
	if text := string(draw(t, ".txt", r)); !strings.Contains(text,
		"\n  failed: "+first+"\n  failed: status 500 × 5 at get-resource; first: 500: �[31mlong") {
		t.Errorf("the text does not say why:\n%.1500s", text)
	}
	page := string(draw(t, ".html", r))
	if head, _, _ := strings.Cut(page, "</header>"); !strings.Contains(head, "<li>"+first+"</li>") {
		t.Error("the head of the page does not say why")
	}
	var doc junitSuites
	if err := xml.Unmarshal(draw(t, ".xml", r), &doc); err != nil || !strings.Contains(doc.Suites[0].Stderr, first) {
		t.Errorf("junit.xml does not say why: %q, %v", doc.Suites[0].Stderr, err)
	}
	r.Verdict.Gates[0].Passed, r.Verdict.Outcome, doc = false, results.Fail, junitSuites{}
	if err := xml.Unmarshal(draw(t, ".xml", r), &doc); err != nil ||
		!slices.ContainsFunc(doc.Suites[0].Cases,
			func(c junitCase) bool { return c.Failure != nil && strings.Contains(c.Failure.Text, first) }) {
		t.Errorf("no failed case of junit.xml says why: %v", err)
	}
}

// TestCauseSaysWhatWasExpected: a status that is a success elsewhere is no cause without the one that was asked for,
// and the first of a class is not told where it only repeats it.
func TestCauseSaysWhatWasExpected(t *testing.T) {
	r := passedRun(t)
	s := r.Measurements.Series[0]
	closed := "connection closed before the answer ended"
	s.Expected, s.Failed = "201", 17
	s.Errors, s.ErrorSamples = map[string]int64{"status 200": 14, closed: 3}, map[string]string{closed: closed}
	want := []string{"status 200, expected 201 × 14 at get-resource", closed + " × 3 at get-resource"}
	if lines := whyFailed(&r.Measurements); !slices.Equal(lines, want) {
		t.Errorf("%q, want %q", lines, want)
	}
	for _, format := range []string{".txt", ".html", ".xml"} {
		if drawn := string(draw(t, format, r)); !strings.Contains(drawn, want[0]) {
			t.Errorf("%s does not say what was expected", format)
		}
	}
}
