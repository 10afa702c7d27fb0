package browser

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image/jpeg"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/policycortex/headroom/loadgen/arrival"
	"github.com/policycortex/headroom/loadgen/record"
	"github.com/policycortex/headroom/loadgen/request"
	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// needChromium fails in CI, which installs it; a developer may do without.
func needChromium(t *testing.T) {
	t.Helper()
	if find() != "" {
		return
	}
	if os.Getenv("CI") == "" {
		t.Skip(ErrNoBrowser)
	}
	t.Fatal(ErrNoBrowser)
}

const late = 300 * time.Millisecond

// shop is a site whose pages have vitals that follow from how they are made.
func shop(t *testing.T) *httptest.Server {
	t.Helper()
	html := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, "<!doctype html><link rel=icon href=data:,>"+text)
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/plain", html(`<p>A text.`))
	mux.HandleFunc("/late", func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(late)
		html(`<p>A text.`)(w, r)
	})
	mux.HandleFunc("/blank", html(``))
	mux.HandleFunc("/parts", html(`<link rel=stylesheet href=/1000><p>A text.<script src=/2000></script>`))
	for n, kind := range map[int]string{1000: "text/css", 2000: "text/javascript"} {
		mux.HandleFunc(fmt.Sprint("/", n), func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			fmt.Fprint(w, "/*"+strings.Repeat("x", n-4)+"*/")
		})
	}
	// an insertion moves what is below it by half of the window, a tenth of a second after the first paint
	mux.HandleFunc("/moves", html(`<body style="margin:0"><div id=a></div><div style="height:50vh;background:red">A text.</div>
		<script>setTimeout(() => document.getElementById("a").style.height = "50vh", 100)</script>`))
	// painted after the page has been loaded and nothing has been on its way for a while
	mux.HandleFunc("/painted-late", html(`<body><script>addEventListener("load", () => setTimeout(() => {
			for (const end = performance.now() + 1500; performance.now() < end;);
			document.body.append("A text.");
		}))</script>`))
	for name, ms := range map[string]int{"quick": 0, "slow": 300, "slower": 1500} {
		mux.HandleFunc("/"+name+"-button", html(fmt.Sprintf(`<button id=b>Press</button><p id=p></p><script>
		document.getElementById("b").onclick = () => {
			for (const end = performance.now() + %d; performance.now() < end;);
			document.getElementById("p").textContent = "Done.";
		}</script>`, ms)))
	}
	mux.HandleFunc("/link", html(`<a id=b href=/late>Go</a>`))
	mux.HandleFunc("/hangs", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	// a stream that goes on does not keep a page from settling
	mux.HandleFunc("/live", html(`<p>A text.<script>new EventSource("/stream")</script>`))
	mux.HandleFunc("/stream", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.WriteHeader(http.StatusOK)
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	mux.HandleFunc("/cookie", func(w http.ResponseWriter, r *http.Request) {
		if _, err := r.Cookie("been"); err == nil {
			http.Error(w, "been here", http.StatusConflict)
			return
		}
		http.SetCookie(w, &http.Cookie{Name: "been", Value: "1"})
		html(`<p>A text.`)(w, r)
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

// run carries out the only scenario of a file, whose load is that of a browser, against a site.
func run(t *testing.T, ctx context.Context, site, text string) *results.Measurements {
	t.Helper()
	needChromium(t)
	file := filepath.Join(t.TempDir(), "pages.yaml")
	plan, err := scenarios.Parse(file,
		[]byte("target: {url: '"+site+"'}\nscenarios:\n  pages:\n    executor: browser\n"+text))
	if err != nil {
		t.Fatal(err)
	}
	s := &plan.Scenarios[0]
	requests, err := request.New(plan.Seed, s, request.Sources{})
	if err != nil {
		t.Fatal(err)
	}
	timing := &arrival.Timing{
		Window: arrival.NewWindow(s, nil), Shard: arrival.Whole, Users: s.Load.Workers(), GracefulStop: s.GracefulStop,
	}
	collector := record.New(plan, s, timing, requests)
	e, err := New(ctx, Config{
		Timing: timing, Requests: requests, Collector: collector, Target: []string{site},
		Load: s.Load.(scenarios.Browser),
	})
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	e.Run(ctx, start)
	if !strings.Contains(e.Name(), "Chrom") {
		t.Errorf("the browser is %s", e.Name())
	}
	collector.Finish(timing.Planned(time.Since(start)))
	var m results.Measurements
	if err := collector.AddTo(&m); err != nil {
		t.Fatal(err)
	}
	return &m
}

// start starts a browser for load.
func start(t *testing.T) context.Context {
	t.Helper()
	needChromium(t)
	ctx, stop, _, err := open(t.Context(), find())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return ctx
}

var unlimited = scenarios.Browser{CPU: 1}

// TestVitals: what is measured of pages follows from how they are made. Times have lower bounds alone, which hold
// however busy the machine is.
func TestVitals(t *testing.T) {
	browser, site := start(t), shop(t)
	t.Run("pages", func(t *testing.T) { vitalsAreRight(t, browser, site) })
	t.Run("throttled", func(t *testing.T) { networkLimits(t, browser, site) })
	t.Run("film", func(t *testing.T) { changesAreSeen(t, browser, site) })
}

func vitalsAreRight(t *testing.T, browser context.Context, site *httptest.Server) {
	get := func(path, click string) results.PageLoad {
		t.Helper()
		l, err := load(browser, site.URL+path, click, 30*time.Second, unlimited)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if l.status != http.StatusOK {
			t.Errorf("%s: status %d", path, l.status)
		}
		return l.vitals
	}
	plain := get("/plain", "")
	if plain.FCP == nil || plain.LCP == nil || *plain.FCP < plain.TTFB || *plain.LCP < *plain.FCP || plain.CLS != 0 ||
		plain.INP != nil || plain.Requests != 1 || plain.Bytes < 50 || plain.Load <= 0 {
		t.Errorf("plain: %+v", plain)
	}
	if l := get("/late", ""); l.TTFB < 300 || *l.FCP < 300 || l.Load < 300 {
		t.Errorf("late: %+v, FCP %v", l, *l.FCP)
	}
	if l := get("/blank", ""); l.FCP != nil || l.LCP != nil {
		t.Errorf("blank: %+v", l)
	}
	if l := get("/parts", ""); l.Requests != 3 || l.Bytes < plain.Bytes+3000 || l.Bytes > plain.Bytes+5000 {
		t.Errorf("parts: %+v", l)
	}
	if l := get("/moves", ""); l.CLS < 0.2 || l.CLS > 1 {
		t.Errorf("moves: %+v", l)
	}
	if l := get("/painted-late", ""); l.FCP == nil || *l.FCP < 1500 || l.LCP == nil || *l.LCP < 1500 {
		t.Errorf("painted late: %+v", l)
	}
	for name, ms := range map[string]float64{"quick": 0, "slow": 300, "slower": 1500} {
		if l := get("/"+name+"-button", "#b"); l.INP == nil || *l.INP < ms {
			t.Errorf("%s button: %+v", name, l)
		}
	}
	if l := get("/link", "#b"); l.INP != nil || l.Requests != 2 {
		t.Errorf("link: %+v", l)
	}
	if l := get("/live", ""); l.Requests != 2 || *l.FCP <= 0 {
		t.Errorf("live: %+v", l)
	}
	for range 2 { // a second visit is a first one too
		get("/cookie", "")
	}
	if _, err := load(browser, site.URL+"/hangs", "", 500*time.Millisecond, unlimited); !errors.Is(err, errTimeout) {
		t.Errorf("a page that hangs: %v", err)
	}
	if _, err := load(browser, site.URL+"/plain", "#none", time.Second, unlimited); !errors.Is(err, errTimeout) {
		t.Errorf("a click on what is not there: %v", err)
	}
}

// networkLimits holds that no page is faster than its network.
func networkLimits(t *testing.T, browser context.Context, site *httptest.Server) {
	l, err := load(browser, site.URL+"/parts", "", 30*time.Second, scenarios.Browser{Network: "slow-4g", CPU: 2})
	if err != nil {
		t.Fatal(err)
	}
	v := l.vitals
	if v.FCP == nil {
		t.Fatalf("nothing was painted: %+v", v)
	}
	// The page waits for its style sheet. On a busy machine it is painted after it was loaded.
	if v.TTFB < 562 || *v.FCP < 2*562 || v.Load < 2*562 {
		t.Errorf("on a network with 562.5 ms a request: %+v, first paint %v", v, *v.FCP)
	}
}

// TestPagesAreCounted: a load is a request, and the vitals are those of pages with the expected status. Each of the two
// users begins with another page.
func TestPagesAreCounted(t *testing.T) {
	site := shop(t)
	m := run(t, t.Context(), site.URL, `
    vus: 2
    duration: 4s
    requests: [{name: both, path: "/{{page}}", values: {page: {list: [parts, missing], choice: sequential}}}]
`)
	s, kept := m.Series[0], int64(len(m.Pages[0].Loads))
	if s.Requests < 2 || s.Failed < 1 || kept < 1 || kept != s.Requests-s.Failed || s.Response.Count() != s.Requests ||
		s.BytesReceived == 0 || s.Statuses[http.StatusNotFound] != s.Failed {
		t.Errorf("%d of %d failed, %d kept, %d times, %d bytes: %v", s.Failed, s.Requests, kept, s.Response.Count(),
			s.BytesReceived, s.Errors)
	}
	for _, l := range m.Pages[0].Loads {
		if l.Requests != 3 || l.FCP == nil || l.At < 0 || l.At > 4 {
			t.Errorf("kept was %+v", l)
		}
	}
	if l := m.Loads[0]; l.Open || l.Sent == 0 || l.Dropped != 0 || l.Executor != "browser" {
		t.Errorf("the load is %+v", l)
	}
}

// changesAreSeen holds that a page that changes after a while is seen as it was before and after that, in the order of
// time.
func changesAreSeen(t *testing.T, browser context.Context, site *httptest.Server) {
	pictures, err := film(browser, site.URL+"/moves", 30*time.Second, unlimited)
	if err != nil {
		t.Fatal(err)
	}
	if len(pictures) < 2 || len(pictures) > mostPictures {
		t.Fatalf("there are %d pictures", len(pictures))
	}
	for i, p := range pictures {
		size, err := jpeg.DecodeConfig(bytes.NewReader(p.JPEG))
		if err != nil || size.Width > pictureWidth || size.Height > pictureHeight || size.Width < 50 {
			t.Errorf("picture %d: %d by %d pixels, error %v", i, size.Width, size.Height, err)
		}
		if i > 0 && (p.At < pictures[i-1].At || bytes.Equal(p.JPEG, pictures[0].JPEG) && i == len(pictures)-1) {
			t.Errorf("picture %d is of %v ms, the one before it of %v", i, p.At, pictures[i-1].At)
		}
	}
}

func TestChosenPictures(t *testing.T) {
	c := &camera{}
	for i := range 24 {
		c.pictures = append(c.pictures, results.Picture{At: float64(i)})
	}
	kept := c.chosen()
	if len(kept) != mostPictures || kept[0].At != 0 || kept[mostPictures-1].At != 23 {
		t.Errorf("kept were %v", kept)
	}
	for i := 1; i < len(kept); i++ {
		if kept[i].At <= kept[i-1].At {
			t.Errorf("kept were %v", kept)
		}
	}
}

func TestConnectionRefused(t *testing.T) {
	site := shop(t)
	url := site.URL
	site.Close()
	m := run(t, t.Context(), url, `
    duration: 1s
    requests: [{name: plain, path: /plain}]
`)
	if s := m.Series[0]; s.Requests == 0 || s.Errors[record.ErrorRefused] != s.Requests {
		t.Errorf("%d requests, errors %v", s.Requests, s.Errors)
	}
}

// TestInterruption: a run that is interrupted ends at once, and its browser with it.
func TestInterruption(t *testing.T) {
	site := shop(t)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	began := time.Now()
	m := run(t, ctx, site.URL, `
    duration: 10m
    requests: [{name: hangs, path: /hangs, timeout: 10m}]
`)
	if took := time.Since(began); took > time.Minute {
		t.Errorf("it took %s", took)
	}
	if s := m.Series[0]; s.Failed != 0 {
		t.Errorf("what was cut off counts as failed: %v", s.Errors)
	}
}

func TestNoBrowser(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if _, err := New(t.Context(), Config{}); !errors.Is(err, ErrNoBrowser) ||
		!strings.Contains(err.Error(), "chromium") {
		t.Errorf("error %v", err)
	}
}
