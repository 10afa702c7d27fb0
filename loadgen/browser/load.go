package browser

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

const (
	// quiet is for how long nothing must be on its way before a page has settled.
	quiet = 500 * time.Millisecond
	// settleLimit is how long a page that is never quiet may take to settle after its load event.
	settleLimit = 10 * time.Second
	// reaction is how long a page is watched after a click, at least.
	reaction = time.Second
)

var errTimeout = errors.New("the page did not load in time")

// observe is run before anything of a page is, read when it has settled.
var (
	//go:embed observe.js
	observe string
	//go:embed painted.js
	painted string
	//go:embed frames.js
	frames string
	//go:embed read.js
	read string
)

// loaded is what became of a page.
type loaded struct {
	status int // of its document
	vitals results.PageLoad
}

// load loads a page as a first visit does, clicks on what the CSS selector click names if it is not empty, and returns
// what was measured. The page has the timeout to load and to settle.
func load(ctx context.Context, url, click string, timeout time.Duration, under scenarios.Browser) (*loaded, error) {
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	tab, closeTab := chromedp.NewContext(limited, chromedp.WithNewBrowserContext())
	defer closeTab()
	l, err := loadIn(tab, url, click, under)
	if err != nil && ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil && limited.Err() != nil {
		return nil, errTimeout
	}
	return l, err
}

func loadIn(tab context.Context, url, click string, under scenarios.Browser) (*loaded, error) {
	t := newTraffic()
	if err := chromedp.Listen(tab, t.note); err != nil {
		return nil, err
	}
	if err := prepare(tab, under); err != nil {
		return nil, err
	}
	response, err := chromedp.Run(tab, chromedp.NavigateResponse(url))
	if err != nil {
		return nil, err
	}
	if err := errors.Join(t.settle(tab), paint(tab)); err != nil {
		return nil, err
	}
	l := &loaded{status: int(response.Status)}
	l.vitals, err = chromedp.Run(tab, chromedp.Evaluate[results.PageLoad](read))
	if err == nil && click != "" {
		err = interact(tab, click, &l.vitals)
	}
	t.addTo(&l.vitals)
	return l, err
}

// prepare sets up a tab: a page that is seen, on a network and a CPU as asked for, with observers of its vitals.
func prepare(tab context.Context, under scenarios.Browser) error {
	_, err := chromedp.Call(tab, page.AddScriptToEvaluateOnNewDocument,
		page.AddScriptToEvaluateOnNewDocumentParams{Source: observe})
	if err != nil {
		return err
	}
	// nothing is painted of a page that is in the background
	_, err = chromedp.Call(tab, emulation.SetFocusEmulationEnabled,
		emulation.SetFocusEmulationEnabledParams{Enabled: true})
	if err != nil {
		return err
	}
	if under.CPU > 1 {
		_, err = chromedp.Call(tab, emulation.SetCPUThrottlingRate,
			emulation.SetCPUThrottlingRateParams{Rate: under.CPU})
		if err != nil {
			return fmt.Errorf("slow down the CPU: %w", err)
		}
	}
	if conditions, limited := under.Network.Conditions(); limited {
		_, err = chromedp.Call(tab, emulateNetworkConditions, networkConditions{
			Latency: float64(conditions.Latency) / float64(time.Millisecond), Download: conditions.Download,
			Upload: conditions.Upload,
		})
		if err != nil {
			return fmt.Errorf("slow down the network: %w", err)
		}
	}
	return nil
}

// networkConditions are the parameters of Network.emulateNetworkConditions. The protocol has a newer command for this,
// which browsers of the past years do not know; all know this one.
type networkConditions struct {
	Offline  bool    `json:"offline"`
	Latency  float64 `json:"latency"`            // ms, from a request to the head of its response
	Download float64 `json:"downloadThroughput"` // bytes per second
	Upload   float64 `json:"uploadThroughput"`
}

var emulateNetworkConditions = cdp.Command[networkConditions, cdp.Empty]{Method: "Network.emulateNetworkConditions"}

// wait waits for d or the end of the tab.
func wait(tab context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-tab.Done():
		return tab.Err()
	}
}

// traffic is what a page sends and receives.
type traffic struct {
	mu       sync.Mutex
	open     map[network.RequestID]bool // requests that are to end: streams are not
	last     time.Time                  // something happened
	requests int64
	bytes    int64
	// when the document was asked for, and when the head of its response came, in seconds of the browser's clock
	asked, answered float64
}

func newTraffic() *traffic { return &traffic{open: map[network.RequestID]bool{}, last: time.Now()} }

// note takes an event of the tab.
func (t *traffic) note(event any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		if strings.HasPrefix(e.Request.URL, "data:") {
			return
		}
		t.requests++
		if t.asked == 0 { // the first one is for the document
			t.asked = e.Timestamp.Float64()
		}
		if e.RedirectResponse != nil {
			t.bytes += int64(e.RedirectResponse.EncodedDataLength)
		}
		if e.Type != network.ResourceTypeEventSource {
			t.open[e.RequestID] = true
		}
	case *network.EventResponseReceived:
		if t.answered == 0 {
			t.answered = e.Timestamp.Float64()
		}
	case *network.EventLoadingFinished:
		t.bytes += int64(e.EncodedDataLength)
		delete(t.open, e.RequestID)
	case *network.EventLoadingFailed:
		delete(t.open, e.RequestID)
	default:
		return
	}
	t.last = time.Now()
}

// settle waits until nothing has been on its way for a while.
func (t *traffic) settle(tab context.Context) error {
	for limit := time.Now().Add(settleLimit); time.Now().Before(limit); {
		t.mu.Lock()
		left := quiet - time.Since(t.last)
		if len(t.open) > 0 {
			left = quiet
		}
		t.mu.Unlock()
		if left <= 0 {
			return nil
		}
		if err := wait(tab, min(left, 50*time.Millisecond)); err != nil {
			return err
		}
	}
	return nil
}

// paint waits until the page has painted what it has to show, and for the frames after that. A page on a slow CPU may
// be painted long after it was loaded; without this, the slowest pages would be those that nothing is known of.
func paint(tab context.Context) error {
	if err := until(tab, painted); err != nil {
		return err
	}
	return chromedp.Do(tab, chromedp.Evaluate[chromedp.Void](frames, chromedp.EvalAwaitPromise))
}

// interact clicks on what a CSS selector names, waits until the browser has shown what comes of it, and reads the
// vitals again, unless that is another page.
func interact(tab context.Context, selector string, vitals *results.PageLoad) error {
	origin, err := chromedp.Run(tab, chromedp.Evaluate[float64]("performance.timeOrigin"))
	if err != nil {
		return err
	}
	if err := chromedp.Do(tab, chromedp.Click(chromedp.CSS(selector))); err != nil {
		return fmt.Errorf("click on %s: %w", selector, err)
	}
	if err := wait(tab, reaction); err != nil {
		return err
	}
	elsewhere := fmt.Sprintf("performance.timeOrigin !== %v", origin)
	if err := until(tab, elsewhere+" || "+interacted); err != nil {
		return err
	}
	left, err := chromedp.Run(tab, chromedp.Evaluate[bool](elsewhere))
	if err != nil || left {
		return err
	}
	*vitals, err = chromedp.Run(tab, chromedp.Evaluate[results.PageLoad](read))
	return err
}

// interacted is whether the page knows how long it took to show what came of an interaction.
const interacted = `window[Symbol.for("headroom vitals")]().inp !== null`

// until waits for an expression to become true, but not for ever.
func until(tab context.Context, expression string) error {
	for limit := time.Now().Add(settleLimit); time.Now().Before(limit); {
		done, err := chromedp.Run(tab, chromedp.Evaluate[bool](expression))
		if err != nil || done {
			return err
		}
		if err := wait(tab, 50*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// addTo adds what the page itself does not know, or does not know right: Chromium notes the time of a response before
// it holds it back for the conditions of the network.
func (t *traffic) addTo(l *results.PageLoad) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l.Requests, l.Bytes = t.requests, t.bytes
	if t.answered > t.asked {
		l.TTFB = 1000 * (t.answered - t.asked)
	}
}
