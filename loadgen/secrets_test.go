package loadgen

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/policycortex/headroom/loadgen/wire"
	"github.com/policycortex/headroom/scenarios"
)

// TestSecretsOfAnswers: of an answer that failed or did not meet a check nothing is told that it has as a secret
// elsewhere: in a header or field that is known for them, or where a later step takes one from.
func TestSecretsOfAnswers(t *testing.T) {
	t.Parallel()
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/field":
			w.Header().Set("X-Other", "RT-aaaaaa-111")
			w.WriteHeader(http.StatusFound)
			fmt.Fprint(w, `{"link":"https://h/cb?t=RT-aaaaaa-111",`, strings.Repeat(" ", 4000),
				`"token":"RT-aaaaaa-111"}`)
		case "/plain":
			w.Header().Set("X-Auth-Token", "RT-bbbbbb-222")
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `no RT-bbbbbb-222, `, strings.Repeat("x", 300), ` sid=1`)
		case "/header":
			w.Header().Set("X-Auth-Token", "RT-eeeeee-555")
			w.Header().Set("X-Other", "RT-eeeeee-555")
			w.Header().Set("Set-Cookie", "s=RT-ffffff-666; Path=/")
			fmt.Fprint(w, `{"sid":"RT-ffffff-666"}`)
		case "/taken":
			w.WriteHeader(http.StatusConflict)
			fmt.Fprint(w, `{"made":"RT-gggggg-777"}`)
		}
	})
	plain := func(name string) scenarios.Request {
		return scenarios.Request{
			Name: name, Weight: 1, Method: "GET", Path: literal("/" + name),
			Timeout: 10 * time.Second,
		}
	}
	field, header, taken := plain("field"), plain("header"), plain("taken")
	field.ExpectedStatus = []int{200}
	field.Checks = []scenarios.Check{
		{Name: "o", Header: "X-Other", Test: scenarios.Equals, Want: "none"},
		{Name: "l", JSON: scenarios.JSONPath{{Key: "link"}}, Test: scenarios.Equals, Want: "none"},
	}
	header.Checks = []scenarios.Check{
		{Name: "o", Header: "X-Other", Test: scenarios.Equals, Want: "none"},
		{Name: "s", JSON: scenarios.JSONPath{{Key: "sid"}}, Test: scenarios.Equals, Want: "none"},
	}
	taken.Extract = []scenarios.Extraction{{Name: "made", JSON: scenarios.JSONPath{{Key: "made"}}}}
	use := scenarios.Request{
		Name: "use", Method: "GET", Path: literal("/"),
		Headers: []scenarios.Header{{
			Name:  "Authorization",
			Value: scenarios.Template{{Literal: "Bearer "}, {Value: "made"}},
		}},
	}
	requests := append([]scenarios.Request{field, plain("plain"), header}, flowOf("session", 1, taken, use)...)
	for _, by := range append(wire.Backends(), "vegeta") {
		t.Run(string(by), func(t *testing.T) {
			plan := planOf(scenarios.Scenario{
				Load:     scenarios.ConstantRate{Rate: 100, Duration: 200 * time.Millisecond},
				Requests: requests,
			})
			plan.Engine = scenarios.EngineWire
			if by == "vegeta" {
				plan.Engine, by = scenarios.EngineVegeta, wire.Best
			}
			told := map[string]string{}
			for _, s := range run1(t, plan, url, Options{backend: by}).Series {
				for class, text := range s.ErrorSamples {
					told[s.Name+" "+class] = text
				}
				for _, c := range s.Checks {
					told[s.Name+" "+c.Name] = c.Unmet
				}
			}
			for name, want := range map[string]string{
				"field status 302": `302 Found: {"link":"https://h/cb?t=REDACTED",`, "field o": "X-Other: REDACTED",
				"field l":          `$.link is "https://h/cb?t=REDACTED"`,
				"plain status 403": "403 Forbidden: no REDACTED, x", "header o": "X-Other: REDACTED",
				"header s":         `$.sid is REDACTED`,
				"taken status 409": `409 Conflict: {"made":"REDACTED"}`,
			} {
				if !strings.HasPrefix(told[name], want) || strings.Contains(told[name], "RT-") {
					t.Errorf("%s: %q, want %q", name, told[name], want)
				}
			}
		})
	}
}
