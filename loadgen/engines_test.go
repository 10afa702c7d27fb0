package loadgen

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/policycortex/headroom/scenarios"
)

var bothEngines = []scenarios.Engine{scenarios.EngineVegeta, scenarios.EngineWire}

// seen notes what a server was sent, without regard to the order of arrival: connections are several.
type seen struct {
	mu       sync.Mutex
	requests []string
}

func (s *seen) handle(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var text bytes.Buffer
	fmt.Fprintf(&text, "%s %s host=%s length=%d body=%q\n", r.Method, r.RequestURI, r.Host, r.ContentLength, body)
	r.Header.Write(&text) // sorted
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, text.String())
	fmt.Fprintf(w, `{"order": {"id": "%s-%d"}}`, r.Method, len(body))
}

// take returns what was noted, sorted, and forgets it.
func (s *seen) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() { s.requests = nil }()
	return slices.Sorted(slices.Values(s.requests))
}

// TestEnginesSendTheSame: the same scenario and seed are the same requests, whoever sends them.
func TestEnginesSendTheSame(t *testing.T) {
	hole := func(name string) scenarios.Part { return scenarios.Part{Value: name} }
	requests := []scenarios.Request{
		{
			Name: "get", Weight: 3, Method: "GET", Timeout: 5 * time.Second,
			Path:    scenarios.Template{{Literal: "/items/"}, hole("id"), {Literal: "?n="}, hole(scenarios.ValueIteration)},
			Headers: []scenarios.Header{{Name: "x-trace", Value: scenarios.Template{hole(scenarios.ValueUUID)}}, {Name: "Accept", Value: literal("*/*")}},
			Values:  []scenarios.Value{{Name: "id", Keys: scenarios.ListKeys{"a b", "ü", "1/2", "x"}, Choice: scenarios.Uniform}},
		},
		{
			Name: "post", Weight: 2, Method: "POST", Timeout: 5 * time.Second, Path: literal("/items"),
			Body:   scenarios.Template{{Literal: `{"n":`}, hole("n"), {Literal: "}"}},
			Values: []scenarios.Value{{Name: "n", Keys: scenarios.RangeKeys{From: -5, To: 5000}, Choice: scenarios.Zipf, Exponent: 1.1}},
		},
		{Name: "empty", Weight: 1, Method: "PUT", Timeout: 5 * time.Second, Path: literal("/empty")},
		{
			Name: "quoted", Weight: 1, Method: "DELETE", Timeout: 5 * time.Second,
			Path:   scenarios.Template{{Literal: `/a"b|c/`}, hole("id"), {Literal: `/"?q="`}, hole("id"), {Literal: `|"`}},
			Body:   scenarios.Template{hole("nothing")}, // comes to no body at all
			Values: []scenarios.Value{{Name: "id", Keys: scenarios.ListKeys{"1/2"}}, {Name: "nothing", Keys: scenarios.ListKeys{""}}},
		},
		{Name: "head", Weight: 1, Method: "HEAD", Timeout: 5 * time.Second, Path: literal("/head")},
		{
			Name: "large", Weight: 1, Method: "POST", Timeout: 5 * time.Second, Path: literal("/large"),
			Body: literal(strings.Repeat("0123456789abcdef", 8<<10)), Headers: []scenarios.Header{{Name: "Host", Value: literal("other.example")}},
		},
	}
	requests = append(requests, flowOf("buy", 2,
		scenarios.Request{
			Name: "create", Method: "POST", Path: literal("/orders"), Body: scenarios.Template{{Literal: "x"}, hole("k"), hole(scenarios.ValueUUID)},
			Extract: []scenarios.Extraction{{Name: "order", JSON: scenarios.JSONPath{{Key: "order"}, {Key: "id"}}}, {Name: "type", Header: "Content-Type", Regex: "^([a-z]+)"}},
		},
		scenarios.Request{
			Name: "look", Method: "GET", Path: scenarios.Template{{Literal: "/orders/"}, hole("order"), {Literal: "?k="}, hole("k")},
			Headers: []scenarios.Header{{Name: "X-Type", Value: scenarios.Template{hole("type"), hole(scenarios.ValueUUID)}}},
		},
		scenarios.Request{Name: "delete", Method: "DELETE", Path: scenarios.Template{{Literal: "/orders/"}, hole("order")}},
	)...)
	for i := range requests {
		if requests[i].Flow == "buy" {
			requests[i].Values = []scenarios.Value{{Name: "k", Keys: scenarios.RangeKeys{From: 1, To: 100000}, Choice: scenarios.Uniform}}
		}
	}
	var server seen
	url := serve(t, server.handle) + "/base"
	sent := map[string][]string{}
	for _, by := range append(backends(t), "vegeta") {
		engine := scenarios.EngineWire
		if by == "vegeta" {
			engine, by = scenarios.EngineVegeta, byBest
		}
		plan := planOf(scenarios.Scenario{Load: scenarios.ConstantRate{Rate: 200, Duration: time.Second, MaxVUs: 8}, Requests: requests})
		plan.Seed, plan.Engine = 7, engine
		m := run1(t, plan, url, Options{backend: by})
		for _, s := range m.Series {
			if s.Failed > 0 || s.Requests == 0 {
				t.Errorf("%s, %s: %d of %d failed: %v", engine, s.Name, s.Failed, s.Requests, s.ErrorSamples)
			}
		}
		if want := string(engine); !strings.HasPrefix(m.Engine, want) || by != byBest && m.Engine != fmt.Sprintf("wire (%s)", by) {
			t.Errorf("engine %q ran for %q %q", m.Engine, engine, by)
		}
		sent[m.Engine] = server.take()
	}
	want := sent["vegeta v12"]
	if all := strings.Join(want, ""); !strings.Contains(all, `DELETE /base/a%22b%7Cc/1%2F2/%22?q="1%2F2|" `) {
		t.Errorf("the path that needs escaping was not sent as it should be:\n%.2000s", all)
	}
	for engine, got := range sent {
		if len(got) <= 200 || !slices.Equal(got, want) {
			for i := range min(len(got), len(want)) {
				if got[i] != want[i] {
					t.Fatalf("%d and %d requests; vegeta sent\n%.500s\n%s sent\n%.500s", len(want), len(got), want[i], engine, got[i])
				}
			}
			t.Fatalf("vegeta sent %d and %s %d requests", len(want), engine, len(got))
		}
	}
}

func TestChooseEngine(t *testing.T) {
	home := scenarios.Request{Name: "home"}
	followed := scenarios.Request{Name: "old", Redirects: 1}
	for _, tt := range []struct {
		name     string
		asked    scenarios.Engine
		target   scenarios.Target
		requests []scenarios.Request
		want     scenarios.Engine
	}{
		{"plain", scenarios.EngineAuto, scenarios.Target{URL: "http://127.0.0.1"}, []scenarios.Request{home}, scenarios.EngineWire},
		{"the reference server", "", scenarios.Target{}, []scenarios.Request{home}, scenarios.EngineWire},
		{"asked for", scenarios.EngineVegeta, scenarios.Target{URL: "http://127.0.0.1"}, []scenarios.Request{home}, scenarios.EngineVegeta},
		{"HTTPS", scenarios.EngineAuto, scenarios.Target{URL: "https://127.0.0.1"}, []scenarios.Request{home}, scenarios.EngineVegeta},
		{"a proxy", scenarios.EngineAuto, scenarios.Target{URL: "http://127.0.0.1", Proxy: "http://127.0.0.1:1"}, []scenarios.Request{home}, scenarios.EngineVegeta},
		{"redirects", scenarios.EngineAuto, scenarios.Target{URL: "http://127.0.0.1"}, []scenarios.Request{home, followed}, scenarios.EngineVegeta},
	} {
		plan := &scenarios.Plan{Engine: tt.asked, Target: tt.target, Scenarios: []scenarios.Scenario{{Requests: tt.requests}}}
		if got := chooseEngine(plan, cmp.Or(tt.target.URL, "http://127.0.0.1")); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}
