package reports

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/capacity"
)

func drawCapacity(t testing.TB, draw func(io.Writer, *results.Capacity) error, c *results.Capacity) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := draw(&b, c); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestCapacityGolden(t *testing.T) {
	for name, sample := range sampleCapacities {
		for kind, draw := range map[string]func(io.Writer, *results.Capacity) error{
			".txt": CapacityText, ".xml": CapacityJUnit, ".md": CapacityMarkdown,
		} {
			t.Run(name+kind, func(t *testing.T) {
				holdGolden(t, "capacity-"+name+kind, drawCapacity(t, draw, sample()))
			})
		}
	}
}

// TestCapacityHostile: what texts of a capacity hold is text.
func TestCapacityHostile(t *testing.T) {
	c := hostileCapacity(t)
	text := drawCapacity(t, CapacityText, c)
	for _, line := range strings.Split(string(text), "\n") {
		if strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) && r != ' ' }) {
			t.Errorf("%q would control a terminal", line)
		}
	}
	if err := xml.Unmarshal(drawCapacity(t, CapacityJUnit, foundCapacity()), new(struct{})); err != nil {
		t.Error(err)
	}
}

// TestTrialText holds the lines that are shown while a search goes on.
func TestTrialText(t *testing.T) {
	c := foundCapacity()
	for i, want := range map[int]string{
		1: "4,200/s, P95 4.20 ms, good",
		2: "6,100/s, P95 180 ms, bad: http_req_duration: p(95)<50 (180 ms)",
		5: "5,900/s, P95 90.0 ms, does not count: other virtual machines took 4.1 % of this machine's CPU time (the " +
			"limit is 2 %)",
	} {
		if got := TrialText(c.Trials[i]); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := TrialText(c.Bracket[0]); got != "2,200/s, P95 3.00 ms" {
		t.Errorf("%q", got)
	}
}

// writtenCapacity is the address of the capacity's report, written as the tool writes it.
func writtenCapacity(t *testing.T, c *results.Capacity) string {
	t.Helper()
	dir := t.TempDir()
	if err := WriteCapacity(dir, c); err != nil {
		t.Fatal(err)
	}
	return "file://" + filepath.Join(dir, HTMLFile)
}

func TestCapacityInBrowser(t *testing.T) {
	browser := startBrowser(t)
	t.Run("charts", func(t *testing.T) { capacityChartsAreDrawn(t, newTab(t, browser)) })
	t.Run("hostile names", func(t *testing.T) { hostileCapacityIsText(t, newTab(t, browser)) })
	t.Run("without JavaScript", func(t *testing.T) { capacityIsReadableWithoutScript(t, newTab(t, browser)) })
	t.Run("narrow", func(t *testing.T) { capacityFitsNarrowScreens(t, newTab(t, browser)) })
}

func capacityChartsAreDrawn(t *testing.T, p *tab) {
	url := writtenCapacity(t, instancesCapacity())
	visit(t, p, url)
	for id, series := range map[string]int{
		"trials-chart": 5, "posterior-chart": 2, "law-chart": 4, "instances-chart": 4, "goodput-chart": 4,
		"beyond-chart":    3,
		"resources-chart": 6,
	} {
		seen := eval[drawing](t, p, fmt.Sprintf(seeChart, id))
		if seen.Width < 300 || seen.Height < 200 || seen.Painted < 100 || seen.Series != series {
			t.Errorf("%s: saw %+v, want %d series", id, seen, series)
		}
	}
	const marks = `echarts.getInstanceByDom(document.getElementById(%q)).getOption().series.
		flatMap(s => s.markLine ? s.markLine.data : []).map(m => m.name + " " + m.xAxis)`
	for id, want := range map[string]string{
		"goodput-chart": "recovered 13", "beyond-chart": "recovered 13", "resources-chart": "knee 4210",
	} {
		if got := eval[[]string](t, p, fmt.Sprintf(marks, id)); len(got) != 1 || got[0] != want {
			t.Errorf("%s: marks %q, want %q", id, got, want)
		}
	}
	p.quiet(t, url)
}

// TestCapacityShowsWhatTrialsUsed: the page has all that was seen beside a trial, and a dash for what nobody told.
func TestCapacityShowsWhatTrialsUsed(t *testing.T) {
	row := func(c *results.Capacity) string {
		page := string(drawCapacity(t, CapacityHTML, c))
		_, after, _ := strings.Cut(page, "<tr><td>soak</td>")
		line, _, _ := strings.Cut(after, "\n")
		return strings.Join(strings.Fields(regexp.MustCompile("<[^>]*>").ReplaceAllString(line, " ")), " ")
	}
	// rate, in flight; cores of generator, system, server, garbage collection; paused; cores of others; waiting; pool
	// waits and their mean; database, hit ratio
	const want = "5,400/s 29.7 0.300 0.771 0.675 0.090 0.07 % 0.050 12 % 2 % 0.800 1.70 96.2 %"
	if got := row(foundCapacity()); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := row(requiredCapacity()); got != "5,400/s 29.7 0.300 – – – – – – – – – –" {
		t.Errorf("of another service: %q", got)
	}
}

func hostileCapacityIsText(t *testing.T, p *tab) {
	url := writtenCapacity(t, hostileCapacity(t))
	visit(t, p, url)
	if eval[bool](t, p, `"executed" in window`) {
		t.Error("a name from the capacity was executed")
	}
	if n := eval[int](t, p, `document.images.length`); n != 0 {
		t.Errorf("names from the capacity made %d images", n)
	}
	if n := eval[int](t, p, `document.scripts.length`); n != 3 {
		t.Errorf("the page has %d scripts, want the data, ECharts and its own", n)
	}
	p.quiet(t, url)
}

func capacityIsReadableWithoutScript(t *testing.T, p *tab) {
	if _, err := chromedp.Call(p, emulation.SetScriptExecutionDisabled,
		emulation.SetScriptExecutionDisabledParams{Value: true}); err != nil {
		t.Fatal(err)
	}
	url := writtenCapacity(t, foundCapacity())
	visit(t, p, url)
	text, err := chromedp.Run(p, chromedp.Text(chromedp.CSS("body")))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"PASS", "the capacity is 5,620/s (95 % interval 5,400/s to 5,910/s), with http_req_duration: p(95)<50",
		"CPU of the machine", "✗ bad", "✓ good", "– does not count", "20,000/s", "6 to 8",
		"headroom capacity shop.yaml",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	p.quiet(t, url)
}

func capacityFitsNarrowScreens(t *testing.T, p *tab) {
	for name, sample := range sampleCapacities {
		if err := chromedp.Do(p, chromedp.EmulateViewport(390, 844, chromedp.EmulateMobile)); err != nil {
			t.Fatal(err)
		}
		visit(t, p, writtenCapacity(t, sample()))
		if width := eval[int](t, p, `document.scrollingElement.scrollWidth`); width > 390 {
			t.Errorf("%s: the page is %d pixels wide on a screen of 390", name, width)
		}
		for what, unnamed := range map[string]string{
			"links that lead nowhere": `[...document.querySelectorAll("nav a")].filter(a => !document.querySelector(a.getAttribute("href")))`,
			"headings without scope":  `[...document.querySelectorAll("th")].filter(h => !h.getAttribute("scope"))`,
			"double ids":              `[...document.querySelectorAll("[id]")].filter((e, i, all) => all.findIndex(o => o.id === e.id) !== i)`,
		} {
			if found := eval[[]string](t, p, unnamed+`.map(e => e.outerHTML.slice(0, 120))`); len(found) > 0 {
				t.Errorf("%s: %s: %q", name, what, found)
			}
		}
	}
}

// TestCapacityFigures: with flows, the capacity is exported in requests per second as well, as the goodput is.
func TestCapacityFigures(t *testing.T) {
	for rpi, want := range map[float64]string{
		1: "capacity 5620 5400 5910, capacity_knee 4210, capacity_goodput_beyond 2740",
		2.5: "capacity 5620 5400 5910, capacity_requests 14050 13500 14775, capacity_knee 4210, " +
			"capacity_goodput_beyond 2740",
	} {
		c := foundCapacity()
		c.RequestsPerIteration = rpi
		var got []string
		for _, f := range CapacityFigures(c) {
			text := fmt.Sprintf("%s %v", f.Metric, f.Value)
			if f.Low != nil {
				text += fmt.Sprintf(" %v %v", *f.Low, *f.High)
			}
			got = append(got, text)
		}
		if joined := strings.Join(got, ", "); joined != want {
			t.Errorf("%s, want %s", joined, want)
		}
	}
}

// TestHiccups: bad trials below the lower end are told, and only those that count.
func TestHiccups(t *testing.T) {
	c := foundCapacity()
	if got := (ceiling{c}).hiccupsText(); got != "" {
		t.Errorf("%q", got)
	}
	c.Trials[1].Bad = true // at 4,200/s
	if got := (ceiling{c}).hiccupsText(); !strings.HasPrefix(got, "1 of 2 trials below the lower end, by chance ") {
		t.Errorf("%q", got)
	}
	c.Trials[1].Veto = "a neighbour"
	if got := (ceiling{c}).hiccupsText(); got != "" {
		t.Errorf("%q", got)
	}
}

// TestLawChartSamples: the chart of the law has the dots that it was fitted to: good answers of stretches that count.
func TestLawChartSamples(t *testing.T) {
	steps := trialRows([]results.CapacityTrial{
		{Instances: 1, Users: 4, Achieved: 100, Requests: 100, Failed: 10},
		{Instances: 2, Users: 8, Achieved: 180, Requests: 100, Veto: "a neighbour"},
	})
	part := scalingPart{Steps: steps, OverInstances: true}
	if got := part.samples(); len(got) != 1 || got[0] != (capacity.Sample{N: 1, X: 90}) {
		t.Errorf("%+v", got)
	}
	fitted := []capacity.Sample{{N: 3, X: 250}}
	part.Law = &results.LawRecord{Samples: fitted}
	if got := part.samples(); !slices.Equal(got, fitted) {
		t.Errorf("%+v", got)
	}
}

// TestResourcesElsewhere: the CPU of the generator's machine is not that of a service elsewhere.
func TestResourcesElsewhere(t *testing.T) {
	for processes, want := range map[results.Processes]string{
		results.ProcessesChildren: "CPU of the machine", results.ProcessesElsewhere: "CPU of the generator's machine",
	} {
		c := foundCapacity()
		c.Processes = processes
		drawn := fmt.Sprintf("%+v", ceiling{c}.resourceChart())
		if !strings.Contains(drawn, want) {
			t.Errorf("%s: no %q", processes, want)
		}
	}
}
