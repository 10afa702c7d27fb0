package loadgen

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/policycortex/headroom/loadgen/wire"
	"github.com/policycortex/headroom/scenarios"
)

// onBackends runs a test on each of them, side by side: such tests mostly wait.
func onBackends(t *testing.T, f func(t *testing.T, by wire.Backend)) {
	t.Helper()
	sideBySide(t, wire.Backends(), f)
}

// sideBySide runs a test by all of these backends or engines at the same time.
func sideBySide[W ~string](t *testing.T, ways []W, f func(t *testing.T, by W)) {
	t.Helper()
	for _, by := range ways {
		t.Run(string(by), func(t *testing.T) {
			t.Parallel()
			f(t, by)
		})
	}
}

// inTurn runs a test by one of them after the other: where it needs the machine or the process for itself.
func inTurn(t *testing.T, ways []wire.Backend, f func(t *testing.T, by wire.Backend)) {
	t.Helper()
	for _, by := range ways {
		t.Run(string(by), func(t *testing.T) { f(t, by) })
	}
}

// rawServer answers by f whatever is read from a connection, and counts the connections.
func rawServer(t *testing.T, f func(c net.Conn, r *bufio.Reader)) (url string, connections *atomic.Int64) {
	t.Helper()
	realTime(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	connections = &atomic.Int64{}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			connections.Add(1)
			go func() {
				defer c.Close()
				f(c, bufio.NewReader(c))
			}()
		}
	}()
	return "http://" + l.Addr().String(), connections
}

func answerOnce(c net.Conn, r *bufio.Reader, headers string) bool {
	req, err := http.ReadRequest(r)
	if err != nil {
		return false
	}
	io.Copy(io.Discard, req.Body)
	_, err = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n%s\r\nok", headers)
	return err == nil
}

// TestConnectionsAreKept: requests that follow each other share a connection, and "Connection: close" is heeded.
func TestConnectionsAreKept(t *testing.T) {
	t.Parallel()
	onBackends(t, func(t *testing.T, by wire.Backend) {
		for headers, want := range map[string]int64{"": 1, "Connection: close\r\n": 20} {
			url, connections := rawServer(t, func(c net.Conn, r *bufio.Reader) {
				for answerOnce(c, r, headers) {
				}
			})
			plan := planOf(scenarios.Scenario{Load: scenarios.ConstantRate{
				Rate: 100, Duration: 200 * time.Millisecond,
				MaxVUs: 1,
			}})
			m := run1(t, plan, url, Options{backend: by})
			if s := m.Series[0]; s.Requests != 20 || s.Failed != 0 || s.BytesReceived != 40 ||
				connections.Load() != want {
				t.Errorf("%q: %d requests, %v, over %d connections, want %d", headers, s.Requests, s.Errors,
					connections.Load(), want)
			}
		}
	})
}

// TestClosedWhileIdle: a server that closes a kept connection without a word costs no request, because the loop notices
// or sends it again; but a POST that may have arrived is not sent twice.
func TestClosedWhileIdle(t *testing.T) {
	t.Parallel()
	onBackends(t, func(t *testing.T, by wire.Backend) {
		for _, method := range []string{"GET", "POST"} {
			var served atomic.Int64
			url, _ := rawServer(t, func(c net.Conn, r *bufio.Reader) {
				if answerOnce(c, r, "") {
					served.Add(1)
				}
				if method == "POST" { // takes the second request and dies of it
					http.ReadRequest(r)
				}
			})
			plan := planOf(scenarios.Scenario{Load: scenarios.ConstantRate{
				Rate: 50, Duration: 400 * time.Millisecond,
				MaxVUs: 1,
			}})
			plan.Scenarios[0].Requests[0].Method = method
			m := run1(t, plan, url, Options{backend: by})
			s, failed := m.Series[0], int64(0)
			if method == "POST" {
				failed = 10
			}
			for range 100 { // the server counts the last answer when it has written it
				if served.Load() >= 20-failed {
					break
				}
				time.Sleep(10 * time.Millisecond)
			}
			if s.Requests != 20 || s.Failed != failed || served.Load() != 20-failed {
				t.Errorf("%s: %d requests, %v %v, %d served", method, s.Requests, s.Errors, s.ErrorSamples,
					served.Load())
			}
		}
	})
}

// TestLargeBodies go in pieces both ways.
func TestLargeBodies(t *testing.T) {
	const size = 3 << 20
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(w, r.Body) // chunked
		if n != size || err != nil {
			t.Errorf("the server read %d bytes, %v", n, err)
		}
	})
	inTurn(t, wire.Backends(), func(t *testing.T, by wire.Backend) {
		plan := planOf(scenarios.Scenario{Load: scenarios.ConstantRate{
			Rate: 20, Duration: 500 * time.Millisecond,
			MaxVUs: 3,
		}})
		q := &plan.Scenarios[0].Requests[0]
		q.Method, q.Body = "POST", literal(strings.Repeat("x", size))
		s := run1(t, plan, url, Options{backend: by}).Series[0]
		if s.Requests != 10 || s.Failed != 0 || s.BytesReceived != 10*size || s.BytesSent != 10*size {
			t.Errorf("%d requests, %v %v; %d bytes received, %d sent", s.Requests, s.Errors, s.ErrorSamples,
				s.BytesReceived, s.BytesSent)
		}
	})
}

// TestEarlyAnswer: a server may answer before it has read the request, and then closes.
func TestEarlyAnswer(t *testing.T) {
	inTurn(t, wire.Backends(), func(t *testing.T, by wire.Backend) {
		url, connections := rawServer(t, func(c net.Conn, r *bufio.Reader) {
			r.ReadString('\n')
			io.WriteString(c, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")
			time.Sleep(100 * time.Millisecond)
		})
		plan := planOf(scenarios.Scenario{Load: scenarios.ConstantRate{
			Rate: 20, Duration: 200 * time.Millisecond,
			MaxVUs: 2,
		}})
		q := &plan.Scenarios[0].Requests[0]
		q.Method, q.Body, q.ExpectedStatus = "POST", literal(strings.Repeat("x", 8<<20)), []int{413}
		s := run1(t, plan, url, Options{backend: by}).Series[0]
		if s.Requests != 4 || s.Failed != 0 || connections.Load() != 4 {
			t.Errorf("%d requests, %v %v over %d connections", s.Requests, s.Errors, s.ErrorSamples, connections.Load())
		}
	})
}
