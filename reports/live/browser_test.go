package live

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// newTab opens a tab of a headless Chromium that lives as long as the test. What its page complains of fails the test.
func newTab(t *testing.T) context.Context {
	t.Helper()
	binary, err := exec.LookPath("chromium")
	if err != nil {
		const missing = "no chromium in PATH, without which the page cannot be tested: install Debian's package " +
			"chromium"
		if os.Getenv("CI") == "" {
			t.Skip(missing) // a developer may do without; CI installs it
		}
		t.Fatal(missing)
	}
	limited, cancelLimit := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancelLimit)
	flags := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.ExecPath(binary),
		chromedp.DisableGPU, chromedp.WSURLReadTimeout(time.Minute), chromedp.Flag("disable-component-update", true))
	allocator, cancelAllocator := chromedp.NewExecAllocator(limited, flags...)
	t.Cleanup(cancelAllocator)
	tab, cancelTab := chromedp.NewContext(allocator)
	t.Cleanup(cancelTab)
	if err := chromedp.Do(tab); err != nil {
		t.Fatalf("start %s: %v", binary, err)
	}
	err = chromedp.Listen(tab, func(event any) {
		if e, ok := event.(*runtime.EventExceptionThrown); ok {
			t.Errorf("the page complains: %s %s", e.ExceptionDetails.Text, e.ExceptionDetails.Exception.Description)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

func eval[T any](t *testing.T, tab context.Context, expression string) T {
	t.Helper()
	v, err := chromedp.Run(tab, chromedp.Evaluate[T](expression))
	if err != nil {
		t.Fatalf("evaluate %s: %v", expression, err)
	}
	return v
}

func await(t *testing.T, tab context.Context, expression string) {
	t.Helper()
	if _, err := chromedp.Run(tab, chromedp.Poll[bool](expression)); err != nil {
		t.Fatalf("wait for %s: %v", expression, err)
	}
}

// TestPageInBrowser: the page draws the charts of the run as it goes on, fits a telephone's screen, and says the end.
func TestPageInBrowser(t *testing.T) {
	t.Parallel()
	r := newSampleRun(t)
	tab := newTab(t)
	if err := chromedp.Do(tab, chromedp.EmulateViewport(420, 900)); err != nil {
		t.Fatal(err)
	}
	if err := chromedp.Do(tab, chromedp.Navigate(r.server.URL())); err != nil {
		t.Fatal(err)
	}
	await(t, tab, `document.getElementById("live-state").textContent === "starting"`)
	const length = `(id => {
		const element = document.getElementById(id), chart = element && echarts.getInstanceByDom(element);
		return chart ? chart.getOption().series[0].data.length : 0;
	})("throughput-chart")`
	for range 70 {
		r.tell()
	}
	await(t, tab, length+` === 70`)
	if width := eval[int](t, tab, `document.scrollingElement.scrollWidth`); width > 420 {
		t.Errorf("the page is %d pixels wide on a screen of 420", width)
	}
	// What the viewer has chosen stays when the run goes on.
	eval[chromedp.Void](t, tab, `document.getElementsByName("throughput-chart")[1].click()`)
	r.tell()
	await(t, tab, length+` === 71`)
	names := eval[[]string](t, tab,
		`echarts.getInstanceByDom(document.getElementById("throughput-chart")).getOption().legend[0].data.map(d => d.name)`)
	if !slices.Equal(names, []string{"buy", "buy, asked"}) {
		t.Errorf("the chosen flows became %q", names)
	}
	if text := eval[string](t, tab, `document.body.innerText`); !strings.Contains(text, "✗ crossed") ||
		!strings.Contains(text, "0.500 cores") || strings.Contains(text, "does not answer") {
		t.Errorf("the page says %s", text)
	}
	r.server.End("FAIL.")
	if err := r.server.Close(); err != nil {
		t.Error(err)
	}
	await(t, tab, `document.getElementById("live-state").textContent === "ended"`)
	if gone := eval[bool](t, tab, `!document.getElementById("gone").hidden`); gone {
		t.Error("the page says that the test does not answer, though it has ended")
	}
}
