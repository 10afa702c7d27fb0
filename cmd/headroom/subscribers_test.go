package main

import (
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/policycortex/headroom/results"
)

// ticks is a service whose streams have an event every 20 ms; its clock is wrong by so much.
func ticks(wrong time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for n := 1; r.Context().Err() == nil; n++ {
			fmt.Fprintf(w, "id: %d\ndata: {\"at\": %d}\n\n", n, time.Now().Add(wrong).UnixMicro())
			if http.NewResponseController(w).Flush() != nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
}

const subscribersLoad = "executor: subscribers\n    subscribers: 5\n    rampUp: 100ms\n    duration: 1s\n    " +
	"event: {time: $.at}"

// TestSubscribers: whoever runs the program against streams, by TLS as well, gets their figures and the exit codes of
// every other run.
func TestSubscribers(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(ticks(0))
	t.Cleanup(server.Close)
	file := scenario(t, server.URL, subscribersLoad, `stream_connected: "rate>0"
  stream_missed: "count==0"
  stream_delivery: "max<60000"`)
	p := headroom(t, "run", file, "--out", "out")
	p.trusts(t, []*x509.Certificate{server.Certificate()}...)
	out := filepath.Join(p.Dir, "out")
	p.holds(t, out)
	says(t, p.stdout.String(), "Streams (times in ms)", "delivery", "subscribers")
	run, err := results.Read(out)
	if err != nil {
		t.Fatal(err)
	}
	s := run.Measurements.Streams[0]
	if s.Opened != 5 || s.Breaks != 0 || s.Events == 0 || s.Delivery.Count() != s.Events ||
		run.Measurements.Engine != "streams (net.Conn, TLS)" {
		t.Errorf("by %s: %+v", run.Measurements.Engine, s)
	}
}

func TestSubscribersExitCodes(t *testing.T) {
	t.Parallel()
	right, wrong := httptest.NewServer(ticks(0)), httptest.NewServer(ticks(time.Hour))
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "a page")
	}))
	for _, s := range []*httptest.Server{right, wrong, page} {
		t.Cleanup(s.Close)
	}
	p := headroom(t, "run", scenario(t, right.URL, subscribersLoad, `stream_events: "count<5"`))
	p.crosses(t)
	p = headroom(t, "run", scenario(t, wrong.URL, subscribersLoad, `stream_delivery: "p(95)<100"`))
	p.exits(t, exitInvalid)
	says(t, p.stdout.String()+p.stderr.String(), "were received before the time that stands in them")
	p = headroom(t, "run", scenario(t, page.URL, subscribersLoad, `stream_breaks: "count<5"`))
	p.exits(t, exitCrossed, exitInvalid)
	says(t, p.stdout.String()+p.stderr.String(), "not an event stream", "text/plain")
	p = headroom(t, "try", scenario(t, right.URL, subscribersLoad, `stream_events: "count>1"`))
	p.exits(t, exitUsage)
	says(t, p.stderr.String(), "the request root opens a stream, which does not end and so is not tried")
}
