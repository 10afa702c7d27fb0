package loadgen

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/policycortex/headroom/loadgen/record"
	"github.com/policycortex/headroom/loadgen/wire"
	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// failing answers each path in another way that fails.
func failing(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	switch r.URL.Path {
	case "/login":
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, "{\"error\":\n\t\"wrong password\"}")
	case "/pieces":
		w.WriteHeader(http.StatusBadGateway)
		for range 10 {
			fmt.Fprint(w, strings.Repeat("ä", 50))
			w.(http.Flusher).Flush()
		}
	case "/binary":
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = w.Write([]byte{0x1f, 0x8b, 8, 0, 0, 0})
	case "/empty":
		w.WriteHeader(http.StatusNotFound)
	case "/unexpected":
		fmt.Fprint(w, "already there")
	case "/token":
		fmt.Fprint(w, `{"tokens": []}`)
	case "/stalled":
		fmt.Fprint(w, "a part")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	case "/slow":
		<-r.Context().Done()
	case "/gone":
		w.WriteHeader(http.StatusGone)
	case "/checked":
		w.Header().Set("X-Version", "7")
		fmt.Fprint(w, `{"state": "pending", "deep": {"a": [1, 2]}}`)
	}
}

// TestFirsts: of each class of failures and of each check the first is told, by both engines alike, and what succeeds
// or was expected is not.
func TestFirsts(t *testing.T) {
	t.Parallel()
	url := serve(t, failing)
	plain := func(name string) scenarios.Request {
		return scenarios.Request{
			Name: name, Weight: 1, Method: "POST", Path: literal("/" + name),
			Timeout: 10 * time.Second,
		}
	}
	unexpected, gone, slow, checked, token := plain("unexpected"), plain("gone"), plain("slow"), plain("checked"),
		plain("token")
	stalled := plain("stalled")
	const timeout = 400 * time.Millisecond // on a busy machine, too, a part of the answer comes within it
	slow.Timeout, stalled.Timeout = timeout, timeout
	unexpected.ExpectedStatus, gone.ExpectedStatus = []int{201}, []int{410}
	checked.Checks = []scenarios.Check{
		{Name: "created", Statuses: []int{201}},
		{Name: "version", Header: "X-Version", Test: scenarios.Equals, Want: "8"},
		{Name: "etag", Header: "ETag", Test: scenarios.Exists},
		{Name: "done", JSON: scenarios.JSONPath{{Key: "state"}}, Test: scenarios.Equals, Want: "done"},
		{Name: "deep", JSON: scenarios.JSONPath{{Key: "deep"}, {Key: "b"}}, Test: scenarios.Exists},
		{Name: "small", Size: true, Test: scenarios.Within, Max: 10},
		{Name: "met", JSON: scenarios.JSONPath{{Key: "state"}}, Test: scenarios.Exists},
	}
	token.Extract = []scenarios.Extraction{{Name: "token", JSON: scenarios.JSONPath{{Key: "token"}}}}
	requests := append([]scenarios.Request{
		plain("login"), plain("pieces"), plain("binary"), plain("empty"),
		plain("ok"), unexpected, gone, slow, stalled, checked,
	},
		flowOf("session", 1, token, scenarios.Request{Name: "use", Method: "GET", Path: literal("/ok")})...)
	want := map[string]string{
		"login status 403":               `403 Forbidden: {"error": "wrong password"}`,
		"pieces status 502":              "502 Bad Gateway: " + strings.Repeat("ä", 100) + "…",
		"binary status 500":              "500 Internal Server Error, with 6 bytes that are not text",
		"empty status 404":               "404 Not Found",
		"unexpected status 200":          "200 OK: already there",
		"token extraction failed: token": `the body has no $.token; the answer was 200 OK: {"tokens": []}`,
		"checked created":                `200 OK: {"state": "pending", "deep": {"a": [1, 2]}}`,
		"checked version":                "X-Version: 7",
		"checked etag":                   "no header ETag",
		"checked done":                   `$.state is "pending"`,
		"checked deep":                   `no $.deep.b; the answer was 200 OK: {"state": "pending", "deep": {"a": [1, 2]}}`,
		"checked small":                  "43 bytes",
	}
	for _, by := range append(wire.Backends(), "vegeta") {
		t.Run(string(by), func(t *testing.T) {
			plan := planOf(scenarios.Scenario{
				Load:   scenarios.ConstantRate{Rate: 200, Duration: 700 * time.Millisecond},
				Warmup: 200 * time.Millisecond, Requests: requests,
			})
			plan.Engine = scenarios.EngineWire
			if by == "vegeta" {
				plan.Engine, by = scenarios.EngineVegeta, wire.Best
			}
			m := run1(t, plan, url, Options{backend: by})
			got := map[string]string{}
			for _, s := range m.Series {
				for class, text := range s.ErrorSamples {
					got[s.Name+" "+class] = text
				}
				for _, c := range s.Checks {
					if c.Unmet != "" {
						got[s.Name+" "+c.Name] = c.Unmet
					}
				}
			}
			if text := got["slow timeout"]; waited(text) < timeout {
				t.Errorf("the timeout says %q", text)
			}
			if text := got["stalled timeout"]; waited(text) < timeout ||
				plan.Engine == scenarios.EngineWire && !strings.HasSuffix(text, ": the answer has not ended yet") {
				t.Errorf("the timeout of a part of an answer says %q", text)
			}
			delete(got, "slow timeout")
			delete(got, "stalled timeout")
			for name, text := range want {
				if got[name] != text {
					t.Errorf("%s: %q, want %q", name, got[name], text)
				}
			}
			if len(got) != len(want) {
				t.Errorf("more was told than failed: %q", got)
			}
			holdCauses(t, m)
		})
	}
}

// waited is the time in the message of a timeout: "after 50ms: what happened"; 0 where there is none.
func waited(text string) time.Duration {
	text, _, _ = strings.Cut(strings.TrimPrefix(text, "after "), ": ")
	d, _ := time.ParseDuration(text)
	return d
}

// holdCauses fails when the causes of failures do not add up to them.
func holdCauses(t *testing.T, m *results.Measurements) {
	t.Helper()
	var failed, caused int64
	for _, s := range m.Series {
		failed += s.Failed
	}
	for _, c := range m.Causes() {
		caused += c.Count
	}
	if failed != caused || failed == 0 {
		t.Errorf("%d failed, for %d reasons: %+v", failed, caused, m.Causes())
	}
}

// TestFirstOfUntrustedCertificate: the message of the x509 package is what a user has to know.
func TestFirstOfUntrustedCertificate(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(http.HandlerFunc(failing))
	t.Cleanup(server.Close)
	plan := planOf(scenarios.Scenario{Load: scenarios.ConstantRate{Rate: 20, Duration: 250 * time.Millisecond}})
	plan.Target.URL = server.URL
	m := run1(t, plan, server.URL, Options{})
	causes := m.Causes()
	if len(causes) != 1 || causes[0].Class != record.ErrorTLS || causes[0].Count != 5 ||
		!strings.Contains(causes[0].First, "x509: certificate signed by unknown authority") {
		t.Errorf("%+v", causes)
	}
}
