package reports

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/policycortex/headroom/results"
)

// drawing is what can be seen of a chart.
type drawing struct {
	Width, Height, Series int
	Painted               int // pixels in the colour of its first series
}

// seeChart makes the chart draw what is due and counts what is on its canvas.
const seeChart = `(id => {
	const copy = canvas => { // reading the chart's own canvas twice would make the browser complain
		const context = Object.assign(document.createElement("canvas"), {width: canvas.width, height: canvas.height}).getContext("2d", {willReadFrequently: true});
		context.drawImage(canvas, 0, 0);
		return context;
	};
	const element = document.getElementById(id), chart = echarts.getInstanceByDom(element), option = chart.getOption();
	chart.getZr().flush();
	const canvas = element.querySelector("canvas"), seen = {Width: canvas.width, Height: canvas.height, Series: option.series.length, Painted: 0};
	const color = parseInt(option.series[0].itemStyle.color.slice(1), 16);
	const pixels = copy(canvas).getImageData(0, 0, canvas.width, canvas.height).data;
	for (let i = 0; i < pixels.length; i += 4) {
		if (pixels[i + 3] && (pixels[i] << 16 | pixels[i + 1] << 8 | pixels[i + 2]) === color) seen.Painted++;
	}
	return seen;
})(%q)`

func TestReportInBrowser(t *testing.T) {
	t.Parallel()
	browser := startBrowser(t)
	t.Run("charts", func(t *testing.T) { chartsAreDrawn(t, newTab(t, browser)) })
	t.Run("marks", func(t *testing.T) { faultsAreMarked(t, newTab(t, browser)) })
	t.Run("hostile names", func(t *testing.T) { hostileNamesAreText(t, newTab(t, browser)) })
	t.Run("dark", func(t *testing.T) { chartsFollowTheColourScheme(t, newTab(t, browser)) })
	t.Run("resized", func(t *testing.T) { chartsFollowTheWindow(t, newTab(t, browser)) })
	t.Run("without JavaScript", func(t *testing.T) { readableWithoutScript(t, newTab(t, browser)) })
	t.Run("under Jenkins' policy", func(t *testing.T) { readableInJenkins(t, newTab(t, browser)) })
	t.Run("shards", func(t *testing.T) { shardsAreTold(t, newTab(t, browser)) })
	t.Run("outcomes", func(t *testing.T) { outcomesDiffer(t, newTab(t, browser)) })
	t.Run("narrow", func(t *testing.T) { fitsNarrowScreens(t, newTab(t, browser)) })
	t.Run("many scenarios", func(t *testing.T) { manyScenariosAreReadable(t, newTab(t, browser)) })
	t.Run("numbers", func(t *testing.T) { numbersAreWhole(t, newTab(t, browser)) })
	t.Run("work", func(t *testing.T) { workIsDrawn(t, newTab(t, browser)) })
	t.Run("waterfall", func(t *testing.T) { waterfallIsReadable(t, newTab(t, browser)) })
	t.Run("print", func(t *testing.T) { chartsArePrinted(t, newTab(t, browser)) })
}

func chartsAreDrawn(t *testing.T, p *tab) {
	url := written(t, sampleRun(t))
	visit(t, p, url)
	// Each choice of a chart with its number of series; over time, one more bears the shade of the warm-up.
	for id, choices := range map[string][]int{
		"latency-chart":    {2, 2, 2, 2}, // all, by scenario, warm, cold
		"throughput-chart": {3},
		"response-chart":   {3, 3, 3, 4, 4}, // P99, P95, P50, warm, cold
		"errors-chart":     {3},
		"cpu-chart":        {5}, // generator, system, others, stolen, and the marks
		"wait-chart":       {3},
		"levels-chart":     {4}, // three levels, and the marks
		"lag-chart":        {2},
	} {
		buttons := eval[int](t, p, fmt.Sprintf(`document.getElementsByName(%q).length`, id))
		if len(choices) > 1 && buttons != len(choices) || len(choices) == 1 && buttons != 0 {
			t.Errorf("%s offers %d choices, want %d", id, buttons, len(choices))
			continue
		}
		for i, series := range choices {
			if i > 0 {
				eval[chromedp.Void](t, p, fmt.Sprintf(`document.getElementsByName(%q)[%d].click()`, id, i))
			}
			seen := eval[drawing](t, p, fmt.Sprintf(seeChart, id))
			if seen.Width < 300 || seen.Height < 200 || seen.Painted < 100 || seen.Series != series {
				t.Errorf("%s, choice %d: saw %+v, want %d series painted on a canvas of some size", id, i, seen, series)
			}
		}
	}
	p.quiet(t, url)
}

// faultsAreMarked holds that every chart over time shows each fault by a line with its name, at its time.
func faultsAreMarked(t *testing.T, p *tab) {
	run := sampleRun(t)
	url := written(t, run)
	visit(t, p, url)
	for _, id := range []string{
		"throughput-chart", "response-chart", "errors-chart", "cpu-chart", "wait-chart",
		"levels-chart", "lag-chart",
	} {
		for _, mark := range run.Measurements.Marks {
			off := eval[float64](t, p, fmt.Sprintf(`((id, text, begun) => {
				const chart = echarts.getInstanceByDom(document.getElementById(id));
				chart.getZr().flush();
				const drawn = chart.getZr().storage.getDisplayList();
				const label = drawn.find(e => e.type === "text" && e.style.text === text);
				const line = label && drawn.find(e => e.shape && e.shape.x1 !== undefined && e.parent === label.parent);
				if (!line) return -1;
				return Math.abs(line.shape.x1 - chart.convertToPixel({xAxisIndex: 0}, begun));
			})(%q, %q, %v)`, id, mark.Text, mark.Begun))
			if off < 0 || off > 2 {
				t.Errorf("%s: the mark of %s is %v pixels from its place; -1 means that there is none", id,
					mark.Text, off)
			}
		}
	}
	p.quiet(t, url)
}

func hostileNamesAreText(t *testing.T, p *tab) {
	url := written(t, hostileRun(t))
	visit(t, p, url)
	for _, id := range []string{"latency-chart", "throughput-chart", "response-chart", "errors-chart"} {
		if seen := eval[drawing](t, p, fmt.Sprintf(seeChart, id)); seen.Painted < 100 {
			t.Errorf("%s with hostile names: saw %+v", id, seen)
		}
		// The tooltip is the one place where ECharts writes HTML.
		tip := eval[string](t, p, fmt.Sprintf(`(element => {
			const chart = echarts.getInstanceByDom(element);
			const group = document.getElementsByName(element.id)[1];
			if (group) group.click(); // the lines of this choice are named after scenarios
			chart.dispatchAction({type: "showTip", seriesIndex: 0, dataIndex: 20});
			return element.innerText;
		})(document.getElementById(%q))`, id))
		if !strings.Contains(tip, "<script>") {
			t.Errorf("the tooltip of %s shows %q, want the hostile name as text", id, tip)
		}
	}
	if eval[bool](t, p, `"executed" in window`) {
		t.Error("a name from the run was executed")
	}
	if n := eval[int](t, p, `document.images.length`); n != 0 {
		t.Errorf("names from the run made %d images", n)
	}
	if n := eval[int](t, p, `document.scripts.length`); n != 3 {
		t.Errorf("the page has %d scripts, want the data, ECharts and its own", n)
	}
	if body := eval[string](t, p, `document.body.innerText`); strings.Count(body, "<script>window.executed=1") < 30 {
		t.Error("the hostile names are not in the page as text")
	}
	p.quiet(t, url)
}

func chartsFollowTheColourScheme(t *testing.T, p *tab) {
	url := written(t, sampleRun(t))
	visit(t, p, url)
	const legend = `echarts.getInstanceByDom(document.getElementById("latency-chart")).getOption().legend[0].textStyle.color`
	light := eval[string](t, p, legend)
	if _, err := chromedp.Call(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}},
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Run(p, chromedp.Poll[bool](legend+` !== "`+light+`"`)); err != nil {
		t.Fatalf("the chart's ink stays %s in the dark: %v", light, err)
	}
	p.quiet(t, url)
}

func chartsFollowTheWindow(t *testing.T, p *tab) {
	if err := chromedp.Do(p, chromedp.EmulateViewport(1280, 900)); err != nil {
		t.Fatal(err)
	}
	url := written(t, sampleRun(t))
	visit(t, p, url)
	if err := chromedp.Do(p, chromedp.EmulateViewport(700, 900)); err != nil {
		t.Fatal(err)
	}
	const fits = `[...document.querySelectorAll("canvas")].every(c => c.width > 500 && c.width < 700)`
	if _, err := chromedp.Run(p, chromedp.Poll[bool](fits)); err != nil {
		t.Fatalf("the charts keep their size when the window shrinks: %v", err)
	}
	p.quiet(t, url)
}

// mustRead are the things that a report must tell even as plain HTML: verdict, reason, gates, percentiles.
func mustRead(t *testing.T, text string) {
	t.Helper()
	for _, want := range []string{
		"FAIL", "2 of 6 gates crossed", "http_req_duration{scenario:cold}: required p(95)<25", "✗ crossed", "✓ held",
		"P99.9", "service", "stands in for Dragonfly", "Generator's own lag P99", "headroom run 'resources read.yaml'",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
}

func readableWithoutScript(t *testing.T, p *tab) {
	if _, err := chromedp.Call(p, emulation.SetScriptExecutionDisabled,
		emulation.SetScriptExecutionDisabledParams{Value: true}); err != nil {
		t.Fatal(err)
	}
	url := written(t, sampleRun(t))
	visit(t, p, url)
	text, err := chromedp.Run(p, chromedp.Text(chromedp.CSS("body")))
	if err != nil {
		t.Fatal(err)
	}
	mustRead(t, text)
	if visible := eval[int](t, p,
		`[...document.querySelectorAll("figure")].filter(f => f.offsetHeight > 0).length`); visible != 0 {
		t.Errorf("%d charts take up room though nothing draws them", visible)
	}
	p.quiet(t, url)
}

func readableInJenkins(t *testing.T, p *tab) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		// Jenkins' default
		w.Header().Set("Content-Security-Policy", "sandbox; default-src 'none'; img-src 'self'; style-src 'self';")
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if err := HTML(w, sampleRun(t)); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	visit(t, p, server.URL)
	text, err := chromedp.Run(p, chromedp.Text(chromedp.CSS("body")))
	if err != nil {
		t.Fatal(err)
	}
	mustRead(t, text)
}

// shardsAreTold holds that a merged run has a row for each shard, and under it what is to be said of it; another run
// has none.
func shardsAreTold(t *testing.T, p *tab) {
	url := written(t, mergedRun(t))
	visit(t, p, url)
	rows := eval[[]string](t, p,
		`[...document.querySelectorAll("#shards tbody tr")].filter(r => r.offsetHeight > 0).map(r => [...r.cells].map(c => c.innerText.replace(/\s+/g, " ").trim()).join(" | "))`)
	want := []string{
		"0/3 | load-1 linux/amd64, 4 CPUs (Intel Xeon 2.20 GHz); wire (io_uring) | 21:04:05.000 | 6,000 | 0 | 3.87 | " +
			"0.251 | 1.50 of 4",
		"1/3 | load-1 linux/amd64, 4 CPUs (Intel Xeon 2.20 GHz); wire (epoll) | 21:04:05.002 | 5,988 | 12 | 3.87 | " +
			"0.251 | 1.50 of 4",
		" | disturbed: other processes took 0.9 cores in 5 of 60 seconds",
		" | the sockets of the machine ran short",
		"2/3 | – linux/arm64, 2 CPUs; wire (epoll) | 21:04:05.000 | 0 | 0 | – | – | 0 of 0",
		" | invalid: nothing was measured",
	}
	if !slices.Equal(rows, want) {
		t.Errorf("the shards are\n%s\nwant\n%s", strings.Join(rows, "\n"), strings.Join(want, "\n"))
	}
	p.quiet(t, url)
	visit(t, p, written(t, passedRun(t)))
	if n := eval[int](t, p, `document.querySelectorAll("#shards").length`); n != 0 {
		t.Error("a run that was not merged has a table of shards")
	}
}

// outcomesDiffer holds that no two outcomes which mean something else have the same colour, in the light and in the
// dark.
func outcomesDiffer(t *testing.T, p *tab) {
	// Without scripts nothing draws the charts of eight pages.
	if _, err := chromedp.Call(p, emulation.SetScriptExecutionDisabled,
		emulation.SetScriptExecutionDisabledParams{Value: true}); err != nil {
		t.Fatal(err)
	}
	for _, scheme := range []string{"light", "dark"} {
		if _, err := chromedp.Call(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		}); err != nil {
			t.Fatal(err)
		}
		seen := map[string]results.Outcome{}
		for _, run := range []*results.Run{passedRun(t), sampleRun(t), invalidRun(t), partRun(t)} {
			visit(t, p, written(t, run))
			colours := eval[string](t, p,
				`(s => s.color + " on " + s.backgroundColor)(getComputedStyle(document.querySelector("h1 strong")))`)
			if other, taken := seen[colours]; taken {
				t.Errorf("%s: %s looks like %s: %s", scheme, run.Verdict.Outcome, other, colours)
			}
			seen[colours] = run.Verdict.Outcome
		}
	}
	if text := eval[string](t, p, `document.getElementById("gates").innerText`); !strings.Contains(text,
		"when all shards are merged") {
		t.Errorf("the gates of a shard: %q", text)
	}
}

func fitsNarrowScreens(t *testing.T, p *tab) {
	for name, run := range map[string]*results.Run{
		"sample": sampleRun(t), "merged": mergedRun(t),
		"hostile": hostileRun(t),
	} {
		if err := chromedp.Do(p, chromedp.EmulateViewport(390, 844, chromedp.EmulateMobile)); err != nil {
			t.Fatal(err)
		}
		visit(t, p, written(t, run))
		if width := eval[int](t, p, `document.scrollingElement.scrollWidth`); width > 390 {
			t.Errorf("%s: the page is %d pixels wide on a screen of 390", name, width)
		}
		// The figures that answer how much headroom there is need no scrolling to the side.
		hidden := eval[int](t, p,
			`[...document.querySelectorAll("#gates [data-label]")].filter(c => c.offsetWidth === 0 || c.getBoundingClientRect().right > 390).length`)
		if gates := eval[int](t, p, `document.querySelectorAll("#gates [data-label]").length`); gates == 0 ||
			hidden > 0 {
			t.Errorf("%s: %d of %d figures of gates cannot be seen", name, hidden, gates)
		}
	}
}

// numbersAreWhole holds that no count of a status is broken into two lines, at a width at which the table has to be
// scrolled.
func numbersAreWhole(t *testing.T, p *tab) {
	run := sampleRun(t)
	run.Measurements.Series[0].Statuses = map[int]int64{200: 123_456_789}
	if err := chromedp.Do(p, chromedp.EmulateViewport(1000, 900)); err != nil {
		t.Fatal(err)
	}
	visit(t, p, written(t, run))
	lines := eval[int](t, p, `(cell => {
		const text = document.createRange();
		text.selectNodeContents(cell);
		return text.getClientRects().length;
	})([...document.querySelectorAll("#requests .tally")].find(c => c.innerText.includes("123,456,789")))`)
	if lines != 1 {
		t.Errorf("a status and its count take %d lines", lines)
	}
	metric := eval[[]string](t, p, `[...document.querySelectorAll("#gates tbody th")].map(c => c.innerText)`)
	if !slices.Contains(metric, "http_req_duration{scenario:warm}") {
		t.Errorf("the gates are of %q", metric)
	}
}

// manyScenariosAreReadable holds that a run of 30 scenarios has tables whose text is not squeezed, and legends that are
// not cut off.
func manyScenariosAreReadable(t *testing.T, p *tab) {
	run := sampleRun(t)
	m := &run.Measurements
	load, points := m.Loads[0], m.Points[:60]
	m.Loads, m.Points = nil, nil
	for i := range 30 {
		l := *load
		l.Scenario = fmt.Sprintf("checkout-of-team-%d", i)
		m.Loads = append(m.Loads, &l)
		for _, point := range points {
			point.Scenario = l.Scenario
			m.Points = append(m.Points, point)
		}
	}
	if err := chromedp.Do(p, chromedp.EmulateViewport(1400, 900)); err != nil {
		t.Fatal(err)
	}
	url := written(t, run)
	visit(t, p, url)
	rows := eval[[]int](t, p, `[...document.querySelectorAll("#sent tbody tr")].map(r => r.offsetHeight)`)
	if len(rows) < 30 || slices.Max(rows) > 60 {
		t.Errorf("how the load was sent has rows of these heights: %v", rows)
	}
	if width := eval[int](t, p, `document.querySelector("#sent").offsetWidth`); width > 1340 {
		t.Errorf("how the load was sent is %d pixels wide", width)
	}
	height := eval[float64](t, p, `(chart => {
		chart.getZr().flush();
		return chart.getZr().storage.getDisplayList().find(e => e.type === "text" && e.style.text === "checkout-of-team-0").getBoundingRect().height;
	})(echarts.getInstanceByDom(document.getElementById("throughput-chart")))`)
	if height < 12 {
		t.Errorf("a legend of several pages shows %.1f pixels of its text", height)
	}
	p.quiet(t, url)
}

// chartsArePrinted holds that charts take the width of what is printed, and room of their own.
func chartsArePrinted(t *testing.T, p *tab) {
	if err := chromedp.Do(p, chromedp.EmulateViewport(1400, 900)); err != nil {
		t.Fatal(err)
	}
	visit(t, p, written(t, sampleRun(t)))
	if _, err := chromedp.Call(p, emulation.SetEmulatedMedia,
		emulation.SetEmulatedMediaParams{Media: "print"}); err != nil {
		t.Fatal(err)
	}
	wrong := eval[[]string](t, p, `[...document.querySelectorAll(".canvas")].filter(d => {
		const drawn = d.querySelector("canvas").getBoundingClientRect(), room = d.getBoundingClientRect();
		d.style.width = "600px"; // paper is narrower than the screen that the chart was drawn for
		const squeezed = d.querySelector("canvas").getBoundingClientRect();
		d.style.width = "";
		return drawn.height < 200 || drawn.bottom > room.bottom + 1 || squeezed.width > 601;
	}).map(d => d.id)`)
	if len(wrong) > 0 {
		t.Errorf("charts that are not printed whole: %q", wrong)
	}
}
