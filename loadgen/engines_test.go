package loadgen

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/policycortex/headroom/loadgen/wire"
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
	t.Parallel()
	hole := func(name string) scenarios.Part { return scenarios.Part{Value: name} }
	requests := []scenarios.Request{
		{
			Name: "get", Weight: 3, Method: "GET", Timeout: 5 * time.Second,
			Path: scenarios.Template{
				{Literal: "/items/"},
				hole("id"),
				{Literal: "?n="},
				hole(scenarios.ValueIteration),
			},
			Headers: []scenarios.Header{
				{Name: "x-trace", Value: scenarios.Template{hole(scenarios.ValueUUID)}},
				{Name: "Accept", Value: literal("*/*")},
			},
			Values: []scenarios.Value{{
				Name: "id", Keys: scenarios.ListKeys{"a b", "ü", "1/2", "x"},
				Choice: scenarios.Uniform,
			}},
		},
		{
			Name: "post", Weight: 2, Method: "POST", Timeout: 5 * time.Second, Path: literal("/items"),
			Body: scenarios.Template{{Literal: `{"n":`}, hole("n"), {Literal: "}"}},
			Values: []scenarios.Value{{
				Name: "n", Keys: scenarios.RangeKeys{From: -5, To: 5000}, Choice: scenarios.Zipf,
				Exponent: 1.1,
			}},
		},
		{Name: "empty", Weight: 1, Method: "PUT", Timeout: 5 * time.Second, Path: literal("/empty")},
		{
			Name: "quoted", Weight: 1, Method: "DELETE", Timeout: 5 * time.Second,
			Path: scenarios.Template{
				{Literal: `/a"b|c/`},
				hole("id"),
				{Literal: `/"?q="`},
				hole("id"),
				{Literal: `|"`},
			},
			Body: scenarios.Template{hole("nothing")}, // comes to no body at all
			Values: []scenarios.Value{
				{Name: "id", Keys: scenarios.ListKeys{"1/2"}},
				{Name: "nothing", Keys: scenarios.ListKeys{""}},
			},
		},
		{Name: "head", Weight: 1, Method: "HEAD", Timeout: 5 * time.Second, Path: literal("/head")},
		{
			Name: "large", Weight: 1, Method: "POST", Timeout: 5 * time.Second, Path: literal("/large"),
			Body:    literal(strings.Repeat("0123456789abcdef", 8<<10)),
			Headers: []scenarios.Header{{Name: "Host", Value: literal("other.example")}},
		},
	}
	requests = append(requests, flowOf("buy", 2,
		scenarios.Request{
			Name: "create", Method: "POST", Path: literal("/orders"),
			Body: scenarios.Template{{Literal: "x"}, hole("k"), hole(scenarios.ValueUUID)},
			Extract: []scenarios.Extraction{
				{Name: "order", JSON: scenarios.JSONPath{{Key: "order"}, {Key: "id"}}},
				{Name: "type", Header: "Content-Type", Regex: "^([a-z]+)"},
			},
		},
		scenarios.Request{
			Name: "look", Method: "GET", Path: scenarios.Template{
				{Literal: "/orders/"},
				hole("order"),
				{Literal: "?k="},
				hole("k"),
			},
			Headers: []scenarios.Header{{
				Name:  "X-Type",
				Value: scenarios.Template{hole("type"), hole(scenarios.ValueUUID)},
			}},
		},
		scenarios.Request{
			Name: "delete", Method: "DELETE",
			Path: scenarios.Template{{Literal: "/orders/"}, hole("order")},
		},
	)...)
	for i := range requests {
		if requests[i].Flow == "buy" {
			requests[i].Values = []scenarios.Value{{
				Name: "k", Keys: scenarios.RangeKeys{From: 1, To: 100000},
				Choice: scenarios.Uniform,
			}}
		}
	}
	var server seen
	url := serve(t, server.handle) + "/base"
	sent := map[string][]string{}
	ways := append(wire.Backends(), "vegeta")
	for _, by := range wire.Backends() {
		ways = append(ways, by+", HTTP/2")
	}
	for _, way := range ways {
		engine := scenarios.EngineWire
		text, http2 := strings.CutSuffix(string(way), ", HTTP/2")
		by := wire.Backend(text)
		if by == "vegeta" {
			engine, by = scenarios.EngineVegeta, wire.Best
		}
		plan := planOf(scenarios.Scenario{
			Load:     scenarios.ConstantRate{Rate: 400, Duration: 500 * time.Millisecond, MaxVUs: 8},
			Requests: requests,
		})
		plan.Seed, plan.Engine = 7, engine
		if http2 {
			by2(plan, 0)
		}
		m := run1(t, plan, url, Options{backend: by})
		for _, s := range m.Series {
			if s.Failed > 0 || s.Requests == 0 {
				t.Errorf("%s, %s: %d of %d failed: %v", engine, s.Name, s.Failed, s.Requests, s.ErrorSamples)
			}
		}
		if want := string(engine); !strings.HasPrefix(m.Engine, want) || by != wire.Best &&
			m.Engine != fmt.Sprintf("wire (%s)", way) {
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
					t.Fatalf("%d and %d requests; vegeta sent\n%.500s\n%s sent\n%.500s", len(want), len(got), want[i],
						engine, got[i])
				}
			}
			t.Fatalf("vegeta sent %d and %s %d requests", len(want), engine, len(got))
		}
	}
}

func TestEngineOfAScenario(t *testing.T) {
	const auto, wire, vegeta = scenarios.EngineAuto, scenarios.EngineWire, scenarios.EngineVegeta
	plain := scenarios.Target{URL: "http://127.0.0.1"}
	for _, tt := range []struct {
		name      string
		file, own scenarios.Engine
		target    scenarios.Target
		redirects int
		wire      bool
	}{
		{name: "plain", file: auto, target: plain, wire: true},
		{name: "the reference server", wire: true},
		{name: "the file asks for vegeta", file: vegeta, target: plain},
		{name: "the scenario asks for vegeta", file: wire, own: vegeta, target: plain},
		{name: "the scenario asks for wire", file: vegeta, own: wire, target: plain, wire: true},
		{name: "HTTPS, perhaps HTTP/2", file: auto, target: scenarios.Target{URL: "https://127.0.0.1"}, wire: true},
		{name: "HTTPS by wire", file: wire, target: scenarios.Target{URL: "https://127.0.0.1"}, wire: true},
		{name: "HTTPS and HTTP/1.1", file: auto, target: scenarios.Target{
			URL: "https://127.0.0.1", HTTP: scenarios.HTTP{Version: scenarios.HTTP1},
		}, wire: true},
		{name: "HTTP/2", file: auto, target: scenarios.Target{
			URL: "http://127.0.0.1", HTTP: scenarios.HTTP{Version: scenarios.HTTP2},
		}, wire: true},
		{name: "a proxy", file: auto, target: scenarios.Target{URL: "http://127.0.0.1", Proxy: "http://127.0.0.1:1"}},
		{name: "redirects", file: auto, target: plain, redirects: 1},
	} {
		s := scenarios.Scenario{
			Engine:   tt.own,
			Requests: []scenarios.Request{{Name: "home"}, {Name: "old", Redirects: tt.redirects}},
		}
		r := run{
			plan:   &scenarios.Plan{Engine: tt.file, Target: tt.target},
			target: cmp.Or(tt.target.URL, "http://127.0.0.1"),
		}
		if got := r.isWire(&s); got != tt.wire {
			t.Errorf("%s: wire %v, want %v", tt.name, got, tt.wire)
		}
	}
}

// TestPlacesOfTheEngines: loops that work at the same time have a place each, and what else runs has one, or as many as
// there are cores.
func TestPlacesOfTheEngines(t *testing.T) {
	one := func(start time.Duration, engine scenarios.Engine, users int) scenarios.Scenario {
		return scenarios.Scenario{
			Engine: engine, StartTime: start,
			Load: scenarios.Users{VUs: users, Duration: time.Second},
		}
	}
	const wire, vegeta = scenarios.EngineWire, scenarios.EngineVegeta
	for name, tt := range map[string]struct {
		scenarios []scenarios.Scenario
		want      int // with 4 cores
	}{
		"wire":            {[]scenarios.Scenario{one(0, wire, 64)}, 4 + 1},
		"wire, one user":  {[]scenarios.Scenario{one(0, wire, 1)}, 4 + 1},
		"vegeta":          {[]scenarios.Scenario{one(0, vegeta, 64)}, 4},
		"wire, then wire": {[]scenarios.Scenario{one(0, wire, 64), one(time.Minute, wire, 64)}, 4 + 1},
		"two on wire":     {[]scenarios.Scenario{one(0, wire, 64), one(0, wire, 3)}, 4 + 3 + 1},
		"wire and vegeta": {[]scenarios.Scenario{one(0, wire, 64), one(0, vegeta, 64)}, 4 + 4},
		"two on wire, and vegeta": {
			[]scenarios.Scenario{one(0, wire, 64), one(0, wire, 64), one(0, vegeta, 64)},
			4 + 4 + 4,
		},
		"wire, and vegeta later": {[]scenarios.Scenario{one(0, wire, 64), one(time.Minute, vegeta, 64)}, 4 + 4},
		"three, one after another": {[]scenarios.Scenario{
			one(0, wire, 2), one(time.Minute, wire, 3),
			one(time.Hour, wire, 64),
		}, 4 + 1},
	} {
		r := run{plan: &scenarios.Plan{Scenarios: tt.scenarios}, target: "http://127.0.0.1", cores: 4}
		for i := range tt.scenarios {
			r.scenarios = append(r.scenarios, &scenarioRun{scenario: &tt.scenarios[i]})
		}
		if got := r.places(); got != tt.want {
			t.Errorf("%s: %d places, want %d", name, got, tt.want)
		}
	}
}

// TestEnginesSideBySide: two scenarios of one run are sent by two engines at the same time, and the record says which
// by which.
func TestEnginesSideBySide(t *testing.T) {
	url := serve(t, func(http.ResponseWriter, *http.Request) {})
	plan := planOf(scenarios.Scenario{Name: "ours", Load: scenarios.ConstantRate{Rate: 100, Duration: time.Second}})
	witness := plan.Scenarios[0]
	witness.Name, witness.Engine = "witness", scenarios.EngineVegeta
	plan.Scenarios = append(plan.Scenarios, witness)
	before := runtime.GOMAXPROCS(0)
	m := run1(t, plan, url, Options{})
	if ours, theirs := m.Loads[0], m.Loads[1]; ours.Sent != 100 || theirs.Sent != 100 ||
		!strings.HasPrefix(ours.Engine, "wire (") || theirs.Engine != "vegeta v12" {
		t.Errorf("%d sent by %s, %d by %s", ours.Sent, ours.Engine, theirs.Sent, theirs.Engine)
	}
	if want := m.Loads[0].Engine + " and vegeta v12"; m.Engine != want || m.Pacing != string(scenarios.Precise) {
		t.Errorf("engine %q, pacing %q, want %q", m.Engine, m.Pacing, want)
	}
	if after := runtime.GOMAXPROCS(0); after != before {
		t.Errorf("GOMAXPROCS is %d after the run, and was %d", after, before)
	}
	if m := run1(t, planOf(plan.Scenarios[0]), url, Options{}); m.Loads[0].Engine != "" ||
		!strings.HasPrefix(m.Engine, "wire (") {
		t.Errorf("one engine: %q, of the load %q", m.Engine, m.Loads[0].Engine)
	}
}
