package scenarios

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

const live = `
target: {url: "https://127.0.0.1:1"}
engine: wire
scenarios:
  live:
    executor: subscribers
    subscribers: 10_000
    rampUp: 20s
    duration: 1m
    warmup: 30s
    event: {time: "$.meta.at", id: $.seq, of: $.document}
    retry: 500ms
    resume: false
    tags: {team: core}
    requests: [{name: stream, path: /live, headers: {Authorization: Bearer x}, timeout: 2s}]
    thresholds: {stream_delivery: "p(95)<100"}
  plain: {executor: subscribers, subscribers: 1, rampUp: 0s, duration: 1s, requests: [{name: a, path: /}]}
  none: {executor: subscribers, subscribers: 1, rampUp: 0s, duration: 1s, event: {id: none}, requests: [{name: a,
	path: /}]}
  socket:
    executor: subscribers
    protocol: websocket
    subscribers: 2
    rampUp: 0s
    duration: 1s
    event: {time: $.at}
    requests: [{name: a, path: /, body: "hello {{iteration}}"}]
thresholds:
  stream_events: ["count>1", "rate>1"]
  stream_connected{scenario:plain}: "rate>0.99"
`

func TestSubscribers(t *testing.T) {
	p, err := Parse("live.yaml", []byte(strings.Replace(live, "10_000", "10000", 1)))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []Subscribers{
		{
			Subscribers: 10_000, RampUp: 20 * time.Second, Duration: time.Minute, Retry: 500 * time.Millisecond,
			Protocol: ServerSentEvents,
			Event: StreamEvent{
				ID: JSONPath{{Key: "seq"}}, Of: JSONPath{{Key: "document"}},
				Time: JSONPath{{Key: "meta"}, {Key: "at"}},
			},
		},
		{Protocol: ServerSentEvents, Subscribers: 1, Duration: time.Second, Retry: 3 * time.Second, Resume: true},
		{
			Protocol: ServerSentEvents, Subscribers: 1, Duration: time.Second, Retry: 3 * time.Second, Resume: true,
			Event: StreamEvent{NoID: true},
		},
		{
			Protocol: WebSocket, Subscribers: 2, Duration: time.Second, Retry: 3 * time.Second,
			Event: StreamEvent{NoID: true, Time: JSONPath{{Key: "at"}}},
		},
	} {
		if got := p.Scenarios[i].Load; !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
	s := p.Scenarios[0]
	if s.Load.Length() != 80*time.Second || s.Load.Workers() != 10_000 || s.Load.WithWorkers(5).Workers() != 5 ||
		s.Load.Open() || s.Load.Steady() || s.Warmup != 30*time.Second || s.GracefulStop != 0 {
		t.Errorf("%+v", s)
	}
	if got := p.Thresholds[2].Name() + p.Thresholds[3].Name(); got !=
		"stream_connected{scenario:plain}stream_delivery{scenario:live}" {
		t.Errorf("thresholds %s", got)
	}
}

// TestRealtimeHasTheTarget: the scenario realtime judges what the reference system's design wants of updates, while an
// instance is killed.
func TestRealtimeHasTheTarget(t *testing.T) {
	plan, err := Read("realtime")
	if err != nil {
		t.Fatal(err)
	}
	load, ok := plan.Scenarios[0].Load.(Subscribers)
	changes, even := plan.Scenarios[1].Load.(ConstantRate)
	if !ok || load.Subscribers < 1000 || !even || changes.Rate < 100 {
		t.Errorf("its loads are %+v and %+v", plan.Scenarios[0].Load, plan.Scenarios[1].Load)
	}
	if len(plan.Faults) == 0 || plan.Faults[0].Instance == 0 || plan.Faults[0].Action != "kill" ||
		plan.Environment.Instances < 2 {
		t.Errorf("its faults are %+v, with %d instances", plan.Faults, plan.Environment.Instances)
	}
	var gates []string
	for _, threshold := range plan.Thresholds {
		gates = append(gates, string(threshold.Metric)+" "+threshold.Source)
	}
	for _, want := range []string{
		"stream_delivery p(95)<100", "stream_missed count==0", "stream_repeated count==0", "http_req_failed rate==0",
	} {
		if !slices.Contains(gates, want) {
			t.Errorf("%q is not among %q", want, gates)
		}
	}
}
