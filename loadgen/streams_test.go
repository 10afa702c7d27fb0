package loadgen

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/policycortex/headroom/loadgen/record"
	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/judge"
	"github.com/policycortex/headroom/scenarios"
)

// ways are how streams are read: by an epoll where the system has one, and by net.Conn.
var ways = []string{"best", "portable"}

// liveOf is a plan of one scenario of subscribers to a path, whose events have id and time in their data.
func liveOf(n int, duration time.Duration, path scenarios.Template) *scenarios.Plan {
	return planOf(scenarios.Scenario{
		Name: "live",
		Load: scenarios.Subscribers{
			Subscribers: n, RampUp: 50 * time.Millisecond, Duration: duration, Retry: 20 * time.Millisecond,
			Resume: true,
			Event:  scenarios.StreamEvent{ID: scenarios.JSONPath{{Key: "id"}}, Time: scenarios.JSONPath{{Key: "at"}}},
		},
		Requests: []scenarios.Request{{Name: "stream", Method: "GET", Path: path, Timeout: 5 * time.Second, Weight: 1}},
	})
}

func thresholdOn(metric scenarios.MetricName, aggregation string, op scenarios.Operator, limit float64,
) scenarios.Threshold {
	return scenarios.Threshold{
		Metric: metric, Aggregation: scenarios.Aggregation{Name: aggregation}, Op: op, Limit: limit,
	}
}

// feed is a service whose streams go on after the last event ID, and break in the middle of an event.
type feed struct {
	mu               sync.Mutex
	requests, events int
	fresh            int // requests that did not ask to go on
	wrong            []string
}

// eventsOfStream is how many events one stream of the feed has before it breaks.
const eventsOfStream = 10

func (f *feed) handle(w http.ResponseWriter, r *http.Request) {
	last, _ := strconv.Atoi(r.Header.Get("Last-Event-ID"))
	f.mu.Lock()
	f.requests++
	if last == 0 {
		f.fresh++
	}
	if last%eventsOfStream != 0 || r.Header.Get("Accept") != "text/event-stream" ||
		r.Header.Get("Accept-Encoding") != "" {
		f.wrong = append(f.wrong, fmt.Sprint(r.Header))
	}
	f.mu.Unlock()
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	io.WriteString(w, "\ufeff: hello\nretry: 10\n\n")
	out := http.NewResponseController(w)
	for n := last + 1; n <= last+eventsOfStream; n++ {
		f.mu.Lock()
		f.events++
		f.mu.Unlock()
		now := time.Now()
		switch n % 3 {
		case 0:
			fmt.Fprintf(w, "id: %d\ndata: {\"id\": %[1]d, \"at\": %d}\n\n", n, now.UnixMicro())
		case 1:
			fmt.Fprintf(w, "id: %d\r\ndata: {\"id\": \"%[1]d\", \"at\": %q}\r\n\r\n", n, now.Format(time.RFC3339Nano))
		default: // in two pieces, the second of two lines
			fmt.Fprintf(w, ": beat\nid: %d\nda", n)
			out.Flush()
			fmt.Fprintf(w, "ta: {\"id\": %d,\ndata:\"at\": %d}\n\n", n, now.UnixNano())
		}
		out.Flush()
		time.Sleep(5 * time.Millisecond)
	}
	io.WriteString(w, "id: 999999\ndata: {\"id\": 99")
	out.Flush()
	panic(http.ErrAbortHandler)
}

// TestSubscribers: subscribers go on after each break without a gap or a double, and every event is timed.
func TestSubscribers(t *testing.T) {
	sideBySide(t, ways, func(t *testing.T, way string) {
		var f feed
		m := run1(t, liveOf(5, 800*time.Millisecond, literal("/")), serve(t, f.handle),
			Options{portable: way == "portable"})
		s, l := m.Streams[0], m.Loads[0]
		if len(m.Series) != 0 || len(m.Points) != 0 || l.Sent != 5 || l.Planned != 5 || l.Dropped != 0 || l.Open {
			t.Errorf("%d series, %d points, load %+v", len(m.Series), len(m.Points), l)
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		if len(f.wrong) > 0 || f.fresh != 5 {
			t.Errorf("%d asked for everything; asked otherwise: %q", f.fresh, f.wrong)
		}
		asked := int64(f.requests) // those of the last moment are on the way
		if s.Attempts < asked || s.Attempts > asked+5 || s.Opened > s.Attempts || s.Resumed != s.Attempts-5 ||
			s.Refused != 0 {
			t.Errorf("%d attempts of %d requests, %d opened, %d resumed, %d refused", s.Attempts, f.requests, s.Opened,
				s.Resumed, s.Refused)
		}
		if s.Breaks < 5 || s.Errors[record.ErrorClosed]+s.Errors[record.ErrorReset] != s.Breaks {
			t.Errorf("%d breaks: %v", s.Breaks, s.Errors)
		}
		if s.Events > int64(f.events) || s.Events < 5*eventsOfStream || s.Numbered != s.Events || s.Repeated != 0 ||
			s.Missed != 0 {
			t.Errorf("%d events of %d, %d numbered, %d repeated, %d missed", s.Events, f.events, s.Numbered, s.Repeated,
				s.Missed)
		}
		if s.Delivery.Count() != s.Events || s.FromFuture != 0 || s.Untimed != 0 || s.Gap.Count() != s.Events-5 {
			t.Errorf("%d timed of %d, %d from the future, %d untimed, %d gaps", s.Delivery.Count(), s.Events,
				s.FromFuture, s.Untimed, s.Gap.Count())
		}
		if s.FirstByte.Count() != s.Opened || s.FirstEvent.Count() > s.Opened || s.FirstEvent.Count() < s.Opened-5 {
			t.Errorf("%d first bytes and %d first events of %d", s.FirstByte.Count(), s.FirstEvent.Count(), s.Opened)
		}
		if share := s.ConnectedShare(); share <= 0 || share >= 1 {
			t.Errorf("connected for %v of the time", share)
		}
		holdStreamSeconds(t, m)
		v, err := judge.Run(m, []scenarios.Threshold{
			thresholdOn(scenarios.StreamRepeated, "count", "==", 0),
			thresholdOn(scenarios.StreamMissed, "count", "==", 0),
			thresholdOn(scenarios.StreamDelivery, "max", "<", 60_000),
			thresholdOn(scenarios.StreamConnected, "rate", ">", 0),
		})
		if err != nil || v.Outcome != results.Pass {
			t.Errorf("%+v, %v", v, err)
		}
	})
}

// holdStreamSeconds fails when the seconds do not add up to the whole.
func holdStreamSeconds(t *testing.T, m *results.Measurements) {
	t.Helper()
	var events, breaks int64
	most := 0
	for _, p := range m.StreamPoints {
		events, breaks, most = events+p.Events, breaks+p.Breaks, max(most, p.Connected)
	}
	if s := m.Streams[0]; events != s.Events || breaks != s.Breaks || most != s.Most {
		t.Errorf("the seconds have %d events and %d breaks of %d and %d, and %d of %d at most", events, breaks,
			s.Events,
			s.Breaks, most, s.Most)
	}
}

// refusals are answers that open no stream.
func refusals(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	switch r.URL.Path {
	case "/none":
		w.WriteHeader(http.StatusNoContent)
	case "/unknown":
		w.WriteHeader(http.StatusNotFound)
	case "/broken":
		w.WriteHeader(http.StatusInternalServerError)
	case "/page":
		w.Header().Set("Content-Type", "text/html")
	case "/packed":
		w.Header().Set("Content-Encoding", "gzip")
	}
	if r.URL.Path != "/none" {
		io.WriteString(w, "data: x\n\n")
	}
}

// TestRefusedSubscribers: what the standard says not to try again is not tried again, and nothing of it is an event.
func TestRefusedSubscribers(t *testing.T) {
	t.Parallel()
	url := serve(t, refusals)
	sideBySide(t, ways, func(t *testing.T, way string) {
		for path, class := range map[string]string{
			"/none": "status 204", "/unknown": "status 404", "/broken": "status 500", "/page": "not an event stream",
			"/packed": "compressed event stream",
		} {
			m := run1(t, liveOf(3, 200*time.Millisecond, literal(path)), url, Options{portable: way == "portable"})
			s := m.Streams[0]
			if s.Attempts != 3 || s.Refused != 3 || s.Opened != 0 || s.Events != 0 || s.Breaks != 0 ||
				s.Errors[class] != 3 {
				t.Errorf("%s: %+v", path, s.StreamCounts)
			}
			v, err := judge.Run(m, nil)
			if err != nil || v.Outcome != results.Fail || len(v.Failed) != 1 ||
				!strings.Contains(v.Failed[0], "nothing succeeded in scenario live: all 3 attempts") {
				t.Errorf("%s: %+v, %v", path, v, err)
			}
		}
	})
}

// restarting is a service behind a gateway that has no instance for the first attempts of each subscriber.
type restarting struct {
	mu    sync.Mutex
	asked map[string]int // by path
}

// unavailable are what the gateway answers, one after the other.
var unavailable = []int{http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout}

func (f *restarting) handle(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	n := f.asked[r.URL.Path]
	f.asked[r.URL.Path]++
	f.mu.Unlock()
	if n < len(unavailable) {
		w.Header().Set("Retry-After", "0")
		w.WriteHeader(unavailable[n])
		return
	}
	held(w, r, "data: {\"id\": 1, \"at\": 1}\n\n")
}

// TestSubscribersOfARestart: subscribers come through a restart, and what they met meanwhile is counted.
func TestSubscribersOfARestart(t *testing.T) {
	t.Parallel()
	sideBySide(t, ways, func(t *testing.T, way string) {
		f := restarting{asked: map[string]int{}}
		plan := liveOf(3, 2*time.Second, scenarios.Template{{Literal: "/"}, {Value: scenarios.ValueIteration}})
		m := run1(t, plan, serve(t, f.handle), Options{portable: way == "portable"})
		s := m.Streams[0]
		if s.Attempts != 12 || s.Opened != 3 || s.Refused != 0 || s.Events != 3 || s.Breaks != 0 ||
			s.Errors["status 502"] != 3 || s.Errors["status 503"] != 3 || s.Errors["status 504"] != 3 {
			t.Errorf("%+v", s.StreamCounts)
		}
	})
}

// TestIDsOfManyDocuments: ids that count the changes of each document are held against those of the same document.
func TestIDsOfManyDocuments(t *testing.T) {
	t.Parallel()
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		held(w, r, "data: {\"document\": \"a\", \"id\": 1}\n\ndata: {\"document\": \"b\", \"id\": 7}\n\n"+
			"data: {\"document\": \"a\", \"id\": 2}\n\ndata: {\"document\": \"b\", \"id\": 10}\n\n"+ // 8 and 9
			"data: {\"document\": \"a\", \"id\": 2}\n\n"+ // again
			"data: {\"id\": 1}\n\ndata: {\"document\": {}, \"id\": 1}\n\n") // of nothing
	})
	sideBySide(t, ways, func(t *testing.T, way string) {
		plan := liveOf(2, 300*time.Millisecond, literal("/"))
		load := plan.Scenarios[0].Load.(scenarios.Subscribers)
		load.Event.Of, load.Event.Time = scenarios.JSONPath{{Key: "document"}}, nil
		plan.Scenarios[0].Load = load
		m := run1(t, plan, url, Options{portable: way == "portable"})
		s := m.Streams[0]
		if s.Events != 2*7 || s.Numbered != 2*5 || s.Missed != 2*2 || s.Repeated != 2 {
			t.Errorf("%+v", s.StreamCounts)
		}
	})
}

// TestSubscribersOfNobody: a service that is not there is tried again, and what it was never asked has no data.
func TestSubscribersOfNobody(t *testing.T) {
	t.Parallel()
	realTime(t)
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	sideBySide(t, ways, func(t *testing.T, way string) {
		m := run1(t, liveOf(2, 300*time.Millisecond, literal("/")), server.URL, Options{portable: way == "portable"})
		s := m.Streams[0]
		if s.Attempts <= 4 || s.Opened != 0 || s.Refused != 0 || s.Resumed != 0 ||
			s.Errors[record.ErrorRefused] < s.Attempts-2 || s.ErrorSamples[record.ErrorRefused] == "" {
			t.Errorf("%+v", s.StreamCounts)
		}
		v, err := judge.Run(m, []scenarios.Threshold{
			thresholdOn(scenarios.StreamDelivery, "max", "<", 1000),
			thresholdOn(scenarios.StreamRepeated, "count", "==", 0),
			thresholdOn(scenarios.StreamConnected, "rate", ">", 0.5),
		})
		if err != nil || v.Outcome != results.Fail || v.Gates[0].Samples != 0 || v.Gates[0].Passed ||
			v.Gates[1].Passed ||
			v.Gates[2].Passed || v.Gates[2].Samples != 2 {
			t.Errorf("%+v, %v", v, err)
		}
	})
}

// held keeps a stream open when its events have been sent.
func held(w http.ResponseWriter, r *http.Request, events string) {
	w.Header().Set("Content-Type", "text/event-stream")
	io.WriteString(w, events)
	http.NewResponseController(w).Flush()
	<-r.Context().Done()
}

// TestIDsAndTimesOfEvents: ids that come again or are left out are counted, and so are times that cannot be.
func TestIDsAndTimesOfEvents(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		now := time.Now()
		held(w, r, "data: {\"id\": 7}\n\ndata: {\"id\": 8, \"at\": \"soon\"}\n\n"+
			"data: {\"id\": 8, \"at\": null}\n\ndata: {\"id\": 12, \"at\": -1}\n\ndata: {\"id\": 9}\n\ndata: "+
			"no JSON\n\n"+
			fmt.Sprintf("data: {\"id\": \"x\", \"at\": %d}\n\n", now.Add(time.Hour).UnixMilli())+
			fmt.Sprintf("data: {\"id\": 1.5, \"at\": %d.%09d}\n\n", now.Unix(), now.Nanosecond()))
	})
	sideBySide(t, ways, func(t *testing.T, way string) {
		m := run1(t, liveOf(3, 300*time.Millisecond, literal("/")), url, Options{portable: way == "portable"})
		s := m.Streams[0]
		if s.Events != 3*8 || s.Numbered != 3*5 || s.Repeated != 3*2 || s.Missed != 3*3 || s.Untimed != 3*6 ||
			s.FromFuture != 3 || s.Delivery.Count() != 3 || s.Breaks != 0 {
			t.Errorf("%+v", s.StreamCounts)
		}
		judged, err := judge.Run(m, []scenarios.Threshold{thresholdOn(scenarios.StreamDelivery, "max", "<", 60_000)})
		if err != nil || judged.Outcome != results.Invalid || !strings.Contains(judged.Invalid[0], "the clocks of") {
			t.Errorf("delivery by clocks that differ: %+v, %v", judged, err)
		}
		other, err := judge.Run(m, []scenarios.Threshold{thresholdOn(scenarios.StreamBreaks, "count", "==", 0)})
		if err != nil || other.Outcome != results.Pass || !strings.Contains(strings.Join(other.Warnings, "\n"),
			"clocks") {
			t.Errorf("what no clock decides: %+v, %v", other, err)
		}
	})
}

// TestSubscribersOfShards: the shards of a run are other subscribers, which together are all of them.
func TestSubscribersOfShards(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var paths []string
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		paths = append(paths, r.URL.Path)
		mu.Unlock()
		held(w, r, "data: {\"id\": 1, \"at\": 1}\n\n")
	})
	plan := liveOf(7, 200*time.Millisecond, scenarios.Template{{Literal: "/"}, {Value: scenarios.ValueIteration}})
	var runs []*results.Run
	for i := range 2 {
		shard := &results.Shard{Index: i, Of: 2}
		m := run1(t, plan, url, Options{Shard: shard})
		runs = append(runs, &results.Run{Name: "test", Shard: shard, Measurements: *m})
	}
	merged, err := results.Merge(runs)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(paths)
	if want := []string{"/0", "/1", "/2", "/3", "/4", "/5", "/6"}; !slices.Equal(paths, want) {
		t.Errorf("asked for %q", paths)
	}
	s := merged.Measurements.Streams[0]
	if s.Subscribers != 7 || s.Opened != 7 || s.Events != 7 || s.Delivery.Count() != 7 || s.Most != 7 {
		t.Errorf("%+v", s)
	}
}

// TestSubscribersBesideRequests: a run may have both, and neither counts as the other.
func TestSubscribersBesideRequests(t *testing.T) {
	t.Parallel()
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/live" {
			held(w, r, "id: 1\ndata: x\n\n")
		}
	})
	plan := liveOf(4, 300*time.Millisecond, literal("/live"))
	load := plan.Scenarios[0].Load.(scenarios.Subscribers)
	load.Event = scenarios.StreamEvent{}
	plan.Scenarios[0].Load = load
	plan.Scenarios = append(plan.Scenarios, planOf(scenarios.Scenario{
		Load: scenarios.ConstantRate{Rate: 50, Duration: 300 * time.Millisecond},
	}).Scenarios[0])
	m := run1(t, plan, url, Options{})
	if len(m.Streams) != 1 || len(m.Series) != 1 || m.Streams[0].Events != 4 || m.Streams[0].Numbered != 4 ||
		m.Series[0].Requests != 15 || m.Series[0].Failed != 0 || m.Streams[0].Delivery.Count() != 0 {
		t.Errorf("%d streams, %d series: %+v", len(m.Streams), len(m.Series), m.Streams[0])
	}
	if !strings.Contains(m.Engine, "streams (") || !strings.Contains(m.Engine, "wire (") {
		t.Errorf("sent by %q", m.Engine)
	}
}

// TestSubscribersWithoutTrust: a certificate that nobody knows opens no stream, and the failure says why.
func TestSubscribersWithoutTrust(t *testing.T) {
	t.Parallel()
	realTime(t)
	server := httptest.NewTLSServer(http.HandlerFunc(refusals))
	t.Cleanup(server.Close)
	plan := liveOf(1, 2*time.Second, literal("/"))
	plan.Target.URL = server.URL
	m := run1(t, plan, server.URL, Options{})
	if s := m.Streams[0]; s.Opened != 0 || s.Errors[record.ErrorTLS] == 0 ||
		!strings.Contains(s.ErrorSamples[record.ErrorTLS], "certificate") {
		t.Errorf("%+v, %q", s.StreamCounts, s.ErrorSamples)
	}
}
