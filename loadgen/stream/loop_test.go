package stream

import (
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/policycortex/headroom/loadgen/arrival"
	"github.com/policycortex/headroom/loadgen/record"
	"github.com/policycortex/headroom/loadgen/request"
	"github.com/policycortex/headroom/scenarios"
)

// silent is a carrier that carries nothing.
type silent struct{}

func (silent) name() string                   { return "silent" }
func (silent) open(*subscriber, []byte) error { return nil }
func (silent) close(*subscriber)              {}
func (silent) wait(time.Duration)             {}
func (silent) wake()                          {}
func (silent) end()                           {}

const head200 = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"

// streamingLoop is a loop of one subscriber, whose stream is open.
func streamingLoop(t testing.TB) (*loop, *subscriber) {
	t.Helper()
	s := &scenarios.Scenario{
		Name: "live",
		Load: scenarios.Subscribers{
			Subscribers: 1, Duration: time.Hour, Retry: time.Second, Resume: true,
			Event: scenarios.StreamEvent{Time: at},
		},
		Requests: []scenarios.Request{{
			Name: "stream", Method: "GET", Path: scenarios.Template{{Literal: "/"}}, Weight: 1, Timeout: time.Minute,
		}},
	}
	requests, err := request.New(1, s, request.Sources{})
	if err != nil {
		t.Fatal(err)
	}
	timing := &arrival.Timing{Window: arrival.NewWindow(s, nil), Shard: arrival.Whole, Users: 1}
	c := &Config{
		Load: s.Load.(scenarios.Subscribers), Timing: timing, Requests: requests, Loops: 1,
		Collector: record.New(&scenarios.Plan{Scenarios: []scenarios.Scenario{*s}}, s, timing, requests),
	}
	l := newLoop(c, 0, []*url.URL{{Scheme: "http", Host: "127.0.0.1:1"}})
	l.carrier, l.start = silent{}, time.Now()
	l.clock()
	l.begin()
	l.received(&l.subscribers[0], []byte(head200))
	if l.subscribers[0].state != streaming {
		t.Fatalf("the stream is not open: %+v", l.subscribers[0])
	}
	return l, &l.subscribers[0]
}

func event(n int) []byte {
	return fmt.Appendf(nil, "id: %d\nevent: change\ndata: {\"tenant\": \"a\", \"at\": %d}\n\n", n,
		time.Now().UnixMicro())
}

// TestReceivingAllocatesNothing: not even where a piece ends in the middle of an event.
func TestReceivingAllocatesNothing(t *testing.T) {
	l, s := streamingLoop(t)
	piece := event(7)
	receive := func() {
		l.received(s, piece[:20])
		l.received(s, piece[20:])
	}
	receive()
	if n := testing.AllocsPerRun(1000, receive); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestRequestOfASubscriber: what it asks for at first, and after a break.
func TestRequestOfASubscriber(t *testing.T) {
	l, s := streamingLoop(t)
	first := string(l.out)
	const want = "GET / HTTP/1.1\r\nHost: 127.0.0.1:1\r\nUser-Agent: headroom\r\nAccept: text/event-stream\r\n" +
		"Cache-Control: no-store\r\n"
	if first != want+"\r\n" {
		t.Errorf("asked at first: %q", first)
	}
	l.received(s, event(17))
	l.hungUp(s)
	if s.state != waiting || len(l.timers) != 2 {
		t.Fatalf("after a break: state %d, %d timers", s.state, len(l.timers))
	}
	l.now += time.Minute
	l.fire()
	if again := string(l.out); s.state != connecting || again != want+"Last-Event-ID: 17\r\n\r\n" {
		t.Errorf("state %d, asked again: %q", s.state, again)
	}
}

// BenchmarkReceived is the cost of an event from its bytes to the account.
func BenchmarkReceived(b *testing.B) {
	l, s := streamingLoop(b)
	piece := event(7)
	b.ReportAllocs()
	for b.Loop() {
		l.clock()
		l.received(s, piece)
	}
}
