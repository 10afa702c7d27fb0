package live

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/policycortex/headroom/reports"
	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// sampleRun tells a server of the seconds of a run: a scenario of requests with a limit, and one of flows.
type sampleRun struct {
	server *Server
	loads  []*results.Load
	series []*results.Series
	second int
}

func newSampleRun(t testing.TB) *sampleRun {
	t.Helper()
	s, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &sampleRun{server: s}
	load := func(name string) *results.Load {
		return &results.Load{
			Scenario: name, Executor: "constant-arrival-rate", Open: true, MeasuredFrom: 5, MeasuredTo: 100, Sent: 100,
			Lag: results.NewHistogram(), OwnLag: results.NewHistogram(),
			Stages: []results.Stage{{Name: "only", From: 5, To: 100}},
		}
	}
	series := func(scenario, name, flow string) *results.Series {
		q := &results.Series{
			Scenario: scenario, Name: name, Requests: 100,
			Tags:     map[string]string{"scenario": scenario, "name": name},
			Response: results.NewHistogram(), Service: results.NewHistogram(),
		}
		if flow != "" {
			q.Tags["flow"] = flow
		}
		for i := range 100 {
			q.Response.Record(time.Duration(i) * time.Millisecond)
		}
		return q
	}
	r.loads = []*results.Load{load("browse"), load("buy")}
	r.series = []*results.Series{
		series("browse", "get", ""), series("buy", "basket", "buy"), series("buy", "pay", "buy"),
	}
	var thresholds []scenarios.Threshold
	for _, source := range [][2]string{
		{"http_req_failed", "rate<0.01"}, {"http_req_duration{scenario:browse}", "max<50"}, {"checks", "rate>0.9"},
	} {
		threshold, err := scenarios.ParseThreshold(source[0], source[1])
		if err != nil {
			t.Fatal(err)
		}
		thresholds = append(thresholds, threshold)
	}
	s.Begin("shop <b>", thresholds)
	return r
}

// tell tells the server of the next second.
func (r *sampleRun) tell() {
	m := &results.Measurements{
		Started: time.Date(2026, 11, 23, 21, 4, 5, 0, time.UTC), Elapsed: float64(r.second + 1), Loads: r.loads,
		Series: r.series, Health: &results.Health{Seconds: []results.HealthSecond{
			{At: float64(r.second + 1), Length: 1, Generator: 0.5},
		}},
	}
	one := func(scenario, request string, asked, requests int64) results.Point {
		return results.Point{
			Scenario: scenario, Request: request, Second: r.second, Asked: asked, Requests: requests,
			Warmup: r.second < 5, P50: 2, P95: 5, P99: 9, Max: 12,
		}
	}
	m.Points = []results.Point{
		one("browse", "", 100, 97), one("browse", "get", 0, 97), one("buy", "", 10, 20), one("buy", "basket", 0, 10),
		one("buy", "pay", 0, 10),
	}
	r.second++
	r.server.Second(Second{
		Elapsed: time.Duration(r.second) * time.Second, Total: 100 * time.Second,
		Scenarios: []reports.LiveScenario{
			{Name: "browse", State: "measuring", Open: true, Last: m.Points[0], InFlight: 3, Failed: 1},
			{Name: "buy", State: "measuring", Open: true, Last: m.Points[2]},
		},
		Measurements: m, Flushed: []float64{float64(r.second), float64(r.second)},
	})
}

// event is what the page gets.
type event struct {
	kind   string
	Title  string            `json:"title"`
	HTML   map[string]string `json:"html"`
	Charts []struct {
		ID      string `json:"id"`
		Title   string `json:"title"`
		Section string `json:"section"`
		Choices []any  `json:"choices"`
	} `json:"charts"`
}

// stream follows the events of a server.
type stream struct {
	body io.ReadCloser
	in   *bufio.Reader
}

func follow(t *testing.T, s *Server) *stream {
	t.Helper()
	resp, err := http.Get(s.URL() + "events")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%s, %s", resp.Status, resp.Header.Get("Content-Type"))
	}
	return &stream{resp.Body, bufio.NewReader(resp.Body)}
}

// next is the next event; false when the stream has ended.
func (s *stream) next(t *testing.T) (e event, more bool) {
	t.Helper()
	for {
		line, err := s.in.ReadString('\n')
		if err == io.EOF {
			return e, false
		}
		if err != nil {
			t.Fatal(err)
		}
		line = strings.TrimSuffix(line, "\n")
		if kind, ok := strings.CutPrefix(line, "event: "); ok {
			e.kind = kind
		}
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			if err := json.Unmarshal([]byte(data), &e); err != nil {
				t.Fatal(err)
			}
			return e, true
		}
	}
}

// TestPageFollowsTheRun: events have the figures, the charts and the gates of the run so far, until it has ended.
func TestPageFollowsTheRun(t *testing.T) {
	r := newSampleRun(t)
	s := follow(t, r.server)
	first, _ := s.next(t)
	if first.Title != "starting · shop <b> · Headroom" || len(first.Charts) > 0 {
		t.Errorf("before the load: %+v", first)
	}
	var last event
	for range 8 {
		r.tell()
		last, _ = s.next(t)
	}
	for last.HTML["live-headline"] != "0:08 of 1:40" {
		last, _ = s.next(t)
	}
	for id, want := range map[string][]string{
		"live-state":     {"running"},
		"live-headline":  {"0:08 of 1:40"},
		"live-scenarios": {"browse", "100/s", "97.0/s", "measuring", "5.00", ">3<"},
		"live-health":    {"0.500 cores", "not available"},
		"live-judged":    {"As they stood after"},
		"live-gates":     {"✓ held", "✗ crossed", "nothing measured yet"},
	} {
		for _, text := range want {
			if !strings.Contains(last.HTML[id], text) {
				t.Errorf("%s is %q, want %q in it", id, last.HTML[id], text)
			}
		}
	}
	charts := map[string]int{}
	for _, c := range last.Charts {
		charts[c.Section+" "+c.ID+" "+c.Title] = len(c.Choices)
	}
	for name, choices := range map[string]int{
		"time throughput-chart Throughput": 2, "time response-chart Response time": 5, "health cpu-chart CPU": 1,
	} {
		if charts[name] != choices {
			t.Errorf("%s has %d choices, want %d; the charts are %v", name, charts[name], choices, charts)
		}
	}
	r.server.End("PASS. The report is in results/<run>.")
	if err := r.server.Close(); err != nil {
		t.Error(err)
	}
	for last, more := s.next(t); more; last, more = s.next(t) {
		if last.kind == "end" && last.HTML["live-state"] == "ended" &&
			last.HTML["live-headline"] == "PASS. The report is in results/&lt;run&gt;." {
			if _, more := s.next(t); more {
				t.Error("there are events after the end")
			}
			return
		}
	}
	t.Error("the end was not told")
}

// TestNobodyLooks: without a viewer nothing is judged and nothing is drawn.
func TestNobodyLooks(t *testing.T) {
	r := newSampleRun(t)
	for range 10 {
		r.tell()
	}
	r.server.mu.Lock()
	if r.server.now.GatesTo > 0 {
		t.Error("gates were judged for nobody")
	}
	if n := len(r.server.now.Measurements.Points); n != 10*3 {
		t.Errorf("%d points are kept, want those of two scenarios and of the requests with which flows begin", n)
	}
	r.server.mu.Unlock()
	page, err := http.Get(r.server.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer page.Body.Close()
	html, err := io.ReadAll(page.Body)
	if err != nil {
		t.Fatal(err)
	}
	if text := string(html); !strings.Contains(text, "shop &lt;b&gt;") ||
		!strings.Contains(text, "connect-src &#39;self&#39;") {
		t.Error("the page does not say which run it shows, or may ask others")
	}
	if err := r.server.Close(); err != nil {
		t.Error(err)
	}
	if _, err := http.Get(r.server.URL()); err == nil {
		t.Error("the page is served after the end")
	}
}

// TestSlowViewer: one that does not read holds up neither the run nor the end.
func TestSlowViewer(t *testing.T) {
	r := newSampleRun(t)
	follow(t, r.server)
	for range 50 {
		r.tell()
	}
	r.server.End("PASS.")
	if err := r.server.Close(); err != nil {
		t.Error(err)
	}
}

func TestManyViewers(t *testing.T) {
	r := newSampleRun(t)
	var all []*stream
	for range mostViewers {
		s := follow(t, r.server)
		s.next(t)
		all = append(all, s)
	}
	resp, err := http.Get(r.server.URL() + "events")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("one more viewer got %s", resp.Status)
	}
	for _, s := range all {
		s.body.Close()
	}
	if err := r.server.Close(); err != nil {
		t.Error(err)
	}
}

// TestOnlyThisMachine: the page is served at loopback addresses alone, and to pages with their names alone.
func TestOnlyThisMachine(t *testing.T) {
	for address, fault := range map[string]string{
		"0.0.0.0:0": "loopback", "[::]:0": "loopback", "example.com:80": "loopback", "8080": "no address",
		"127.0.0.1:99999": "port",
	} {
		s, err := Listen(address)
		if err == nil {
			s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), fault) {
			t.Errorf("%s: %v, want %q", address, err, fault)
		}
	}
	s, err := Listen(":0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if !strings.HasPrefix(s.URL(), "http://127.0.0.1:") {
		t.Errorf("without a host it is at %s", s.URL())
	}
	for host, want := range map[string]int{
		"": 200, "localhost:1": 200, "127.0.0.1": 200, "evil.example": 403, "evil.example:80": 403, "10.0.0.1:80": 403,
	} {
		req, err := http.NewRequest(http.MethodGet, s.URL(), nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("asked for as %q: %s, want %d", host, resp.Status, want)
		}
	}
}

// BenchmarkSecond is what a second costs the run: without a viewer, and with one, for whom it is judged and drawn as
// often as that may be.
func BenchmarkSecond(b *testing.B) {
	for _, viewers := range []int{0, 1} {
		b.Run(fmt.Sprintf("viewers=%d", viewers), func(b *testing.B) {
			r := newSampleRun(b)
			defer r.server.Close()
			if viewers > 0 {
				r.server.viewers[make(chan frame, 1)] = true
			}
			b.ReportAllocs()
			for b.Loop() {
				r.tell()
			}
		})
	}
}

// BenchmarkEvent is what one event costs of a run of an hour with two scenarios.
func BenchmarkEvent(b *testing.B) {
	r := newSampleRun(b)
	defer r.server.Close()
	for range 3600 {
		r.tell()
	}
	b.ReportAllocs()
	for b.Loop() {
		data, err := reports.LiveEvent(r.server.now)
		if err != nil || !slices.Contains(data, '{') {
			b.Fatal(err)
		}
		b.SetBytes(int64(len(data)))
	}
}
