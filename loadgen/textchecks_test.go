package loadgen

import (
	"compress/gzip"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// TestCompressedUnderLoad: a service that compresses, because the scenario asks for it, is checked and extracted from
// as one that does not, and its bytes are those that it sent.
func TestCompressedUnderLoad(t *testing.T) {
	t.Parallel()
	const text = `{"token": "t0", "greeting": "hello hello hello hello hello hello hello hello hello hello hello"}`
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/t0" {
			return
		}
		if r.Header.Get("Accept-Encoding") != "gzip" {
			io.WriteString(w, text)
			return
		}
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		io.WriteString(z, text)
		z.Close()
	})
	first := scenarios.Request{
		Name: "first", Method: "GET", Path: literal("/"),
		Extract: []scenarios.Extraction{{Name: "token", JSON: scenarios.JSONPath{{Key: "token"}}}},
		Checks: []scenarios.Check{
			{Name: "greets", Body: true, Test: scenarios.Contains, Want: "hello hello"},
			{Name: "leaves", Body: true, Test: scenarios.Regex, Want: "bye"},
		},
	}
	second := scenarios.Request{
		Name: "second", Method: "GET", Path: scenarios.Template{{Literal: "/"}, {Value: "token"}},
	}
	sideBySide(t, bothEngines, func(t *testing.T, engine scenarios.Engine) {
		var received [2]int64
		for i, coding := range []string{"identity", "gzip"} {
			asks := first
			asks.Headers = []scenarios.Header{{Name: "Accept-Encoding", Value: literal(coding)}}
			plan := planOf(scenarios.Scenario{
				Load:     scenarios.ConstantRate{Rate: 50, Duration: 200 * time.Millisecond},
				Requests: flowOf("f", 1, asks, second),
			})
			plan.Engine = engine
			m := run1(t, plan, url, Options{})
			s := m.Series[0]
			want := []results.Check{
				{Name: "greets", Passed: 10}, {
					Name: "leaves", Failed: 10,
					Unmet: "200 OK: " + strings.Replace(text, "t0", scenarios.Redacted, 1),
				},
			}
			if !reflect.DeepEqual(s.Checks, want) || s.Failed > 0 || m.Series[1].Requests != 10 ||
				m.Series[1].Failed > 0 {
				t.Errorf("%s: checks %v of %d, then %d, %d failed: %v", coding, s.Checks, s.Requests,
					m.Series[1].Requests, m.Series[1].Failed, s.Errors)
			}
			received[i] = s.BytesReceived
		}
		if received[0] != int64(10*len(text)) || received[1] == 0 || received[1] >= received[0] {
			t.Errorf("received %d bytes, compressed %d", received[0], received[1])
		}
	})
}
