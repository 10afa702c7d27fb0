package web_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// The functions of this file are parts of TestPagesInBrowser: what WCAG 2.2 asks for at level AA, as far as a program
// can see it in these pages. No test replaces a person who uses them with a screen reader.

// fitsNarrowScreens looks at a small phone, and at 320 pixels: what WCAG 2.2, 1.4.10, asks for.
func fitsNarrowScreens(t *testing.T, p *tab, base string) {
	for _, width := range []int{380, 320} {
		if err := chromedp.Do(p, chromedp.EmulateViewport(int64(width), 800, chromedp.EmulateMobile)); err != nil {
			t.Fatal(err)
		}
		for name, url := range pagesOf(t, base) {
			p.visit(t, url)
			fitsWidth(t, p, name, width)
		}
	}
}

func fitsWidth(t *testing.T, p *tab, name string, width int) {
	t.Helper()
	if got := eval[int](t, p, `document.scrollingElement.scrollWidth`); got > width {
		t.Errorf("%s is %d pixels wide on a screen of %d", name, got, width)
	}
	cut := eval[[]string](t, p, fmt.Sprintf(`[...document.querySelectorAll("main *")].filter(e => !e.closest(".scroll") &&
		e.getClientRects().length && e.getBoundingClientRect().right > %d).map(e => e.outerHTML.slice(0, 80))`, width+1))
	if len(cut) > 0 {
		t.Errorf("%s: these reach beyond a screen of %d: %q", name, width, cut)
	}
	// what is tapped is large enough (WCAG 2.2, 2.5.8), links within text aside
	small := eval[[]string](t, p, `[...document.querySelectorAll("input:not([type=hidden]), select, textarea, button, nav a")].filter(e =>
		e.getClientRects().length && e.getBoundingClientRect().height < 24).map(e => e.outerHTML.slice(0, 80))`)
	if len(small) > 0 {
		t.Errorf("%s: these are too small to be tapped: %q", name, small)
	}
}

// coloursCanBeRead holds that the pages follow the visitor's colour scheme, and that in both schemes every text that is
// seen has the contrast of WCAG 2.2, 1.4.3, with what is really behind it: 4.5, or 3 where it is large.
func coloursCanBeRead(t *testing.T, p *tab, base string) {
	const ground = `getComputedStyle(document.body).backgroundColor`
	for scheme, want := range map[string]string{"light": "rgb(244, 245, 247)", "dark": "rgb(16, 19, 23)"} {
		if _, err := chromedp.Call(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		}); err != nil {
			t.Fatal(err)
		}
		for name, url := range pagesOf(t, base) {
			p.visit(t, url)
			if got := eval[string](t, p, ground); got != want {
				t.Errorf("%s, %s: the ground is %s, want %s", name, scheme, got, want)
			}
			if pale := eval[[]string](t, p, paleTexts+`(document.body)`); len(pale) > 0 {
				t.Errorf("%s, %s: these are hard to read: %q", name, scheme, pale)
			}
		}
	}
	pale := eval[[]string](t, p, `(() => {
		for (const [text, colour] of [["too pale", "#777"], ["dark enough", "#767676"]]) {
			const p = document.createElement("p");
			p.textContent = text;
			Object.assign(p.style, {color: colour, background: "#fff"});
			document.querySelector("footer").append(p);
		}
		return `+paleTexts+`(document.body);
	})()`)
	if len(pale) != 1 || !strings.Contains(pale[0], "too pale") {
		t.Errorf("of #777777 and #767676 on white, these are found to be hard to read: %q", pale)
	}
}

// paleTexts is a function that returns the texts in an element whose contrast is too low.
const paleTexts = `(root => {
	const rgba = text => text.match(/[\d.]+/g).map(Number);
	const linear = c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
	const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
	const over = ([r, g, b, a = 1], below) => [r, g, b].map((c, i) => a * c + (1 - a) * below[i]);
	const behind = e => {
		if (!e) return [255, 255, 255];
		const colour = rgba(getComputedStyle(e).backgroundColor);
		return colour[3] === undefined ? colour : over(colour, behind(e.parentElement));
	};
	const pale = [], texts = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
	for (let text; text = texts.nextNode();) {
		const e = text.parentElement, style = getComputedStyle(e);
		if (!text.data.trim() || !e.checkVisibility() || e.closest("style, script, svg, option")) continue;
		const ground = behind(e), size = parseFloat(style.fontSize);
		const [a, b] = [luminance(over(rgba(style.color), ground)), luminance(ground)];
		const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
		const large = size >= 24 || size >= 18.66 && style.fontWeight >= 700;
		if (contrast < (large ? 3 : 4.5)) pale.push(contrast.toFixed(2) + ": " + text.data.trim().slice(0, 40));
	}
	return pale;
})`

// press presses keys on what has the focus.
func press(t *testing.T, p *tab, keys string) {
	t.Helper()
	if err := chromedp.Do(p, chromedp.KeyEvent(keys)); err != nil {
		t.Fatal(err)
	}
}

// worksByKeyboard goes from the first key to a filtered list.
func worksByKeyboard(t *testing.T, p *tab, base string) {
	if _, err := chromedp.Call(p, emulation.SetFocusEmulationEnabled,
		emulation.SetFocusEmulationEnabledParams{Enabled: true}); err != nil {
		t.Fatal(err)
	}
	p.visit(t, pagesOf(t, base)["resources"])
	press(t, p, kb.Tab)
	if got := eval[string](t, p, `document.activeElement.className`); got != "skip" {
		t.Fatalf("the first stop is %q, want the link to the content", got)
	}
	if left := eval[float64](t, p, `document.activeElement.getBoundingClientRect().left`); left < 0 {
		t.Errorf("the link to the content has the focus and is not seen: it is at %v", left)
	}
	press(t, p, kb.Enter)
	until(t, p, `document.activeElement.id === "main"`)
	press(t, p, kb.Tab)
	if got := eval[string](t, p, `document.activeElement.id`); got != "q" {
		t.Fatalf("in the content the first stop is %q, want the search", got)
	}
	seen := eval[string](t, p, `(s => s.outlineStyle + " " + s.outlineWidth)(getComputedStyle(document.activeElement))`)
	if seen != "solid 3px" {
		t.Errorf("what has the focus is outlined %s", seen)
	}
	to := func(id string) {
		t.Helper()
		for range 10 {
			press(t, p, kb.Tab)
			if eval[string](t, p, `document.activeElement.id || document.activeElement.localName`) == id {
				return
			}
		}
		t.Fatalf("ten stops on there is no %s", id)
	}
	to("compliance_status")
	press(t, p, "n") // non-compliant
	to("summary")
	press(t, p, kb.Enter) // unfolds more filters
	to("location")
	press(t, p, "westeurope"+kb.Enter)
	until(t, p, `location.search.includes("location=westeurope") && document.readyState === "complete"`)
	rows := eval[[]string](t, p, `[...document.querySelectorAll("tbody .badge")].map(b => b.textContent)`)
	if len(rows) == 0 || slices.ContainsFunc(rows, func(status string) bool { return status != "non-compliant" }) {
		t.Errorf("the list for non-compliant resources has %q", rows)
	}
}

// focusGoesThroughAll goes through each page by the tab key: every control is reached, in the order of the document, is
// in the window then, and is outlined.
func focusGoesThroughAll(t *testing.T, p *tab, base string) {
	if _, err := chromedp.Call(p, emulation.SetFocusEmulationEnabled,
		emulation.SetFocusEmulationEnabledParams{Enabled: true}); err != nil {
		t.Fatal(err)
	}
	for name, url := range pagesOf(t, base) {
		p.visit(t, url)
		if name == "activity" {
			until(t, p, `document.getElementById("pause").checkVisibility()`)
		}
		// a date has three fields and a button, which are stops of their own, and which the browser marks
		want := eval[int](t, p, `(() => {
			window.stops = [...document.querySelectorAll("a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']")]
				.filter(e => e.checkVisibility());
			return stops.length;
		})()`)
		if want < 3 {
			t.Fatalf("%s has only %d controls", name, want)
		}
		const look = `(() => {
			const e = document.activeElement, style = getComputedStyle(e), box = e.getBoundingClientRect();
			const what = e.outerHTML.slice(0, 80);
			const faults = [];
			if (!e.matches("[type=date]") && (style.outlineStyle !== "solid" || style.outlineWidth !== "3px")) faults.push("no outline: " + what);
			if (box.bottom <= 0 || box.top >= innerHeight || box.right <= 0 || box.left >= innerWidth) faults.push("not in the window: " + what);
			return {at: stops.indexOf(e), faults};
		})()`
		last := -1
		for presses := 0; last < want-1; presses++ {
			press(t, p, kb.Tab)
			seen := eval[struct {
				At     int
				Faults []string
			}](t, p, look)
			if seen.At != last && seen.At != last+1 || presses > 4*want {
				t.Errorf("%s: after control %d of %d the focus is on control %d", name, last, want, seen.At)
				break
			}
			if len(seen.Faults) > 0 {
				t.Errorf("%s: %q", name, seen.Faults)
			}
			last = seen.At
		}
	}
}

// isTold holds what those who do not see a page are told of it: that everything which can be operated has a name, that
// parts of a page can be told from each other, and headings, tables and ids are in order.
func isTold(t *testing.T, p *tab, base string) {
	for name, url := range pagesOf(t, base) {
		p.visit(t, url)
		controls := namesAreThere(t, p, name)
		if controls < 2 {
			t.Errorf("%s has only %d controls", name, controls)
		}
		faults := eval[[]string](t, p, `(() => {
			const faults = [], all = selector => [...document.querySelectorAll(selector)];
			if (document.documentElement.lang !== "en") faults.push("no language");
			if (/user-scalable|maximum-scale/.test(document.querySelector("meta[name=viewport]").content)) faults.push("cannot be enlarged");
			if (!document.title.endsWith("– Headroom")) faults.push("title " + document.title);
			for (const [selector, n] of [["h1", 1], ["main", 1], ["body > header", 1], ["body > footer", 1]])
				if (all(selector).length !== n) faults.push(all(selector).length + " of " + selector);
			let level = 0;
			for (const h of all("h1, h2, h3, h4")) {
				if (h.tagName[1] - level > 1) faults.push("a heading is skipped before " + h.textContent);
				level = +h.tagName[1];
			}
			const ids = all("[id]").map(e => e.id);
			if (new Set(ids).size !== ids.length) faults.push("an id is there twice: " + ids);
			for (const e of all("[aria-labelledby], [aria-describedby]"))
				for (const id of [e.getAttribute("aria-labelledby"), e.getAttribute("aria-describedby")].join(" ").split(" "))
					if (id && !document.getElementById(id)) faults.push("nothing has the id " + id);
			for (const e of all("input:not([type=hidden]), select, textarea"))
				if (![...e.labels].some(l => l.textContent.trim())) faults.push("no label: " + e.outerHTML);
			for (const e of all("body *"))
				if (e.checkVisibility() && [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()) && !e.closest("header, main, footer, .skip"))
					faults.push("outside of all parts of the page: " + e.outerHTML);
			for (const e of all("ul, ol")) for (const item of e.children) if (item.tagName !== "LI") faults.push("in a list: " + item.outerHTML);
			for (const e of all("dt, dd")) if (!e.closest("dl")) faults.push("in no list of terms: " + e.outerHTML);
			for (const e of all("a[href], button")) if (e.querySelector("a, button, input, select")) faults.push("a control within " + e.outerHTML);
			for (const e of all("[role]"))
				if (!["alert", "img", "region", "status"].includes(e.getAttribute("role"))) faults.push("a role that was not looked at: " + e.outerHTML);
			for (const e of all("[aria-hidden=true]"))
				if (e.matches("a, button") || e.querySelector("a, button, input")) faults.push("hidden, and takes the focus: " + e.outerHTML);
			for (const e of all("section")) if (!e.hasAttribute("aria-label") && !e.hasAttribute("aria-labelledby")) faults.push("a part without a name");
			const navs = all("nav").map(n => n.getAttribute("aria-label"));
			if (navs.includes(null) || new Set(navs).size !== navs.length) faults.push("navigations named " + navs);
			for (const th of all("th")) if (!th.scope) faults.push("a header without a scope: " + th.textContent);
			for (const row of all("tbody tr"))
				if (row.cells.length !== row.closest("table").tHead.rows[0].cells.length) faults.push("a row of another length");
			for (const svg of all("svg"))
				if (!svg.closest("[aria-hidden=true]") && !svg.getAttribute("aria-label")) faults.push("a drawing without a name");
			for (const e of all("[tabindex]")) if (e.tabIndex > 0) faults.push("an order of its own: " + e.outerHTML);
			if (all("nav [aria-current=page]").length !== +(all("nav[aria-label=Pages]").length && !location.pathname.match(/(resources|policies)\/./))) faults.push("no current page");
			return faults;
		})()`)
		if len(faults) > 0 {
			t.Errorf("%s: %q", name, faults)
		}
	}
}

// operable are the roles of what a visitor operates.
var operable = []string{"link", "button", "textbox", "searchbox", "combobox", "DisclosureTriangle", "region", "image"}

// namesAreThere asks the browser for the names that it gives to assistive technology, and counts the controls.
func namesAreThere(t *testing.T, p *tab, page string) (controls int) {
	t.Helper()
	tree, err := chromedp.Call(p, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{})
	if err != nil {
		t.Fatal(err)
	}
	for _, node := range tree.Nodes {
		if node.Ignored || node.Role == nil {
			continue
		}
		var role, name string
		if err := json.Unmarshal(node.Role.Value, &role); err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(operable, role) {
			continue
		}
		controls++
		if node.Name != nil && len(node.Name.Value) > 0 {
			if err := json.Unmarshal(node.Name.Value, &name); err != nil {
				t.Fatal(err)
			}
		}
		if strings.TrimSpace(name) == "" {
			t.Errorf("%s: a %s has no name", page, role)
		}
	}
	return controls
}
