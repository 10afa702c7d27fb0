package reports

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/policycortex/headroom/reports/export"
	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/judge"
)

// comparedSample are so many runs on each side, in turns, of which the head's get-resource is slower and its
// list-resources fails more often. The last one has a hostile name.
func comparedSample(t *testing.T, runs int) *judge.Comparison {
	t.Helper()
	var base, head []judge.NamedRun
	for i := range runs {
		at := time.Date(2026, 11, 23, 21, 4*i, 0, 0, time.UTC)
		wobble := 1 + 0.01*float64(i%3)
		b := comparedRun(t, uint64(10+i), 0.9*wobble, 0, comparedScenario)
		h := comparedRun(t, uint64(30+i), 1.3*wobble, 190+int64(i), comparedScenario)
		b.Measurements.Started, h.Measurements.Started = at, at.Add(2*time.Minute)
		h.Tool.Version = "v0.2.0"
		base = append(base, judge.NamedRun{Name: fmt.Sprintf("results/base/%d", i+1), Run: b})
		head = append(head, judge.NamedRun{Name: fmt.Sprintf("results/head/%d", i+1), Run: h})
	}
	head[runs-1].Name = hostile
	return compareRuns(t, base, head)
}

func compareRuns(t *testing.T, base, head []judge.NamedRun) *judge.Comparison {
	t.Helper()
	c, err := judge.CompareRuns(base, head, judge.DefaultRule)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// comparisonDrawers are all drawings of a comparison, by the extension of their golden files.
var comparisonDrawers = map[string]func(io.Writer, *judge.Comparison) error{
	"txt": ComparisonText, "json": ComparisonJSON, "xml": ComparisonJUnit, "md": ComparisonMarkdown,
	"html": ComparisonHTML,
}

func drawComparison(t *testing.T, kind string, c *judge.Comparison) string {
	t.Helper()
	var b bytes.Buffer
	if err := comparisonDrawers[kind](&b, c); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestComparison holds a comparison of six runs with six, in all formats.
func TestComparison(t *testing.T) {
	c := comparedSample(t, 6)
	for _, kind := range []string{"txt", "json", "xml", "md"} {
		holdGolden(t, "comparison."+kind, []byte(drawComparison(t, kind, c)))
	}
	page := drawComparison(t, "html", c)
	for _, want := range []string{
		"<strong>FAIL</strong>", "duration{<wbr>name:get-resource}", "p(95)&lt;2", `<circle class="base"`,
		"default-src &#39;none&#39;", "the version of headroom differs", "results/base/1",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("no %s in the page", want)
		}
	}
	for _, never := range []string{"<script", "<img src=x", "ZgotmplZ"} {
		if strings.Contains(page, never) {
			t.Errorf("%s is in the page", never)
		}
	}
}

// TestComparisonOfFewRuns: what cannot be found is said in every format, and is an error in JUnit, where a skipped case
// alone would look like success.
func TestComparisonOfFewRuns(t *testing.T) {
	c := comparedSample(t, 2)
	for kind := range comparisonDrawers {
		text := drawComparison(t, kind, c)
		if !strings.Contains(text, "With 2 and 2 runs nothing can be called worse at an alpha of 1 %") ||
			!strings.Contains(text, "at least 6 runs on each side") {
			t.Errorf("%s: %s", kind, text)
		}
	}
	var doc junitSuites
	if err := xml.Unmarshal([]byte(drawComparison(t, "xml", c)), &doc); err != nil || doc.Errors != 1 ||
		doc.Failures != 0 {
		t.Errorf("%+v, %v", doc.junitCounts, err)
	}
	if all := ComparisonAnnotations(c); len(all) == 0 || all[0].Level != export.Error {
		t.Errorf("%+v", all)
	}
}

// TestComparisonOfInvalidRuns: of an invalid run nothing is judged in any format.
func TestComparisonOfInvalidRuns(t *testing.T) {
	sample := comparedSample(t, 2)
	sample.Head[0].Verdict.Outcome, sample.Head[0].Verdict.Invalid = results.Invalid, []string{"starved"}
	c := compareRuns(t, sample.Base, sample.Head)
	for kind := range comparisonDrawers {
		text := drawComparison(t, kind, c)
		if !strings.Contains(text, "results/head/1 is INVALID: starved") || strings.Contains(text, ">worse<") ||
			strings.Contains(text, `"verdict": "worse"`) {
			t.Errorf("%s: %s", kind, text)
		}
	}
	if figures := ComparisonFigures(c); len(figures) != 0 {
		t.Errorf("%+v", figures)
	}
}

// TestComparisonExports: the figures of a comparison are those of the head, with the changes; those of each run are for
// benchstat. All can be written in every format.
func TestComparisonExports(t *testing.T) {
	c := comparedSample(t, 6)
	figures := ComparisonFigures(c)
	names := map[string]export.Figure{}
	for _, f := range figures {
		names[f.Name()] = f
	}
	value, change := names["http_req_duration{name:get-resource} p(95)"],
		names["http_req_duration_change{name:get-resource} p(95)"]
	if len(names) != len(figures) || value.Unit != "ms" || value.Value < 5 || change.Value < 0.4 ||
		change.Value > 0.5 || change.Unit != "" || change.Low == nil || *change.Low > change.Value {
		t.Errorf("%+v and %+v of %d", value, change, len(figures))
	}
	for _, head := range []bool{false, true} {
		runs := ComparedRuns(c, head)
		if len(runs) != 6 || len(runs[0]) != len(figures)/2 {
			t.Errorf("%d runs", len(runs))
		}
		if err := errors.Join(export.OpenMetrics(io.Discard, figures), export.Bencher(io.Discard, figures),
			export.Benchstat(io.Discard, nil, runs)); err != nil {
			t.Error(err)
		}
	}
	dir := t.TempDir()
	if err := WriteComparison(dir, c); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{ComparisonHTMLFile, ComparisonJSONFile, JUnitFile} {
		content, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil || bytes.ContainsAny(content, "\x00\x1b") || !bytes.Contains(content, []byte("get-resource")) {
			t.Errorf("%s: %v\n%s", file, err, content)
		}
	}
}
