package loadgen

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/policycortex/headroom/loadgen/record"
	"github.com/policycortex/headroom/loadgen/wire"
	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// frameServer is a server of HTTP/2 whose answers a test writes itself, frame by frame.
type frameServer struct {
	url         string
	connections atomic.Int64
	settings    []http2.Setting
	handle      func(c *frameConn, r frameRequest) // one after the other on a connection

	mu     sync.Mutex
	served map[string]int // by method and path
}

// frameConn is one connection, and how many requests have come on it.
type frameConn struct {
	*http2.Framer
	net.Conn
	server   *frameServer
	requests int
	block    bytes.Buffer
	encoder  *hpack.Encoder
}

type frameRequest struct {
	stream uint32
	path   string // with the method before it
}

func newFrameServer(t *testing.T, handle func(c *frameConn, r frameRequest), settings ...http2.Setting) *frameServer {
	t.Helper()
	realTime(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	s := &frameServer{
		url: "http://" + l.Addr().String(), settings: settings, handle: handle, served: map[string]int{},
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s.connections.Add(1)
			go s.serve(conn)
		}
	}()
	return s
}

func (s *frameServer) serve(conn net.Conn) {
	defer conn.Close()
	c := &frameConn{Framer: http2.NewFramer(conn, conn), Conn: conn, server: s}
	c.encoder = hpack.NewEncoder(&c.block)
	c.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	if _, err := io.ReadFull(conn, make([]byte, len(http2.ClientPreface))); err != nil {
		return
	}
	c.WriteSettings(s.settings...)
	for {
		f, err := c.ReadFrame()
		if err != nil {
			return
		}
		switch f := f.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				c.WriteSettingsAck()
			}
		case *http2.MetaHeadersFrame:
			c.requests++
			s.handle(c, frameRequest{f.StreamID, f.PseudoValue("method") + " " + f.PseudoValue("path")})
		}
	}
}

// answer answers a request with an empty body, and notes that it was served.
func (c *frameConn) answer(r frameRequest) {
	c.server.mu.Lock()
	c.server.served[r.path]++
	c.server.mu.Unlock()
	c.block.Reset()
	c.encoder.WriteField(hpack.HeaderField{Name: ":status", Value: "200"})
	c.WriteHeaders(http2.HeadersFrameParam{
		StreamID: r.stream, BlockFragment: c.block.Bytes(), EndHeaders: true, EndStream: true,
	})
}

// servedOnce reports how many requests were served, and fails where one was more than once.
func (s *frameServer) servedOnce(t *testing.T) int {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for path, n := range s.served {
		if n > 1 {
			t.Errorf("%s was served %d times", path, n)
		}
	}
	return len(s.served)
}

// numbered is a plan whose requests have a path of their own each.
func numbered(method string, load scenarios.Load) *scenarios.Plan {
	plan := by2(planOf(scenarios.Scenario{Load: load}), 0)
	q := &plan.Scenarios[0].Requests[0]
	q.Method, q.Path = method, scenarios.Template{{Literal: "/"}, {Value: scenarios.ValueIteration}}
	return plan
}

// by2 has the requests of a plan sent by HTTP/2, over so many connections at most; 0: as few as do.
func by2(plan *scenarios.Plan, connections int) *scenarios.Plan {
	plan.Target.HTTP = scenarios.HTTP{Version: scenarios.HTTP2, MaxConnections: connections}
	return plan
}

// tell describes what came of a run.
func tell(m *results.Measurements) string {
	s := m.Series[0]
	return fmt.Sprintf("%d requests, %d failed, %v %v; sent again %d times", s.Requests, s.Failed, s.Errors,
		s.ErrorSamples, m.Loads[0].Resent)
}

// TestHTTP2GoAway: a server that takes ten requests a connection, and refuses what else of a burst comes on it, is sent
// the rest on other connections: each request is served once, and what was sent again is told.
func TestHTTP2GoAway(t *testing.T) {
	t.Parallel()
	onBackends(t, func(t *testing.T, by wire.Backend) {
		s := newFrameServer(t, func(c *frameConn, r frameRequest) {
			if c.requests > 10 {
				return
			}
			if c.requests == 10 {
				c.WriteGoAway(r.stream, http2.ErrCodeNo, nil)
			}
			c.answer(r)
		})
		plan := numbered("POST", scenarios.Bursts{
			Size: 100, Every: 200 * time.Millisecond,
			Duration: 800 * time.Millisecond,
		})
		m := run1(t, plan, s.url, Options{backend: by})
		if served := s.servedOnce(t); served != 400 || m.Series[0].Requests != 400 || m.Series[0].Failed != 0 ||
			s.connections.Load() < 40 || m.Loads[0].Resent == 0 {
			t.Errorf("%d served over %d connections; %s", served, s.connections.Load(), tell(m))
		}
		if want := fmt.Sprintf("wire (%s, HTTP/2)", by); m.Engine != want {
			t.Errorf("engine %q, want %q", m.Engine, want)
		}
		if !strings.Contains(strings.Join(m.Warnings, "\n"), "were sent again") {
			t.Errorf("warnings: %q", m.Warnings)
		}
	})
}

// TestHTTP2Refused: a request whose stream is refused is sent once more, and no oftener.
func TestHTTP2Refused(t *testing.T) {
	t.Parallel()
	for _, always := range []bool{false, true} {
		s := newFrameServer(t, func(c *frameConn, r frameRequest) {
			if always || c.requests%2 == 1 {
				c.WriteRSTStream(r.stream, http2.ErrCodeRefusedStream)
				return
			}
			c.answer(r)
		})
		plan := numbered("POST", scenarios.ConstantRate{Rate: 50, Duration: 400 * time.Millisecond, MaxVUs: 1})
		m := run1(t, plan, s.url, Options{})
		failed := int64(0)
		if always {
			failed = 20
		}
		if got := m.Series[0]; got.Requests != 20 || got.Failed != failed || m.Loads[0].Resent != 20 ||
			got.Errors[record.ErrorTurnedAway] != failed || s.connections.Load() != 1 {
			t.Errorf("always %v: %s, over %d connections", always, tell(m), s.connections.Load())
		}
	}
}

// TestHTTP2StreamLimit: no more requests are open on a connection than the server takes; what comes above that waits
// its turn where the connections are limited, and gets a connection of its own where they are not.
func TestHTTP2StreamLimit(t *testing.T) {
	t.Parallel()
	for limit, connections := range map[int]int64{0: 4, 2: 2} {
		var now, most atomic.Int64
		s := newFrameServer(t, func(c *frameConn, r frameRequest) {
			most.Store(max(most.Load(), now.Add(1)))
			go func() {
				time.Sleep(20 * time.Millisecond)
				now.Add(-1)
				c.server.mu.Lock()
				c.server.served[r.path]++
				c.server.mu.Unlock()
				// one write a frame: several goroutines may write
				c.Conn.Write([]byte{
					0, 0, 1, 1, 5, byte(r.stream >> 24), byte(r.stream >> 16), byte(r.stream >> 8),
					byte(r.stream), 0x88,
				})
			}()
		}, http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 3})
		plan := numbered("GET", scenarios.Users{VUs: 12, Duration: 600 * time.Millisecond})
		plan.Scenarios[0].Warmup = 0
		m := run1(t, by2(plan, limit), s.url, Options{})
		served := s.servedOnce(t)
		if got := m.Series[0]; got.Failed != 0 || int64(served) != got.Requests || served < 50 {
			t.Errorf("limit %d: %d served; %s", limit, served, tell(m))
		}
		// Before the settings have come up to 12 are sent on the first connection.
		if s.connections.Load() < connections || limit > 0 && s.connections.Load() > connections {
			t.Errorf("limit %d: %d connections, want %d", limit, s.connections.Load(), connections)
		}
	}
}

// TestHTTP2Connections: as few connections as do, or as many as are asked for.
func TestHTTP2Connections(t *testing.T) {
	inTurn(t, wire.Backends(), func(t *testing.T, by wire.Backend) {
		loops := int64(runtime.GOMAXPROCS(0))
		for limit, most := range map[int]int64{0: loops, 4: 4} { // a loop has a connection of its own
			s := newFrameServer(t, func(c *frameConn, r frameRequest) { c.answer(r) })
			plan := numbered("GET", scenarios.Users{VUs: 16, Duration: 200 * time.Millisecond})
			m := run1(t, by2(plan, limit), s.url, Options{backend: by})
			if got := m.Series[0]; got.Failed != 0 || int64(s.servedOnce(t)) != got.Requests || got.Requests < 100 ||
				s.connections.Load() > most || limit > 0 && s.connections.Load() < most {
				t.Errorf("%d connections, want up to %d; %s", s.connections.Load(), most, tell(m))
			}
		}
	})
}

// TestHTTP2BrokenConnection: of the requests on a connection that breaks, those are sent again that may be, when they
// have met a connection that had worked before.
func TestHTTP2BrokenConnection(t *testing.T) {
	t.Parallel()
	onBackends(t, func(t *testing.T, by wire.Backend) {
		for _, method := range []string{"GET", "POST"} {
			s := newFrameServer(t, func(c *frameConn, r frameRequest) {
				if c.requests > 4 {
					c.Conn.Close()
					return
				}
				c.answer(r)
			})
			plan := numbered(method, scenarios.ConstantRate{Rate: 50, Duration: 400 * time.Millisecond, MaxVUs: 1})
			m := run1(t, plan, s.url, Options{backend: by})
			failed, served := int64(0), 20
			if method == "POST" {
				failed, served = 4, 16
			}
			if got := m.Series[0]; got.Requests != 20 || got.Failed != failed || s.servedOnce(t) != served ||
				(m.Loads[0].Resent > 0) != (method == "GET") {
				t.Errorf("%s: %d served; %s", method, s.servedOnce(t), tell(m))
			}
		}
	})
}

// TestHTTP2Timeouts: a request that is not answered in time is canceled, and the others on its connection go on.
func TestHTTP2Timeouts(t *testing.T) {
	t.Parallel()
	onBackends(t, func(t *testing.T, by wire.Backend) {
		var canceled atomic.Int64
		url := serve(t, func(_ http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "7") {
				<-r.Context().Done()
				canceled.Add(1)
			}
		})
		plan := numbered("GET", scenarios.ConstantRate{Rate: 100, Duration: time.Second})
		plan.Scenarios[0].Requests[0].Timeout = 300 * time.Millisecond
		m := run1(t, plan, url, Options{backend: by})
		if got := m.Series[0]; got.Requests != 100 || got.Failed != 10 || got.Errors[record.ErrorTimeout] != 10 {
			t.Error(tell(m))
		}
		for wait := 0; canceled.Load() < 10 && wait < 100; wait++ {
			time.Sleep(20 * time.Millisecond)
		}
		if canceled.Load() != 10 {
			t.Errorf("the server saw %d requests canceled, want 10", canceled.Load())
		}
	})
}

// TestHTTP2Nobody: each request fails by itself where there is no server, or one that speaks something else.
func TestHTTP2Nobody(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := "http://" + l.Addr().String()
	l.Close()
	other, _ := rawServer(t, func(c net.Conn, _ *bufio.Reader) {
		io.WriteString(c, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
		time.Sleep(50 * time.Millisecond)
	})
	onBackends(t, func(t *testing.T, by wire.Backend) {
		for url, want := range map[string]string{nobody: record.ErrorRefused, other: record.ErrorMalformed} {
			plan := numbered("GET", scenarios.ConstantRate{Rate: 50, Duration: 400 * time.Millisecond})
			m := run1(t, plan, url, Options{backend: by})
			if got := m.Series[0]; got.Requests != 20 || got.Errors[want] != 20 {
				t.Errorf("want %s: %s", want, tell(m))
			}
		}
	})
}

// TestHTTP2Bodies: large ones go in pieces both ways, beside each other on one connection.
func TestHTTP2Bodies(t *testing.T) {
	const size = 3 << 20
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(w, r.Body)
		if n != size || err != nil {
			t.Errorf("the server read %d bytes, %v", n, err)
		}
	})
	inTurn(t, wire.Backends(), func(t *testing.T, by wire.Backend) {
		plan := numbered("POST", scenarios.ConstantRate{Rate: 20, Duration: 500 * time.Millisecond, MaxVUs: 3})
		plan.Scenarios[0].Requests[0].Body = literal(strings.Repeat("x", size))
		m := run1(t, plan, url, Options{backend: by})
		if s := m.Series[0]; s.Requests != 10 || s.Failed != 0 || s.BytesReceived != 10*size || s.BytesSent != 10*size {
			t.Errorf("%s; %d bytes received, %d sent", tell(m), s.BytesReceived, s.BytesSent)
		}
	})
}

// TestHTTP2Silence: a connection on which a request times out, and on which nothing was heard since, is given up.
func TestHTTP2Silence(t *testing.T) {
	var silent atomic.Bool
	s := newFrameServer(t, func(c *frameConn, r frameRequest) {
		if c.requests == 5 && silent.CompareAndSwap(false, true) {
			select {} // it never reads again
		}
		c.answer(r)
	})
	plan := numbered("GET", scenarios.ConstantRate{Rate: 20, Duration: time.Second, MaxVUs: 20})
	plan.Scenarios[0].Requests[0].Timeout = 200 * time.Millisecond
	loops := int64(runtime.GOMAXPROCS(0))
	m := run1(t, plan, s.url, Options{})
	if got := m.Series[0]; got.Requests != 20 || got.Failed == 0 || got.Failed > 10 ||
		got.Errors[record.ErrorTimeout] != got.Failed || s.connections.Load() > loops+1 {
		t.Errorf("%s; %d connections", tell(m), s.connections.Load())
	}
}

// TestHTTP2Interrupted: what is in flight when the run is interrupted counts as nothing.
func TestHTTP2Interrupted(t *testing.T) {
	t.Parallel()
	url := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	onBackends(t, func(t *testing.T, by wire.Backend) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		plan := numbered("GET", scenarios.ConstantRate{Rate: 100, Duration: 10 * time.Second})
		m, err := Run(ctx, plan, url, Options{backend: by})
		if err != nil || !m.Interrupted {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(m.Loads, func(l *results.Load) bool { return l.Sent == 0 }) {
			t.Errorf("%d were sent; %s", m.Loads[0].Sent, tell(m))
		}
	})
}

// TestHTTP2Once: without keep-alive each request has a connection of its own, and no more of them than there may be.
func TestHTTP2Once(t *testing.T) {
	t.Parallel()
	for _, limit := range []int{0, 1} {
		var now, most atomic.Int64
		s := newFrameServer(t, func(c *frameConn, r frameRequest) {
			most.Store(max(most.Load(), now.Add(1)))
			time.Sleep(time.Millisecond)
			now.Add(-1)
			c.answer(r)
		})
		plan := by2(numbered("POST", scenarios.ConstantRate{Rate: 100, Duration: 200 * time.Millisecond}), limit)
		plan.Target.HTTP.Close = true
		m := run1(t, plan, s.url, Options{})
		if got := m.Series[0]; got.Requests != 20 || got.Failed != 0 || s.servedOnce(t) != 20 ||
			s.connections.Load() != 20 || limit == 1 && most.Load() != 1 {
			t.Errorf("limit %d: %s over %d connections, %d at once", limit, tell(m), s.connections.Load(), most.Load())
		}
	}
}
