package scenarios

import (
	"strings"
	"testing"
	"time"
)

func TestGoodput(t *testing.T) {
	const ms = time.Millisecond
	limits := Goodput{FirstToken: 500 * ms, TokenTime: 50 * ms}
	for _, c := range []struct {
		first, last time.Duration
		tokens      int64
		good        bool
	}{
		{500 * ms, 500 * ms, 1, true},
		{501 * ms, 501 * ms, 1, false},
		{100 * ms, 600 * ms, 11, true},
		{100 * ms, 611 * ms, 11, false}, // 51.1 ms a token
		{0, 0, 0, false},
	} {
		if got := limits.Meets(c.first, c.last, c.tokens); got != c.good {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

func TestGoodputIsRead(t *testing.T) {
	const file = `target: {url: "http://127.0.0.1"}
scenarios:
  s:
    executor: constant-arrival-rate
    rate: 1
    duration: 1s
    requests:
      - {name: a, path: /, STREAM GOODPUT}
thresholds: {http_req_goodput: "rate>0.5"}
`
	read := func(stream, goodput string) (*Plan, error) {
		return Parse("s.yaml", []byte(strings.NewReplacer("STREAM", stream, "GOODPUT", goodput).Replace(file)))
	}
	plan, err := read("stream: openai,", "goodput: {firstToken: 500ms, tokenTime: 50ms}")
	if err != nil {
		t.Fatal(err)
	}
	want := Goodput{500 * time.Millisecond, 50 * time.Millisecond}
	if got := plan.Scenarios[0].Requests[0].Goodput; got == nil || *got != want {
		t.Errorf("read %+v", got)
	}
	for _, c := range []struct{ stream, goodput, mention string }{
		{"stream: openai,", "weight: 1", "no request has any"},
		{"stream: sse,", "goodput: {firstToken: 500ms, tokenTime: 50ms}", "stream: openai"},
		{"stream: openai,", "goodput: {firstToken: 500ms}", "tokenTime"},
		{"stream: openai,", "goodput: {firstToken: 0s, tokenTime: 50ms}", "greater than 0"},
		{"stream: openai,", "goodput: {firstToken: 1s, tokenTime: 50ms, more: 1}", "more"},
	} {
		_, err := read(c.stream, c.goodput)
		if err == nil || !strings.Contains(err.Error(), c.mention) {
			t.Errorf("%s %s: %v, want it to mention %q", c.stream, c.goodput, err, c.mention)
		}
	}
}

// TestInferenceHasTheGates: the scenario inference judges first tokens, gaps, goodput and failures.
func TestInferenceHasTheGates(t *testing.T) {
	plan, err := Read("inference")
	if err != nil {
		t.Fatal(err)
	}
	gates := map[MetricName]bool{}
	for _, threshold := range plan.Thresholds {
		gates[threshold.Metric] = true
	}
	for _, want := range []MetricName{
		HTTPReqFirstToken, HTTPReqTokenGap, HTTPReqTokens, HTTPReqGoodput, HTTPReqGood, HTTPReqFailed, HTTPReqDuration,
		HTTPReqs, DBQueryDuration,
	} {
		if !gates[want] {
			t.Errorf("no gate on %s", want)
		}
	}
}
