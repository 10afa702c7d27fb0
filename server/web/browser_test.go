package web_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/policycortex/headroom/server/web"
)

// startBrowser starts a headless Chromium that lives as long as the test.
func startBrowser(t *testing.T) context.Context {
	t.Helper()
	binary, err := exec.LookPath("chromium")
	if err != nil {
		const missing = "no Chromium in PATH, without which the pages cannot be tested: install Debian's package " +
			"chromium (apt-get install chromium)"
		if os.Getenv("CI") == "" {
			t.Skip(missing) // a developer may do without; CI installs it
		}
		t.Fatal(missing)
	}
	limited, cancelLimit := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancelLimit)
	flags := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.ExecPath(binary),
		chromedp.DisableGPU,
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-quic", true))
	allocator, cancelAllocator := chromedp.NewExecAllocator(limited, flags...)
	t.Cleanup(cancelAllocator)
	browser, cancelBrowser := chromedp.NewContext(allocator)
	t.Cleanup(cancelBrowser)
	if err := chromedp.Do(browser); err != nil {
		t.Fatalf("start %s: %v", binary, err)
	}
	return browser
}

// tab is a browser tab with all that its pages asked of the network and all that they complained of.
type tab struct {
	context.Context
	mu         sync.Mutex
	requests   []string
	complaints []string
}

func newTab(t *testing.T, browser context.Context) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser)
	t.Cleanup(cancel)
	p := &tab{Context: ctx}
	if err := chromedp.Listen(ctx, p.note); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *tab) note(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		p.requests = append(p.requests, e.Request.URL)
	case *runtime.EventExceptionThrown:
		p.complaints = append(p.complaints, "exception: "+e.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		p.complaints = append(p.complaints, fmt.Sprintf("console.%s", e.Type))
	case *cdplog.EventEntryAdded:
		p.complaints = append(p.complaints, "log: "+e.Entry.Text+" "+e.Entry.URL)
	}
}

// takeNotes returns what was noted since the last call.
func (p *tab) takeNotes() (requests, complaints []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	requests, complaints = p.requests, p.complaints
	p.requests, p.complaints = nil, nil
	return requests, complaints
}

func (p *tab) visit(t *testing.T, url string) {
	t.Helper()
	if err := chromedp.Do(p, chromedp.Navigate(url)); err != nil {
		t.Fatalf("open %s: %v", url, err)
	}
}

func eval[T any](t *testing.T, p *tab, expression string) T {
	t.Helper()
	v, err := chromedp.Run(p, chromedp.Evaluate[T](expression))
	if err != nil {
		t.Fatalf("evaluate %s: %v", expression, err)
	}
	return v
}

// until waits for an expression to become true. (chromedp's Poll makes a function of text, which the pages forbid.)
func until(t *testing.T, p *tab, expression string) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !eval[bool](t, p, expression); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s; the page says %s", expression, bodyText(t, p))
		}
	}
}

func bodyText(t *testing.T, p *tab) string {
	t.Helper()
	return eval[string](t, p, `document.body.innerText`)
}

func withoutScripts(t *testing.T, p *tab) {
	t.Helper()
	if _, err := chromedp.Call(p, emulation.SetScriptExecutionDisabled,
		emulation.SetScriptExecutionDisabledParams{Value: true}); err != nil {
		t.Fatal(err)
	}
}

// TestPagesInBrowser: a real browser, and a real server with its fixture.
func TestPagesInBrowser(t *testing.T) {
	browser, base := startBrowser(t), startServer(t, asItIs)
	want := facts(t, base)
	t.Run("shown", func(t *testing.T) { everythingIsShown(t, newTab(t, browser), base, want) })
	t.Run("without JavaScript", func(t *testing.T) {
		p := newTab(t, browser)
		withoutScripts(t, p)
		everythingIsShown(t, p, base, want)
	})
	t.Run("narrow", func(t *testing.T) { fitsNarrowScreens(t, newTab(t, browser), base) })
	t.Run("dark", func(t *testing.T) { followsTheColourScheme(t, newTab(t, browser), base) })
	t.Run("keyboard", func(t *testing.T) { worksByKeyboard(t, newTab(t, browser), base) })
	t.Run("assistive technology", func(t *testing.T) { isTold(t, newTab(t, browser), base) })
	t.Run("entrance", func(t *testing.T) { leadsFromTheRoot(t, newTab(t, browser), base) })
}

// everythingIsShown holds that the pages show the data of the server, ask for nothing but themselves and their hashed
// files, and break no rule of their Content-Security-Policy.
func everythingIsShown(t *testing.T, p *tab, base string, want map[string][]string) {
	for name, url := range pagesOf(t, base) {
		p.visit(t, url)
		text := eval[string](t, p, `document.body.textContent.replace(/\s+/g, " ")`)
		for _, fact := range want[name] {
			if !strings.Contains(text, fact) {
				t.Errorf("%s does not show %q", name, fact)
			}
		}
		requests, complaints := p.takeNotes()
		for _, r := range requests {
			// the browser's own controls have pictures in data URLs
			if r != url && !strings.HasPrefix(r, base+"/ui/static/") && !strings.HasPrefix(r, base+"/ui/stream?") &&
				!strings.HasPrefix(r, "data:") {
				t.Errorf("%s asks for %s", name, r)
			}
		}
		// the browser itself complains of a stream that is not there, and late
		complaints = slices.DeleteFunc(complaints, func(c string) bool { return strings.Contains(c, "/ui/stream?") })
		if len(complaints) > 0 {
			t.Errorf("%s complains: %q", name, complaints)
		}
	}
	p.visit(t, pagesOf(t, base)["costs"])
	bars := eval[int](t,
		p, `[...document.querySelectorAll(".plot rect")].filter(r => r.getBoundingClientRect().height > 0).length`)
	if bars < 12 {
		t.Errorf("the chart of twelve months has %d bars of some height", bars)
	}
	if fill := eval[string](t, p, `getComputedStyle(document.querySelector(".plot rect")).fill`); fill !=
		"rgb(29, 100, 216)" {
		t.Errorf("the first bar is %s", fill)
	}
}

func fitsNarrowScreens(t *testing.T, p *tab, base string) {
	if err := chromedp.Do(p, chromedp.EmulateViewport(380, 800, chromedp.EmulateMobile)); err != nil {
		t.Fatal(err)
	}
	for name, url := range pagesOf(t, base) {
		p.visit(t, url)
		if width := eval[int](t, p, `document.scrollingElement.scrollWidth`); width > 380 {
			t.Errorf("%s is %d pixels wide on a screen of 380", name, width)
		}
		cut := eval[[]string](t, p, `[...document.querySelectorAll("main *")].filter(e => !e.closest(".scroll") &&
			e.getClientRects().length && e.getBoundingClientRect().right > 381).map(e => e.outerHTML.slice(0, 80))`)
		if len(cut) > 0 {
			t.Errorf("%s: these reach beyond the screen: %q", name, cut)
		}
		// what is tapped is large enough (WCAG 2.2, 2.5.8), links within text aside
		small := eval[[]string](t, p, `[...document.querySelectorAll("input:not([type=hidden]), select, textarea, button, nav a")].filter(e =>
			e.getClientRects().length && e.getBoundingClientRect().height < 24).map(e => e.outerHTML.slice(0, 80))`)
		if len(small) > 0 {
			t.Errorf("%s: these are too small to be tapped: %q", name, small)
		}
	}
}

func followsTheColourScheme(t *testing.T, p *tab, base string) {
	const ground = `getComputedStyle(document.body).backgroundColor`
	url := pagesOf(t, base)["compliance"]
	for scheme, want := range map[string]string{"light": "rgb(244, 245, 247)", "dark": "rgb(16, 19, 23)"} {
		if _, err := chromedp.Call(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		}); err != nil {
			t.Fatal(err)
		}
		p.visit(t, url)
		if got := eval[string](t, p, ground); got != want {
			t.Errorf("%s: the ground is %s, want %s", scheme, got, want)
		}
	}
}

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
	for range 3 { // type, subscription, compliance
		press(t, p, kb.Tab)
	}
	press(t, p, "n") // non-compliant
	press(t, p, kb.Tab)
	press(t, p, "westeurope"+kb.Enter)
	until(t, p, `location.search.includes("location=westeurope") && document.readyState === "complete"`)
	rows := eval[[]string](t, p, `[...document.querySelectorAll("tbody .badge")].map(b => b.textContent)`)
	if len(rows) == 0 || slices.ContainsFunc(rows, func(status string) bool { return status != "non-compliant" }) {
		t.Errorf("the list for non-compliant resources has %q", rows)
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
			const navs = all("nav").map(n => n.getAttribute("aria-label"));
			if (navs.includes(null) || new Set(navs).size !== navs.length) faults.push("navigations named " + navs);
			for (const th of all("th")) if (!th.scope) faults.push("a header without a scope: " + th.textContent);
			for (const row of all("tbody tr"))
				if (row.cells.length !== row.closest("table").tHead.rows[0].cells.length) faults.push("a row of another length");
			for (const svg of all("svg"))
				if (!svg.closest("[aria-hidden=true]") && !svg.getAttribute("aria-label")) faults.push("a drawing without a name");
			for (const e of all("[tabindex]")) if (e.tabIndex > 0) faults.push("an order of its own: " + e.outerHTML);
			if (all("nav [aria-current=page]").length !== +(all("nav[aria-label=Pages]").length && !location.pathname.match(/resources\/./))) faults.push("no current page");
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

func leadsFromTheRoot(t *testing.T, p *tab, base string) {
	p.visit(t, base)
	if got := eval[string](t, p, `location.pathname`); got != "/ui/" {
		t.Fatalf("the root leads to %s", got)
	}
	if err := chromedp.Do(p, chromedp.Click(chromedp.CSS(`main li a`))); err != nil {
		t.Fatal(err)
	}
	until(t, p, `location.pathname === "/ui/resources" && document.readyState === "complete"`)
	if rows := eval[int](t, p, `document.querySelectorAll("tbody tr").length`); rows != 25 {
		t.Errorf("the first tenant's list has %d rows", rows)
	}
}

// TestLiveChanges: a page whose server sends changes shows them, as text, and can be paused; one whose server sends
// none says so.
func TestLiveChanges(t *testing.T) {
	browser := startBrowser(t)
	t.Run("sent", func(t *testing.T) { changesAppear(t, newTab(t, browser)) })
	t.Run("not sent", func(t *testing.T) {
		p := newTab(t, browser)
		p.visit(t, liveServer(t, http.NotFound)+activityOfOne)
		until(t, p, `document.getElementById("state").textContent.startsWith("This server sends no live changes.")`)
		if eval[bool](t, p, `document.getElementById("pause").checkVisibility()`) {
			t.Error("there is a button to pause what does not come")
		}
	})
	t.Run("without JavaScript", func(t *testing.T) {
		p := newTab(t, browser)
		withoutScripts(t, p)
		p.visit(t, liveServer(t, http.NotFound)+activityOfOne)
		if text := bodyText(t, p); !strings.Contains(text, "Live changes need JavaScript. Reload the page") {
			t.Errorf("the page says %s", text)
		}
	})
}

const activityOfOne = "/ui/activity?tenant=6b1f0c52-8d3a-4e7b-9f64-2a5c7e9d1b30"

// liveServer serves the pages over an API that has nothing but a stream.
func liveServer(t *testing.T, stream http.HandlerFunc) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/api/v1/stream", stream)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "{}") })
	s := httptest.NewServer(web.New(web.Options{API: mux, Logger: slog.New(slog.DiscardHandler)}))
	t.Cleanup(s.Close)
	return s.URL
}

func changesAppear(t *testing.T, p *tab) {
	const hostile = `<img src=x onerror=alert(1)>`
	changes, resumed := make(chan string), make(chan string, 10)
	ended := make(chan struct{})
	url := liveServer(t, func(w http.ResponseWriter, r *http.Request) {
		resumed <- r.Header.Get("Last-Event-ID")
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, "retry: 10\n\n")
		for {
			if err := http.NewResponseController(w).Flush(); err != nil {
				return
			}
			select {
			case text := <-changes:
				if text == "" {
					return
				}
				io.WriteString(w, text)
			case <-ended:
				return
			}
		}
	}) + activityOfOne
	t.Cleanup(func() { close(ended) }) // before the server is closed, which waits for its requests
	change := func(place, kind, payload string) string {
		return fmt.Sprintf(
			"id: %s\ndata: {\"place\":%q,\"stream_id\":\"s/1\",\"version\":1,\"type\":%q,\"payload\":%s,"+
				"\"occurred_at\":\"2026-10-31T12:34:56.789Z\"}\n\n", place, place, kind, payload)
	}
	p.visit(t, url)
	until(t, p, `document.getElementById("state").textContent.startsWith("Connected.")`)
	if got := <-resumed; got != "" {
		t.Errorf("the first connection resumes from %q", got)
	}
	changes <- change("1-1", "resource.updated", `{"name":"`+hostile+`"}`) + "data: not a change\n\ndata: null\n\n"
	changes <- change("1-2", "evaluations.recorded", `{"policies":{"a":{"compliant":3,"error":1},"b":{"exempt":1}}}`)
	changes <- change("1-3", "costs.recorded", `{"costs":7,"from":"2026-10-01","to":"2026-10-02"}`)
	until(t, p, `document.querySelectorAll("#events li").length === 3`)
	got := eval[[]string](t, p,
		`[...document.querySelectorAll("#events li")].map(li => [...li.children].map(e => e.textContent).join(" | "))`)
	want := []string{
		"12:34:56 | costs.recorded | 7 costs from 2026-10-01 to 2026-10-02",
		"12:34:56 | evaluations.recorded | 5 evaluations",
		"12:34:56 | resource.updated | " + hostile,
	}
	if !slices.Equal(got, want) {
		t.Errorf("the changes are %q, want %q", got, want)
	}
	if href := eval[string](t, p, `document.querySelector("#events a").pathname`); href != "/ui/resources/s%2F1" {
		t.Errorf("the resource is at %s", href)
	}

	changes <- "" // the connection ends
	if got := <-resumed; got != "1-3" {
		t.Errorf("after the loss of the connection it resumes from %q", got)
	}
	if err := chromedp.Do(p, chromedp.Click(chromedp.CSS("#pause"))); err != nil {
		t.Fatal(err)
	}
	for i := range 150 {
		changes <- change(fmt.Sprintf("2-%d", i), "policy.created", `{"name":"p`+fmt.Sprint(i)+`"}`)
	}
	until(t, p, `document.getElementById("pause").textContent === "Continue (100 waiting)"`)
	until(t, p, `document.getElementById("state").textContent.startsWith("Connected.")`)
	if n := eval[int](t, p, `document.querySelectorAll("#events li").length`); n != 3 {
		t.Errorf("while paused the list has %d changes", n)
	}
	if err := chromedp.Do(p, chromedp.Click(chromedp.CSS("#pause"))); err != nil {
		t.Fatal(err)
	}
	until(t, p, `document.querySelectorAll("#events li").length === 100`)
	if first := eval[string](t, p, `document.querySelector("#events li").textContent`); !strings.HasSuffix(first,
		"p149") {
		t.Errorf("the latest change is %q", first)
	}
	if _, complaints := p.takeNotes(); len(complaints) > 0 {
		t.Errorf("the page complains: %q", complaints)
	}
}
