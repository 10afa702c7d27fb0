package reports

import (
	"fmt"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// workIsDrawn holds that the charts of the server's work are painted.
func workIsDrawn(t *testing.T, p *tab) {
	url := written(t, noticedRun(t))
	visit(t, p, url)
	for _, id := range []string{"l1-chart", "ttl-chart", "cache-work-chart", "gc-chart", "server-memory-chart"} {
		if seen := eval[drawing](t, p, fmt.Sprintf(seeChart, id)); seen.Width < 300 || seen.Painted < 100 {
			t.Errorf("%s: saw %+v", id, seen)
		}
	}
	p.quiet(t, url)
}

// seenBar is a bar of a waterfall as the browser drew it.
type seenBar struct {
	Name        string
	Left, Right float64 // shares of the track
	Height      float64
	Fill        string
}

const seeBars = `[...document.querySelectorAll(".waterfall tbody tr")].map(row => {
	const track = row.querySelector(".track").getBoundingClientRect(), bar = row.querySelector(".fill").getBoundingClientRect();
	return {
		Name: row.querySelector("th").firstChild.textContent, Left: (bar.left - track.left) / track.width,
		Right: (bar.right - track.left) / track.width, Height: bar.height, Fill: getComputedStyle(row.querySelector(".fill")).fill,
	};
})`

// waterfallIsReadable holds that the bars of a waterfall stand where the spans were, without scripts, in the dark and
// on a narrow screen.
func waterfallIsReadable(t *testing.T, p *tab) {
	_, err := chromedp.Call(p, emulation.SetScriptExecutionDisabled,
		emulation.SetScriptExecutionDisabledParams{Value: true})
	if err != nil {
		t.Fatal(err)
	}
	url := written(t, noticedRun(t))
	visit(t, p, url)
	bars := map[string]seenBar{}
	for _, b := range eval[[]seenBar](t, p, seeBars) {
		bars[b.Name] = b
		if b.Left < -0.001 || b.Right > 1.001 || b.Right <= b.Left || b.Height < 5 {
			t.Errorf("a bar is out of its track, or nothing: %+v", b)
		}
	}
	query, request, get := bars["sql list_resources"], bars["request, by the generator"], bars["cache get"]
	// What is last ends 170 ms after the request was due: see sampleTraces.
	if query.Left < 0.01 || query.Right < 0.69 || query.Right > 0.74 || get.Right < query.Right ||
		request.Left > 0.001 || query.Fill == get.Fill || bars["refresh"].Right < 0.99 {
		t.Errorf("the bars are %+v", bars)
	}
	const links = `document.querySelectorAll("a[href='#trace-4bf92f3577b34da6a3ce929d0e0e4736']").length`
	if n := eval[int](t, p, links); n < 2 {
		t.Errorf("%d links lead to the waterfall", n)
	}
	light := query.Fill
	_, err = chromedp.Call(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	err = chromedp.Do(p, chromedp.EmulateViewport(420, 900))
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range eval[[]seenBar](t, p, seeBars) {
		if b.Name == "sql list_resources" && b.Fill == light {
			t.Error("the bars have the same colour in the dark")
		}
	}
	if wide := eval[int](t, p, `document.documentElement.scrollWidth`); wide > 420 {
		t.Errorf("the page is %d pixels wide on a screen of 420", wide)
	}
	const cut = `[...document.querySelectorAll(".waterfall .scroll")].filter(e => e.scrollWidth > e.clientWidth + 1).length`
	if n := eval[int](t, p, cut); n > 0 {
		t.Errorf("%d waterfalls are wider than the screen", n)
	}
	p.quiet(t, url)
}
