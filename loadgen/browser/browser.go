// Package browser sends a scenario's requests by loading pages in Chromium, and measures what a visitor gets of them.
//
// Each load is that of a first visit: it has a browser profile of its own, without cache, cookies and connections. A
// page counts as loaded when its load event has fired, and as settled when nothing of it has been on its way for half a
// second and what it shows has been painted; its vitals are read then. The definitions are those of
// https://web.dev/articles/vitals.
package browser

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/chromedp"

	"github.com/policycortex/headroom/loadgen/arrival"
	"github.com/policycortex/headroom/loadgen/record"
	"github.com/policycortex/headroom/loadgen/request"
	"github.com/policycortex/headroom/scenarios"
)

// Config is what an engine needs: when to load what from where, under which conditions, and who counts it.
type Config struct {
	Timing    *arrival.Timing
	Requests  *request.Set
	Collector *record.Collector
	Target    []string // base URLs of its instances
	Load      scenarios.Browser
}

// Engine loads the pages of one scenario: each of its users one after the other.
type Engine struct {
	config    Config
	name      string
	browser   context.Context
	stop      func()
	next      atomic.Int64 // iteration of this shard
	inFlight  atomic.Int64
	recording sync.Mutex // one recorder for all users: they load few pages a second
	recorder  *record.Recorder
	start     time.Time
}

// programs are the names of Chromium, the first one that is in PATH is used.
var programs = []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"}

// ErrNoBrowser is returned where no Chromium is installed.
var ErrNoBrowser = errors.New("executor browser needs Chromium or Chrome in PATH (chromium, chromium-browser, " +
	"google-chrome): install it, on Debian with apt-get install chromium")

// New starts the browser, so that this takes nothing of the measured time. The browser ends with ctx, with the run, or
// with Discard.
func New(ctx context.Context, c Config) (*Engine, error) {
	path := find()
	if path == "" {
		return nil, ErrNoBrowser
	}
	browser, stop, version, err := open(ctx, path)
	if err != nil {
		return nil, err
	}
	return &Engine{
		config: c, browser: browser, stop: stop, name: version + conditions(c.Load),
		recorder: c.Collector.NewRecorder(),
	}, nil
}

// startLimit is how long the browser may take to start: long, because a busy machine takes its time.
const startLimit = 2 * time.Minute

// open starts a browser that ends with ctx, or with stop.
func open(ctx context.Context, path string) (tab context.Context, stop func(), version string, err error) {
	flags := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.ExecPath(path), chromedp.DisableGPU,
		chromedp.Flag("disable-component-update", true), chromedp.WSURLReadTimeout(startLimit))
	allocator, stopAllocator := chromedp.NewExecAllocator(ctx, flags...)
	tab, stopTab := chromedp.NewContext(allocator)
	stop = func() {
		stopTab()
		stopAllocator()
	}
	about, err := chromedp.CallBrowser(tab, browser.GetVersion, cdp.Empty{})
	if err != nil {
		stop()
		return nil, nil, "", fmt.Errorf("start %s: %w", path, err)
	}
	return tab, stop, about.Product, nil
}

func find() string {
	for _, name := range programs {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// conditions names those under which pages are loaded.
func conditions(load scenarios.Browser) string {
	text := ""
	if load.Network != "" {
		text += ", " + string(load.Network)
	}
	if load.CPU > 1 {
		text += fmt.Sprintf(", CPU slowed down %v times", load.CPU)
	}
	return text
}

// Name is the browser with its version, and the conditions.
func (e *Engine) Name() string { return e.name }

// Discard ends the browser.
func (e *Engine) Discard() { e.stop() }

// Run loads pages, from start on, until the schedule's end. Loads that are under way then go on until gracefulStop has
// passed or ctx is cancelled.
func (e *Engine) Run(ctx context.Context, start time.Time) {
	defer e.stop()
	e.start = start
	cut, cancel := context.WithDeadline(e.browser, start.Add(e.config.Timing.LatestEnd()))
	defer cancel()
	defer context.AfterFunc(ctx, cancel)()
	ended := make(chan struct{})
	go e.advance(ended)
	var users sync.WaitGroup
	for user := range e.config.Timing.Users {
		users.Go(func() { e.visit(ctx, cut, e.config.Target[user%len(e.config.Target)]) })
	}
	users.Wait()
	close(ended)
	e.film(ctx)
	e.recording.Lock()
	defer e.recording.Unlock()
	e.recorder.Close()
}

// film takes pictures of one more load of each page, when all that is measured has been. A page that cannot be loaded
// has none.
func (e *Engine) film(ctx context.Context) {
	filming, cancel := context.WithTimeout(e.browser, filmLimit)
	defer cancel()
	defer context.AfterFunc(ctx, cancel)()
	for i := range e.config.Requests.Len() {
		draw := e.config.Requests.DrawOf(i, 0)
		url := string(e.config.Requests.AppendPath([]byte(e.config.Target[0]), &draw))
		pictures, err := film(filming, url, e.config.Requests.Plan(i).Timeout, e.config.Load)
		if err == nil {
			e.config.Collector.KeepPictures(i, pictures)
		}
	}
}

// filmLimit bounds how long the pictures of all pages may take after the measured time.
const filmLimit = time.Minute

// advance hands over the seconds in which nothing ended.
func (e *Engine) advance(ended <-chan struct{}) {
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-ended:
			return
		case <-ticker.C:
			e.recording.Lock()
			e.recorder.Advance(time.Since(e.start))
			e.recording.Unlock()
		}
	}
}

// visit is a user, who loads one page after the other from an instance of the target. A browser that crashes fails the
// loads that are under way, and nothing can be loaded after that.
func (e *Engine) visit(ctx, cut context.Context, target string) {
	timing := e.config.Timing
	for ctx.Err() == nil && e.browser.Err() == nil && time.Since(e.start) < timing.Window.End() {
		draw := e.config.Requests.Draw(timing.Shard.Iteration(e.next.Add(1) - 1))
		e.recorder.SetInFlight(e.inFlight.Add(1))
		o := record.Outcome{Request: draw.Request, Iteration: draw.N, Sent: time.Since(e.start)}
		o.Intended = o.Sent
		plan := e.config.Requests.Plan(draw.Request)
		page, err := load(cut, string(e.config.Requests.AppendPath([]byte(target), &draw)), plan.Click,
			plan.Timeout, e.config.Load)
		o.Done = time.Since(e.start)
		e.recorder.SetInFlight(e.inFlight.Add(-1))
		e.record(&o, page, err, ctx.Err() != nil)
	}
}

// record counts a load as one request, whose times end with the load event. Vitals are kept of pages alone that came
// with the expected status: those of an error page are of no interest.
func (e *Engine) record(o *record.Outcome, page *loaded, err error, ended bool) {
	plan := e.config.Requests.Plan(o.Request)
	if err != nil {
		o.ErrorText = err.Error()
		o.ErrorClass = classOf(err, ended)
	} else {
		o.Status, o.ReceivedBytes = page.status, page.vitals.Bytes
		o.Done = o.Sent + time.Duration(page.vitals.Load*float64(time.Millisecond))
	}
	if err == nil && request.Expected(plan, page.status) {
		e.config.Collector.KeepPage(o.Request, o.Sent, page.vitals)
	}
	e.recording.Lock()
	defer e.recording.Unlock()
	e.recorder.Record(o)
}

// classOf is the class of an error of a load.
func classOf(err error, ended bool) string {
	switch {
	case errors.Is(err, errTimeout):
		return record.ErrorTimeout
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		if ended {
			return record.ErrorCut
		}
		return record.ErrorUnanswered
	}
	for sign, class := range map[string]string{
		"ERR_CONNECTION_REFUSED": record.ErrorRefused, "ERR_CONNECTION_RESET": record.ErrorReset,
		"ERR_EMPTY_RESPONSE": record.ErrorClosed, "ERR_CONNECTION_CLOSED": record.ErrorClosed,
		"ERR_INCOMPLETE_CHUNKED_ENCODING": record.ErrorClosed, "ERR_NAME_NOT_RESOLVED": record.ErrorLookup,
		"ERR_TOO_MANY_REDIRECTS": record.ErrorRedirects, "ERR_CERT": record.ErrorTLS, "ERR_SSL": record.ErrorTLS,
		"ERR_INVALID_HTTP_RESPONSE": record.ErrorMalformed,
	} {
		if strings.Contains(err.Error(), sign) {
			return class
		}
	}
	return record.ErrorOther
}
