package reports

import (
	"bytes"
	"strings"
	"testing"

	"github.com/policycortex/headroom/results"
)

// TestPagesAreTold: a run whose pages a browser loaded has a row for each, and another run has none.
func TestPagesAreTold(t *testing.T) {
	run := sampleRun(t)
	told := func() (text, html string) {
		t.Helper()
		var a, b bytes.Buffer
		if err := Text(&a, run); err != nil {
			t.Fatal(err)
		}
		if err := HTML(&b, run); err != nil {
			t.Fatal(err)
		}
		return a.String(), b.String()
	}
	const title = "Pages in the browser"
	if text, html := told(); strings.Contains(text, title) || strings.Contains(html, title) {
		t.Error("a run without pages has a table of them")
	}
	home := &results.Pages{Scenario: "visitors", Name: "home <b>"}
	for _, fcp := range []float64{800, 900, 1000, 1100} {
		home.Loads = append(home.Loads, results.PageLoad{
			TTFB: fcp / 4, FCP: &fcp, LCP: new(fcp + 50), Load: 2 * fcp, CLS: 0.0625, Bytes: 12_300, Requests: 7,
		})
	}
	home.Pictures = []results.Picture{{At: 640, JPEG: []byte("<jpeg>")}}
	run.Measurements.Pages = []*results.Pages{home, {Scenario: "visitors", Name: "never"}}
	text, html := told()
	for _, want := range []string{
		title, "visitors  home <b>      4   250  1,000  1,050  2,000    –  0.062  12.3 kB         7",
		"visitors  never         0     –      –      –      –    –      –        –         –",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the text lacks %q:\n%s", want, text[strings.Index(text, title):])
		}
	}
	row := `<th scope="row">home &lt;b&gt;</th><td class="n">4</td><td class="n">250</td><td class="n">1,000</td>`
	film := `<img src="data:image/jpeg;base64,PGpwZWc&#43;" alt="home &lt;b&gt; after 640 ms">640 ms`
	for _, want := range []string{row, film} {
		if !strings.Contains(html, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if n := strings.Count(html, `<ol class="film">`); n != 1 {
		t.Errorf("%d pages have pictures, want one", n)
	}
}
