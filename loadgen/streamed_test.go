package loadgen

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/policycortex/headroom/results/judge"
	"github.com/policycortex/headroom/scenarios"
)

// completions answers in pieces: a chat of three pieces of text for seven tokens, five events of no kind, or an error.
func completions(w http.ResponseWriter, r *http.Request) {
	out := http.NewResponseController(w)
	w.Header().Set("Content-Type", "text/event-stream")
	switch r.URL.Path {
	case "/chat", "/uncounted":
		fmt.Fprint(w, `data: {"choices": [{"delta": {"role": "assistant", "content": ""}}]}`+"\n\n")
		out.Flush()
		for _, text := range []string{`{"content": "Hel"}`, `{"reasoning_content": "lo"}`, `{"content": "!"}`} {
			time.Sleep(10 * time.Millisecond)
			fmt.Fprintf(w, "data: {\"choices\": [{\"delta\": %s}]}\n\n", text)
			out.Flush()
		}
		if r.URL.Path == "/chat" {
			io.WriteString(w, `data: {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 7}}`+"\n\n")
		}
		io.WriteString(w, "data: [DONE]\n\n")
	case "/events":
		for n := range 5 {
			fmt.Fprintf(w, ": beat\ndata: %d\n\n", n)
			out.Flush()
			time.Sleep(10 * time.Millisecond)
		}
	case "/error":
		w.WriteHeader(http.StatusTooManyRequests)
		io.WriteString(w, "data: "+strings.Repeat("x", 10)+"\n\n")
	}
}

// TestStreamedAnswers: both engines count the events of answers that came whole, and time the first and the gaps.
func TestStreamedAnswers(t *testing.T) {
	t.Parallel()
	url := serve(t, completions)
	one := func(name string, stream scenarios.Streaming) scenarios.Request {
		return scenarios.Request{
			Name: name, Weight: 1, Method: "GET", Path: literal("/" + name), Timeout: 5 * time.Second, Stream: stream,
		}
	}
	chat, uncounted := one("chat", scenarios.StreamOpenAI), one("uncounted", scenarios.StreamOpenAI)
	chat.Goodput = &scenarios.Goodput{FirstToken: time.Minute, TokenTime: time.Minute}
	uncounted.Goodput = &scenarios.Goodput{FirstToken: time.Minute, TokenTime: time.Millisecond} // of some 10 ms
	failing := one("error", scenarios.StreamOpenAI)
	failing.Goodput = chat.Goodput
	checked := one("events", scenarios.StreamSSE)
	checked.Checks = []scenarios.Check{{Name: "long", Size: true, Test: scenarios.Within, Min: 80, Max: 90}}
	sideBySide(t, bothEngines, func(t *testing.T, engine scenarios.Engine) {
		plan := planOf(scenarios.Scenario{
			Load: scenarios.ConstantRate{Rate: 60, Duration: time.Second, MaxVUs: 20},
			Requests: []scenarios.Request{
				chat, uncounted, checked, failing, one("plain", ""),
			},
		})
		plan.Engine = engine
		m := run1(t, plan, url, Options{})
		for _, s := range m.Series {
			if s.Requests == 0 || s.Waiting.Count() != s.Requests || s.Waiting.Max() > s.Service.Max() {
				t.Errorf("%s: waited for %d of %d, %v of %v ms", s.Name, s.Waiting.Count(), s.Requests, s.Waiting.Max(),
					s.Service.Max())
			}
			if s.Name == "plain" {
				if s.Streamed != nil {
					t.Errorf("a plain answer is streamed: %+v", s.Streamed)
				}
				continue
			}
			want := map[string]struct{ events, tokens int64 }{
				"chat": {3, 7}, "uncounted": {3, 3}, "events": {5, 0},
			}[s.Name]
			got := s.Streamed
			if got.Events != want.events*s.Requests || got.Tokens != want.tokens*s.Requests ||
				got.Gap.Count() != max(0, want.events-1)*s.Requests {
				t.Errorf("%s: %d events, %d tokens, %d gaps in %d answers", s.Name, got.Events, got.Tokens,
					got.Gap.Count(),
					s.Requests)
			}
			if s.Name == "error" {
				if s.Failed != s.Requests || got.First.Count() != 0 {
					t.Errorf("%d of %d failed, %d of them with events", s.Failed, s.Requests, got.First.Count())
				}
				continue
			}
			if got.First.Count() != s.Requests || got.First.Min() >= s.Response.Min() ||
				s.Waiting.Min() >= s.Service.Min() {
				t.Errorf("%s: the first event of %d came after %v ms, the first byte after %v, the whole after %v",
					s.Name, got.First.Count(), got.First.Min(), s.Waiting.Min(), s.Response.Min())
			}
			if s.Name == "events" && s.Checks[0].Failed > 0 {
				t.Errorf("checks of a streamed answer: %+v", s.Checks)
			}
		}
		below := func(metric scenarios.MetricName) scenarios.Threshold {
			return thresholdOn(metric, "max", "<", 60_000)
		}
		good, late := float64(m.Series[0].Requests), float64(m.Series[1].Requests)
		failed := float64(m.Series[3].Requests)
		tokens, events := 7*m.Series[0].Requests+3*m.Series[1].Requests, 5*m.Series[2].Requests
		v, err := judge.Run(m, []scenarios.Threshold{
			below(scenarios.HTTPReqWaiting), below(scenarios.HTTPReqFirstEvent), below(scenarios.HTTPReqEventGap),
			below(scenarios.HTTPReqFirstToken), below(scenarios.HTTPReqTokenGap),
			thresholdOn(scenarios.HTTPReqTokens, "count", "==", float64(tokens)),
			thresholdOn(scenarios.HTTPReqEvents, "count", "==", float64(events)),
			// All of chat, none of those that failed, and of uncounted only what a busy machine reads at once.
			thresholdOn(scenarios.HTTPReqGoodput, "count", ">=", good),
			thresholdOn(scenarios.HTTPReqGoodput, "count", "<", good+late),
			thresholdOn(scenarios.HTTPReqGood, "rate", ">=", good/(good+late+failed)),
			thresholdOn(scenarios.HTTPReqGood, "rate", "<", (good+late)/(good+late+failed)),
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range v.Gates {
			if !g.Passed || g.Samples == 0 {
				t.Errorf("%+v", g)
			}
		}
	})
}
