package reports

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/policycortex/headroom/results"
)

// writtenTrial is the address of the experiment's report, written as the tool writes it.
func writtenTrial(t *testing.T, e *results.Experiment) string {
	t.Helper()
	dir := t.TempDir()
	if err := WriteExperiment(dir, e); err != nil {
		t.Fatal(err)
	}
	return "file://" + filepath.Join(dir, HTMLFile)
}

func TestExperimentInBrowser(t *testing.T) {
	t.Parallel()
	browser := startBrowser(t)
	t.Run("charts", func(t *testing.T) { trialChartsAreDrawn(t, newTab(t, browser)) })
	t.Run("hostile names", func(t *testing.T) { hostileTrialIsText(t, newTab(t, browser)) })
	t.Run("without JavaScript", func(t *testing.T) { trialIsReadableWithoutScript(t, newTab(t, browser)) })
	t.Run("narrow", func(t *testing.T) { trialFitsNarrowScreens(t, newTab(t, browser)) })
	t.Run("names", func(t *testing.T) { trialIsAccessible(t, newTab(t, browser)) })
}

func trialChartsAreDrawn(t *testing.T, p *tab) {
	url := writtenTrial(t, failedTrial.make(t))
	visit(t, p, url)
	// Each choice of a chart with its number of series. The guard has no chart: nothing changed.
	for id, choices := range map[string][]int{
		"course-0": {7}, "course-1": {7}, "course-2": {7}, "arms-chart": {2, 2, 2, 2}, "ratio-chart": {1},
	} {
		for i, series := range choices {
			if i > 0 {
				eval[chromedp.Void](t, p, fmt.Sprintf(`document.getElementsByName(%q)[%d].click()`, id, i))
			}
			// Blocks are dots: of few pixels, but there.
			seen := eval[drawing](t, p, fmt.Sprintf(seeChart, id))
			if seen.Width < 300 || seen.Height < 200 || seen.Painted < 100 || seen.Series != series {
				t.Errorf("%s, choice %d: saw %+v, want %d series", id, i, seen, series)
			}
		}
	}
	if n := eval[int](t, p, `document.querySelectorAll("#course canvas").length`); n != 3 {
		t.Errorf("%d gates have a chart", n)
	}
	// The ratio is of the request whose curves are shown.
	const ratio = `JSON.stringify(echarts.getInstanceByDom(document.getElementById("ratio-chart")).getOption().series[0].data)`
	shown := map[string]bool{}
	for i := range 4 {
		eval[chromedp.Void](t, p, fmt.Sprintf(`document.getElementsByName("arms-chart")[%d].click()`, i))
		shown[eval[string](t, p, ratio)] = true
	}
	if len(shown) != 4 {
		t.Errorf("4 choices show %d different ratios", len(shown))
	}
	legend := eval[string](t, p,
		`echarts.getInstanceByDom(document.getElementById("course-0")).getOption().legend[0].data.map(d => d.name).join()`)
	if legend != "block,estimate,95 % interval,tolerance,fails from,passes below" {
		t.Errorf("the legend names %q", legend)
	}
	p.quiet(t, url)
}

func hostileTrialIsText(t *testing.T, p *tab) {
	url := writtenTrial(t, hostileExperiment(t))
	visit(t, p, url)
	if eval[bool](t, p, `"executed" in window`) {
		t.Error("a name from the experiment was executed")
	}
	if n := eval[int](t, p, `document.images.length`); n != 0 {
		t.Errorf("names from the experiment made %d images", n)
	}
	if n := eval[int](t, p, `document.scripts.length`); n != 3 {
		t.Errorf("the page has %d scripts, want the data, ECharts and its own", n)
	}
	if body := eval[string](t, p, `document.body.innerText`); strings.Count(body, "<script>window.executed=1") < 30 {
		t.Error("the hostile names are not in the page as text")
	}
	p.quiet(t, url)
}

func trialIsReadableWithoutScript(t *testing.T, p *tab) {
	if _, err := chromedp.Call(p, emulation.SetScriptExecutionDisabled,
		emulation.SetScriptExecutionDisabledParams{Value: true}); err != nil {
		t.Fatal(err)
	}
	url := writtenTrial(t, failedTrial.make(t))
	visit(t, p, url)
	text, err := chromedp.Run(p, chromedp.Text(chromedp.CSS("body")))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"FAIL", "get is slower: p(95) of http_req_duration{name:get} +12.1 % (95 % interval +10.7 to +13.6 %)",
		"✗ crossed", "✓ held", "batch-insert", "2 of 48 pairs of slices do not count",
		"3f2a9c1d0b5e8f7a6c4d3e2f1a0b9c8d7e6f5a4b", "headroom ab scenarios/regression.yaml --base 3f2a9c1d0b5e",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	p.quiet(t, url)
}

func trialFitsNarrowScreens(t *testing.T, p *tab) {
	for name, e := range map[string]*results.Experiment{
		"failed": failedTrial.make(t), "hostile": hostileExperiment(t), "empty": emptyExperiment(t),
	} {
		if err := chromedp.Do(p, chromedp.EmulateViewport(390, 844, chromedp.EmulateMobile)); err != nil {
			t.Fatal(err)
		}
		visit(t, p, writtenTrial(t, e))
		if width := eval[int](t, p, `document.scrollingElement.scrollWidth`); width > 390 {
			t.Errorf("%s: the page is %d pixels wide on a screen of 390", name, width)
		}
		hidden := eval[int](t, p,
			`[...document.querySelectorAll("#gates [data-label]")].filter(c => c.offsetWidth === 0 || c.getBoundingClientRect().right > 390).length`)
		if hidden > 0 {
			t.Errorf("%s: %d figures of gates cannot be seen", name, hidden)
		}
	}
}

// trialIsAccessible holds that headings follow each other, that tables and charts have names, that every link leads
// somewhere, and that what scrolls can be reached by the keyboard.
func trialIsAccessible(t *testing.T, p *tab) {
	visit(t, p, writtenTrial(t, failedTrial.make(t)))
	for what, unnamed := range map[string]string{
		"links that lead nowhere": `[...document.querySelectorAll("nav a")].filter(a => !document.querySelector(a.getAttribute("href")))`,
		"scrolling without name":  `[...document.querySelectorAll(".scroll")].filter(s => s.tabIndex !== 0 || s.getAttribute("role") !== "region" || !(s.getAttribute("aria-label") || document.getElementById(s.getAttribute("aria-labelledby"))))`,
		"charts without name":     `[...document.querySelectorAll(".canvas")].filter(c => c.getAttribute("role") !== "img" || !c.getAttribute("aria-label"))`,
		"headings without scope":  `[...document.querySelectorAll("th")].filter(h => !h.getAttribute("scope"))`,
		"double ids":              `[...document.querySelectorAll("[id]")].filter((e, i, all) => all.findIndex(o => o.id === e.id) !== i)`,
		"skipped headings":        `[...document.querySelectorAll("h1,h2,h3")].filter((h, i, all) => i > 0 && Number(h.tagName[1]) - Number(all[i - 1].tagName[1]) > 1)`,
	} {
		if found := eval[[]string](t, p, unnamed+`.map(e => e.outerHTML.slice(0, 120))`); len(found) > 0 {
			t.Errorf("%s: %q", what, found)
		}
	}
}
