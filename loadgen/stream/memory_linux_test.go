package stream

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"

	"github.com/policycortex/headroom/loadgen/arrival"
	"github.com/policycortex/headroom/loadgen/connect"
	"github.com/policycortex/headroom/loadgen/record"
	"github.com/policycortex/headroom/loadgen/request"
	"github.com/policycortex/headroom/scenarios"
)

// serveVariable makes the test binary the service of BenchmarkMemory, whose memory is none of the generator's.
const serveVariable = "HEADROOM_TEST_STREAMS"

// TestServe serves streams until it is killed, where it is asked to.
func TestServe(t *testing.T) {
	if os.Getenv(serveVariable) == "" {
		return
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("http://%s\n", listener.Addr())
	t.Error(http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		out := http.NewResponseController(w)
		for n := 1; r.Context().Err() == nil; n++ {
			fmt.Fprintf(w, "id: %d\ndata: {\"at\": %d}\n\n", n, time.Now().UnixMicro())
			out.Flush()
			time.Sleep(time.Second)
		}
	})))
}

// service starts a process that serves streams.
func service(b *testing.B) string {
	b.Helper()
	command := exec.Command(os.Args[0], "-test.run=^TestServe$")
	command.Env = append(os.Environ(), serveVariable+"=1")
	out, err := command.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := command.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		command.Process.Kill()
		io.Copy(io.Discard, out)
		command.Wait()
	})
	var url string
	if _, err := fmt.Fscanln(out, &url); err != nil {
		b.Fatal(err)
	}
	return url
}

// BenchmarkMemory says what a subscriber with an open stream takes of the generator's memory, by how streams are read.
func BenchmarkMemory(b *testing.B) {
	const subscribers = 4000
	for name, portable := range map[string]bool{"epoll": false, "net.Conn": true} {
		b.Run(name, func(b *testing.B) {
			s := &scenarios.Scenario{
				Name: "live",
				Load: scenarios.Subscribers{
					Subscribers: subscribers, RampUp: 2 * time.Second, Duration: 3 * time.Second, Retry: time.Second,
					Event: scenarios.StreamEvent{Time: at},
				},
				Requests: []scenarios.Request{{
					Name: "stream", Method: "GET", Path: scenarios.Template{{Literal: "/"}}, Timeout: 5 * time.Second,
					Weight: 1,
				}},
			}
			url := service(b)
			for b.Loop() {
				before := used()
				requests, err := request.New(1, s, request.Sources{})
				if err != nil {
					b.Fatal(err)
				}
				timing := &arrival.Timing{Window: arrival.NewWindow(s, nil), Shard: arrival.Whole, Users: subscribers}
				collector := record.New(&scenarios.Plan{Scenarios: []scenarios.Scenario{*s}}, s, timing, requests)
				e, err := New(context.Background(), Config{
					Load: s.Load.(scenarios.Subscribers), Timing: timing, Requests: requests, Collector: collector,
					Target: []string{url}, Loops: 1, Portable: portable, To: &connect.To{},
				})
				if err != nil {
					b.Fatal(err)
				}
				done := make(chan struct{})
				go func() {
					defer close(done)
					e.Run(context.Background(), time.Now())
				}()
				time.Sleep(4 * time.Second)
				open := collector.Progress().InFlight
				b.ReportMetric(float64(used()-before)/subscribers, "B/subscriber")
				<-done
				if open != subscribers {
					b.Errorf("%d of %d streams were open", open, subscribers)
				}
			}
		})
	}
}

// used is the memory of heap and stacks in use, in bytes.
func used() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}
