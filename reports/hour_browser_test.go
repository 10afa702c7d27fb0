package reports

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// overlapping are the texts of the page, and those in its charts, that overlap another one.
const overlapping = `(() => {
	const found = [], touch = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 2 && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 2;
	const pairs = (where, boxes) => boxes.forEach((a, i) => boxes.slice(i + 1).forEach(b => { if (touch(a, b)) found.push(where + ": " + a.text + " | " + b.text); }));
	for (const section of document.querySelectorAll("header, section")) {
		const boxes = [], walk = document.createTreeWalker(section, NodeFilter.SHOW_TEXT);
		while (walk.nextNode()) {
			const node = walk.currentNode, range = document.createRange();
			if (!node.textContent.trim() || node.parentElement.closest(".canvas, pre")) continue;
			range.selectNodeContents(node);
			const clip = node.parentElement.closest(".scroll, .film"), edge = clip ? clip.getBoundingClientRect() : { left: -1e6, right: 1e6 };
			for (const r of range.getClientRects()) {
				const box = { left: Math.max(r.left, edge.left), right: Math.min(r.right, edge.right), top: r.top, bottom: r.bottom, text: node.textContent.trim().slice(0, 40) };
				if (box.right - box.left > 1 && r.height > 1) boxes.push(box);
			}
		}
		pairs(section.id || "header", boxes);
	}
	for (const canvas of document.querySelectorAll(".canvas")) {
		const chart = echarts.getInstanceByDom(canvas);
		if (!chart || canvas.clientWidth === 0) continue;
		chart.getZr().flush();
		pairs(canvas.id, chart.getZr().storage.getDisplayList().filter(e => e.type === "text" && e.style.text && !e.invisible && !e.ignore && !(e.__clipPaths || []).length).map(e => {
			const r = e.getBoundingRect().clone();
			if (e.transform) r.applyTransform(e.transform);
			return { left: r.x, right: r.x + r.width, top: r.y, bottom: r.y + r.height, text: e.style.text };
		}));
	}
	return found;
})()`

// TestHourInBrowser: the page of an hour's run with 34 requests and 36 gates at the width of a desk's screen and of a
// telephone's.
func TestHourInBrowser(t *testing.T) {
	t.Parallel()
	p := newTab(t, startBrowser(t))
	url := written(t, hourRun(t))
	for _, width := range []int64{420, 1400} {
		if err := chromedp.Do(p, chromedp.EmulateViewport(width, 900)); err != nil {
			t.Fatal(err)
		}
		visit(t, p, url)
		eval[chromedp.Void](t, p, `document.querySelectorAll("details").forEach(d => { d.open = true; })`)
		const drawn = `[...document.querySelectorAll("canvas")].every(c => c.clientWidth > 250)`
		if _, err := chromedp.Run(p, chromedp.Poll[bool](drawn)); err != nil {
			t.Fatalf("at %d pixels not all charts are drawn: %v", width, err)
		}
		if found := eval[[]string](t, p, overlapping); len(found) > 0 {
			t.Errorf("at %d pixels %d texts overlap:\n%s", width, len(found),
				strings.Join(found[:min(len(found), 20)], "\n"))
		}
		if got := eval[int64](t, p, `document.scrollingElement.scrollWidth`); got > width {
			t.Errorf("the page is %d pixels wide on a screen of %d", got, width)
		}
	}
	t.Run("requests", func(t *testing.T) { requestsAreFound(t, p) })
	t.Run("time", func(t *testing.T) { chartsAreZoomed(t, p) })
}

// requestsAreFound: the table of requests is sorted and filtered, and each request has charts.
func requestsAreFound(t *testing.T, p *tab) {
	const rows = `[...document.querySelectorAll("#by-request tbody tr")].filter(r => !r.hidden).map(r => r.cells[1].firstChild.textContent)`
	sorted := func(column int) string {
		return fmt.Sprintf(`(() => { document.querySelectorAll("#by-request .sort")[%d].click(); return %s; })()`,
			column, rows)
	}
	got := eval[[]string](t, p, sorted(2))
	if len(got) != hourRequests+2 || got[0] != "page-31" || got[1] != "page-30" {
		t.Errorf("sorted by requests: %q", got)
	}
	if got := eval[[]string](t, p, sorted(2)); got[len(got)-1] != "page-31" {
		t.Errorf("sorted by requests the other way: %q", got)
	}
	if got := eval[[]string](t, p, sorted(1)); got[0] != "open-basket" || got[1] != "page-00" {
		t.Errorf("sorted by name: %q", got)
	}
	found := eval[[]string](t, p, `(() => {
		const input = document.querySelector("[name=filter]");
		input.value = "PAGE-1 browse";
		input.dispatchEvent(new Event("input"));
		return `+rows+`.concat(input.parentElement.querySelector("output").textContent);
	})()`)
	if len(found) != 11 || found[0] != "page-10" || found[10] != "10 of 34" {
		t.Errorf("filtered: %q", found)
	}
	series := eval[[]string](t, p, `(() => {
		const choice = document.getElementsByName("request-response-chart")[0];
		choice.selectedIndex = [...choice.options].findIndex(o => o.textContent === "buy: pay");
		choice.dispatchEvent(new Event("change"));
		const option = id => echarts.getInstanceByDom(document.getElementById(id)).getOption();
		return [option("request-response-chart").series[0].data.length, option("request-count-chart").series[0].data[0]].map(String);
	})()`)
	if !slices.Equal(series, []string{"720", "0,10"}) {
		t.Errorf("the charts of a request have %q", series)
	}
}

// chartsAreZoomed: the charts over time show the time of day and the same part of the run.
func chartsAreZoomed(t *testing.T, p *tab) {
	const axis = `(id => echarts.getInstanceByDom(document.getElementById(id)).getZr().storage.getDisplayList().filter(e => e.type === "text").map(e => e.style.text))`
	labels := func(id string) []string {
		return eval[[]string](t, p, fmt.Sprintf(`(() => {
			echarts.getInstanceByDom(document.getElementById(%q)).getZr().flush();
			return %s(%q);
		})()`, id, axis, id))
	}
	if got := labels("throughput-chart"); !slices.Contains(got, "30:00") || slices.Contains(got, "21:34:05") {
		t.Errorf("since the start: %q", got)
	}
	eval[chromedp.Void](t, p, `document.getElementsByName("time-axis")[1].click()`)
	if got := labels("cpu-chart"); !slices.Contains(got, "21:34:05") || !slices.Contains(got, "time of day, UTC") {
		t.Errorf("of the day: %q", got)
	}
	eval[chromedp.Void](t, p, `echarts.getInstanceByDom(document.getElementById("response-chart")).dispatchAction(
		{type: "dataZoom", dataZoomIndex: 0, startValue: 601, endValue: 1190})`)
	eval[chromedp.Void](t, p, `document.getElementsByName("time-axis")[0].click()`)
	for _, id := range []string{"throughput-chart", "request-count-chart"} {
		got := labels(id)
		if !slices.Contains(got, "10:00") || !slices.Contains(got, "15:00") || slices.Contains(got, "20:00") {
			t.Errorf("%s was not zoomed with the other chart: %q", id, got)
		}
	}
	if tip := eval[string](t, p, `(element => {
		echarts.getInstanceByDom(element).dispatchAction({type: "showTip", seriesIndex: 0, dataIndex: 180});
		return element.innerText;
	})(document.getElementById("throughput-chart"))`); !strings.Contains(tip, "15:00 · 21:19:05 UTC") {
		t.Errorf("the tooltip says %q", tip)
	}
}
