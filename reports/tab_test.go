package reports

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/policycortex/headroom/results"
)

// chromium is the browser that the tests share, each with tabs of its own: starting one takes seconds of CPU time.
var chromium struct {
	start   sync.Once
	context context.Context
	stop    func()
	err     error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if chromium.stop != nil {
		chromium.stop()
	}
	os.Exit(code)
}

// startBrowser returns a headless Chromium, which it starts for the first test.
func startBrowser(t *testing.T) context.Context {
	t.Helper()
	var binary string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			binary = path
			break
		}
	}
	if binary == "" {
		const missing = "no Chromium in PATH, without which the report cannot be tested: install Debian's package " +
			"chromium (apt-get install chromium)"
		if os.Getenv("CI") == "" {
			t.Skip(missing) // a developer may do without; CI installs it
		}
		t.Fatal(missing)
	}
	chromium.start.Do(func() {
		limited, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
		flags := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.ExecPath(binary),
			chromedp.DisableGPU, chromedp.WSURLReadTimeout(time.Minute), // on a busy machine
			chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-quic", true))
		allocator, cancelAllocator := chromedp.NewExecAllocator(limited, flags...)
		browser, cancelBrowser := chromedp.NewContext(allocator)
		chromium.context, chromium.err = browser, chromedp.Do(browser)
		chromium.stop = func() {
			cancelBrowser()
			cancelAllocator()
			cancel()
		}
	})
	if chromium.err != nil {
		t.Fatalf("start %s: %v", binary, chromium.err)
	}
	return chromium.context
}

// tab is a browser tab with all that its page asked of the network and all that it complained of.
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
		p.complaints = append(p.complaints, "log: "+e.Entry.Text)
	}
}

// quiet fails the test if the page asked for anything but itself or complained of anything.
func (p *tab) quiet(t *testing.T, url string) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !slices.Equal(p.requests, []string{url}) {
		t.Errorf("the page asked the network for %q, want only itself", p.requests)
	}
	if len(p.complaints) > 0 {
		t.Errorf("the page complained: %q", p.complaints)
	}
}

// written is the address of the run's report, written as the tool writes it.
func written(t *testing.T, r *results.Run) string {
	t.Helper()
	dir := t.TempDir()
	if err := Write(dir, r); err != nil {
		t.Fatal(err)
	}
	return "file://" + filepath.Join(dir, HTMLFile)
}

func visit(t *testing.T, p *tab, url string) {
	t.Helper()
	if err := chromedp.Do(p, chromedp.Navigate(url)); err != nil {
		t.Fatalf("open the report: %v", err)
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
