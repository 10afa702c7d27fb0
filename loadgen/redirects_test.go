package loadgen

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/policycortex/headroom/loadgen/record"
	"github.com/policycortex/headroom/scenarios"
)

// moving is a service whose pages have moved; it notes what it is asked.
type moving struct {
	mu  sync.Mutex
	got map[string]int // "GET /new body"
	bad []string
}

func (s *moving) handle(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	s.got[strings.TrimSpace(r.Method+" "+r.URL.Path+" "+string(body))]++
	if strings.Contains(r.Referer(), "#") {
		s.bad = append(s.bad, "Referer "+r.Referer())
	}
	s.mu.Unlock()
	switch r.URL.Path {
	case "/old":
		time.Sleep(20 * time.Millisecond)
		http.Redirect(w, r, "/older", http.StatusMovedPermanently)
	case "/older":
		time.Sleep(20 * time.Millisecond)
		http.Redirect(w, r, "/new", http.StatusFound)
	case "/see-other":
		http.Redirect(w, r, "/new", http.StatusSeeOther)
	case "/keep":
		http.Redirect(w, r, "/new", http.StatusTemporaryRedirect)
	case "/loop":
		http.Redirect(w, r, "/loop", http.StatusFound)
	case "/lost":
		http.Redirect(w, r, "/nowhere", http.StatusFound)
	case "/slow":
		http.Redirect(w, r, "/never", http.StatusFound)
	case "/never":
		<-r.Context().Done()
	case "/new":
		w.Header().Set("X-Cache", "l1")
		fmt.Fprint(w, `{"id": "seven"}`)
	case "/items/seven":
	default:
		http.NotFound(w, r)
	}
}

// TestRedirects holds that a request which follows redirects is one request, whose last answer counts.
func TestRedirects(t *testing.T) {
	t.Parallel()
	request := func(name, method, path string, redirects int) scenarios.Request {
		return scenarios.Request{
			Name: name, Method: method, Path: literal(path), Timeout: 5 * time.Second,
			Redirects: redirects,
		}
	}
	post := func(r scenarios.Request) scenarios.Request { r.Body = literal("text"); return r }
	first := request("first", "GET", "/see-other", 1)
	first.Flow, first.Weight = "flow", 1
	first.Extract = []scenarios.Extraction{{Name: "id", JSON: scenarios.JSONPath{{Key: "id"}}}}
	first.Checks = []scenarios.Check{{Name: "small", Size: true, Test: scenarios.Within, Min: 15, Max: 15}}
	second := request("second", "GET", "/", 1)
	second.Flow, second.Step, second.Path = "flow", 1, scenarios.Template{{Literal: "/items/"}, {Value: "id"}}
	third := post(request("third", "POST", "/keep", 1))
	third.Flow, third.Step = "flow", 2
	slow := request("r", "GET", "/slow", 1)
	slow.Timeout = 300 * time.Millisecond

	for _, tt := range []struct {
		name     string
		requests []scenarios.Request
		arrived  string // of each of ten iterations
		failed   string
		received int64
	}{
		{"two", []scenarios.Request{request("r", "GET", "/old", 2)}, "GET /old, GET /older, GET /new", "", 150},
		{
			"none is followed",
			[]scenarios.Request{request("r", "GET", "/old", 0), request("other", "GET", "/", 1)},
			"GET /old", "", 410,
		},
		{
			"becomes GET",
			[]scenarios.Request{post(request("r", "POST", "/see-other", 1))},
			"POST /see-other text, GET /new", "", 150,
		},
		{
			"stays POST",
			[]scenarios.Request{post(request("r", "POST", "/keep", 1))},
			"POST /keep text, POST /new text",
			"", 150,
		},
		{
			"too many",
			[]scenarios.Request{request("r", "GET", "/loop", 2)},
			"GET /loop, GET /loop, GET /loop",
			record.ErrorRedirects, 0,
		},
		{
			"to nothing",
			[]scenarios.Request{request("r", "GET", "/lost", 3)},
			"GET /lost, GET /nowhere",
			"status 404", 190,
		},
		{"too late", []scenarios.Request{slow}, "GET /slow, GET /never", record.ErrorTimeout, 0},
		{
			"flow",
			[]scenarios.Request{first, second, third},
			"GET /see-other, GET /new, GET /items/seven, POST /keep text, POST /new text", "", 150,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			service := &moving{got: map[string]int{}}
			url := serve(t, service.handle)
			tt.requests[0].Weight = 1
			plan := planOf(scenarios.Scenario{
				Load:     scenarios.ConstantRate{Rate: 20, Duration: 500 * time.Millisecond},
				Requests: tt.requests,
			})
			m := run1(t, plan, url, Options{})
			want := map[string]int{}
			for _, line := range strings.Split(tt.arrived, ", ") {
				want[line] += 10
			}
			if fmt.Sprint(service.got) != fmt.Sprint(want) || len(service.bad) > 0 {
				t.Errorf("the service got %v, want %v; %v", service.got, want, service.bad)
			}
			s := m.Series[0]
			if s.Requests != 10 || s.BytesReceived != tt.received {
				t.Errorf("%d requests, %d bytes received; want 10 and %d", s.Requests, s.BytesReceived, tt.received)
			}
			if tt.failed == "" && s.Failed > 0 || tt.failed != "" && (s.Errors[tt.failed] != 10 || s.Failed != 10) {
				t.Errorf("%d failed, errors %v %v; want %q", s.Failed, s.Errors, s.ErrorSamples, tt.failed)
			}
			if tt.name == "two" && (s.Response.Percentile(50) < 40 || s.Statuses[200] != 10) {
				t.Errorf("P50 %.1f ms of two pages that take 20 ms each before the last; statuses %v",
					s.Response.Percentile(50), s.Statuses)
			}
		})
	}
}
