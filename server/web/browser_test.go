package web_test

import (
	"context"
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

	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/google/uuid"

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
	limited, cancelLimit := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(cancelLimit)
	flags := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.ExecPath(binary),
		chromedp.DisableGPU, chromedp.WSURLReadTimeout(5*time.Minute), // on a busy machine
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
	t.Run("colours", func(t *testing.T) { coloursCanBeRead(t, newTab(t, browser), base) })
	t.Run("keyboard", func(t *testing.T) { worksByKeyboard(t, newTab(t, browser), base) })
	t.Run("focus", func(t *testing.T) { focusGoesThroughAll(t, newTab(t, browser), base) })
	t.Run("assistive technology", func(t *testing.T) { isTold(t, newTab(t, browser), base) })
	t.Run("axe", func(t *testing.T) { axeFindsNothing(t, newTab(t, browser), base) })
	t.Run("live", func(t *testing.T) { changesOfTheServerAppear(t, newTab(t, browser), base) })
	t.Run("preview", func(t *testing.T) { previewIsTheServers(t, newTab(t, browser), base) })
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
				!strings.Contains(r, "/module?tenant=") &&
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

// changesOfTheServerAppear creates a resource and waits for it to appear, with a link to its page.
func changesOfTheServerAppear(t *testing.T, p *tab, base string) {
	p.visit(t, pagesOf(t, base)["activity"])
	until(t, p, `document.getElementById("state").textContent.startsWith("Connected.")`)
	name := "live-" + uuid.NewString()
	body := fmt.Sprintf(`{"azure_resource_id":%q,"subscription_id":"s","resource_group_name":"g","name":%q,"type":"t",
		"location":"l"}`, "/live/"+name, name)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/api/v1/resources",
		strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Tenant-ID", key(t, "tenant_id"))
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusCreated {
		t.Fatalf("create a resource: status %d", response.StatusCode)
	}
	until(t, p, fmt.Sprintf(`[...document.querySelectorAll("#events li")].some(li => li.innerText.includes(%q))`, name))
	if err := chromedp.Do(p, chromedp.Click(chromedp.CSS("#events a"))); err != nil {
		t.Fatal(err)
	}
	until(t, p, fmt.Sprintf(`document.querySelector("h1")?.textContent === %q`, name))
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
		"12:34:56 | costs recorded | 7 costs from 2026-10-01 to 2026-10-02",
		"12:34:56 | evaluations recorded | 5 evaluations",
		"12:34:56 | resource updated | " + hostile,
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
