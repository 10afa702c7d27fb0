package loadgen

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/policycortex/headroom/loadgen/record"
	"github.com/policycortex/headroom/loadgen/wire"
	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// tenRequests is a plan of ten requests, one every 20 ms, to a target that is reached as it says.
func tenRequests(target scenarios.Target) *scenarios.Plan {
	plan := planOf(scenarios.Scenario{Load: scenarios.ConstantRate{
		Rate: 50, Duration: 200 * time.Millisecond, MaxVUs: 1,
	}})
	plan.Target = target
	return plan
}

// allAnswered fails the test if one of ten requests was not answered as it should.
func allAnswered(t *testing.T, m *results.Measurements) {
	t.Helper()
	if s := m.Series[0]; s.Requests != 10 || s.Failed != 0 {
		t.Errorf("%d requests by %s, %v %v", s.Requests, m.Engine, s.Errors, s.ErrorSamples)
	}
}

// TestVersionsOfHTTP: what is asked for is what is sent, or an error.
func TestVersionsOfHTTP(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	config := &tls.Config{Certificates: []tls.Certificate{a.pair(t, "server", "127.0.0.1", -time.Hour, time.Hour)}}
	protocols := map[string]bool{}
	var mu sync.Mutex
	note := func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		protocols[r.Proto] = true
	}
	both, _ := serveTLS(t, config.Clone(), true, note)
	one, _ := serveTLS(t, config.Clone(), false, note)
	clear := httptest.NewUnstartedServer(http.HandlerFunc(note))
	clear.Config.Protocols = new(http.Protocols)
	clear.Config.Protocols.SetUnencryptedHTTP2(true)
	clear.Config.Protocols.SetHTTP1(true)
	clear.Start()
	t.Cleanup(clear.Close)
	l, err := tls.Listen("tcp", "127.0.0.1:0", config.Clone())
	if err != nil {
		t.Fatal(err)
	}
	silent := &http.Server{Handler: http.HandlerFunc(note), ErrorLog: log.New(io.Discard, "", 0)}
	go silent.Serve(l)
	t.Cleanup(func() { silent.Close() })
	withoutALPN := "https://" + l.Addr().String()
	for _, tt := range []struct {
		url        string
		version    scenarios.HTTPVersion
		want, says string // one of them
	}{
		{both, scenarios.AutoHTTP, "HTTP/2.0", ""},
		{both, scenarios.HTTP1, "HTTP/1.1", ""},
		{both, scenarios.HTTP2, "HTTP/2.0", ""},
		{one, scenarios.AutoHTTP, "HTTP/1.1", ""},
		{one, scenarios.HTTP2, "", "no application protocol"},
		{withoutALPN, scenarios.AutoHTTP, "HTTP/1.1", ""},
		{withoutALPN, scenarios.HTTP2, "", "the server does not offer HTTP/2"},
		{clear.URL, scenarios.AutoHTTP, "HTTP/1.1", ""},
		{clear.URL, scenarios.HTTP2, "HTTP/2.0", ""},
	} {
		for _, engine := range []scenarios.Engine{scenarios.EngineAuto, scenarios.EngineVegeta} {
			plan := tenRequests(scenarios.Target{
				URL: tt.url, TLS: scenarios.TLS{CA: a.named("authority.pem")},
				HTTP: scenarios.HTTP{Version: tt.version},
			})
			plan.Engine = engine
			m := run1(t, plan, tt.url, Options{})
			s := m.Series[0]
			mu.Lock()
			switch {
			case tt.want == "":
				if s.Errors[record.ErrorTLS] != 10 || !strings.Contains(fmt.Sprint(s.ErrorSamples), tt.says) {
					t.Errorf("%s, version %s by %s: %v %v", tt.url, tt.version, m.Engine, s.Errors, s.ErrorSamples)
				}
			case s.Requests != 10 || s.Failed != 0 || !protocols[tt.want] || len(protocols) > 1:
				t.Errorf("%s, version %s by %s: %d requests, %v; the server saw %v, want %s", tt.url, tt.version,
					m.Engine,
					s.Requests, s.ErrorSamples, protocols, tt.want)
			}
			protocols = map[string]bool{}
			mu.Unlock()
		}
	}
}

// TestInstanceThatIsNotAsked: who ends the connection on which it is asked for its version is sent HTTP/1.1, and a
// warning says so.
func TestInstanceThatIsNotAsked(t *testing.T) {
	address := acceptAnd(t, func(net.Conn) {})
	url := "https://" + address
	plan := planOf(scenarios.Scenario{Load: scenarios.ConstantRate{Rate: 20, Duration: 100 * time.Millisecond}})
	plan.Target.URL = url
	m := run1(t, plan, url, Options{})
	if s := m.Series[0]; s.Failed != s.Requests || !strings.Contains(strings.Join(m.Warnings, "\n"),
		address+" could not be asked for its version of HTTP") {
		t.Errorf("%d of %d failed, warnings %q", s.Failed, s.Requests, m.Warnings)
	}
}

// TestVersionsOfInstances: each instance is sent the version of HTTP that it offers, by users and by arrivals.
func TestVersionsOfInstances(t *testing.T) {
	a := newAuthority(t)
	config := &tls.Config{Certificates: []tls.Certificate{a.pair(t, "server", "127.0.0.1", -time.Hour, time.Hour)}}
	var by2, by1 atomic.Int64
	both, _ := serveTLS(t, config.Clone(), true, func(_ http.ResponseWriter, r *http.Request) {
		by2.Add(int64(r.ProtoMajor - 1))
	})
	one, _ := serveTLS(t, config.Clone(), false, func(_ http.ResponseWriter, r *http.Request) {
		by1.Add(int64(2 - r.ProtoMajor))
	})
	for name, load := range map[string]scenarios.Load{
		"arrivals": scenarios.ConstantRate{Rate: 200, Duration: 200 * time.Millisecond, MaxVUs: 8},
		"users":    scenarios.Users{VUs: 4, Duration: 200 * time.Millisecond},
	} {
		inTurn(t, wire.Backends(), func(t *testing.T, backend wire.Backend) {
			plan := planOf(scenarios.Scenario{Load: load})
			plan.Target = scenarios.Target{
				URL: both, Others: []string{one}, TLS: scenarios.TLS{CA: a.named("authority.pem")},
			}
			m := runBy(t, t.Context(), backend, plan, both, one)
			s := m.Series[0]
			if s.Requests == 0 || s.Failed != 0 || !strings.Contains(m.Engine, "HTTP/1.1 and HTTP/2, TLS") {
				t.Errorf("%s: %d requests by %s, %v %v", name, s.Requests, m.Engine, s.Errors, s.ErrorSamples)
			}
		})
	}
	if by2.Load() < 60 || by1.Load() < 60 {
		t.Errorf("%d by HTTP/2, %d by HTTP/1.1", by2.Load(), by1.Load())
	}
}

// TestKeepAliveOff: each request has a connection of its own, also to a server that would keep it.
func TestKeepAliveOff(t *testing.T) {
	t.Parallel()
	onSenders(t, func(t *testing.T, by wire.Backend) {
		var told atomic.Int64
		url, connections := rawServer(t, func(c net.Conn, r *bufio.Reader) {
			for {
				req, err := http.ReadRequest(r)
				if err != nil {
					return
				}
				if req.Close {
					told.Add(1)
				}
				if _, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"); err != nil {
					return
				}
			}
		})
		plan := tenRequests(scenarios.Target{URL: url, HTTP: scenarios.HTTP{Close: true}})
		plan.Scenarios[0].Requests[0].Headers = []scenarios.Header{{Name: "Connection", Value: literal("close")}}
		allAnswered(t, runBy(t, t.Context(), by, plan, url))
		if connections.Load() != 10 || told.Load() != 10 {
			t.Errorf("%d connections, %d requests say that they are the last; want 10", connections.Load(), told.Load())
		}
	})
}

// TestKeepAliveOffHTTP2: likewise by HTTP/2.
func TestKeepAliveOffHTTP2(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	config := &tls.Config{Certificates: []tls.Certificate{a.pair(t, "server", "127.0.0.1", -time.Hour, time.Hour)}}
	url, connections := serveTLS(t, config, true, func(http.ResponseWriter, *http.Request) {})
	plan := tenRequests(scenarios.Target{
		URL: url, TLS: scenarios.TLS{CA: a.named("authority.pem")},
		HTTP: scenarios.HTTP{Version: scenarios.HTTP2, Close: true},
	})
	allAnswered(t, run1(t, plan, url, Options{}))
	if connections.Load() != 10 {
		t.Errorf("%d connections, want 10", connections.Load())
	}
}

// TestUnixSocket: requests go to the socket, whatever the target's host, and so do streams.
func TestUnixSocket(t *testing.T) {
	t.Parallel()
	realTime(t)
	socket := filepath.Join(t.TempDir(), "service.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	var hosts sync.Map
	s := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		hosts.Store(r.Host+r.URL.Path, true)
	})}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	const url = "http://service.invalid/base"
	for _, by := range senders() {
		plan := tenRequests(scenarios.Target{URL: url, Socket: socket})
		allAnswered(t, runBy(t, t.Context(), by, plan, url))
	}
	if _, ok := hosts.Load("service.invalid/base/"); !ok {
		t.Error("the server saw another host or path")
	}
	stream := liveOf(1, time.Second, literal("/events"))
	stream.Target = scenarios.Target{URL: url, Socket: socket}
	run1(t, stream, url, Options{})
	if _, ok := hosts.Load("service.invalid/base/events"); !ok {
		t.Error("no stream was asked for")
	}
}

// TestAllAddresses: connections go to all addresses of a name, as many to each.
func TestAllAddresses(t *testing.T) {
	realTime(t)
	var seen [2]atomic.Int64
	first, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(first.Addr().String())
	second, err := net.Listen("tcp", "[::1]:"+port)
	if err != nil {
		t.Fatal(err)
	}
	for i, l := range []net.Listener{first, second} {
		s := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { seen[i].Add(1) })}
		go s.Serve(l)
		t.Cleanup(func() { s.Close() })
	}
	twoAddresses(t)
	url := "http://service.example:" + port
	for _, by := range senders() {
		plan := tenRequests(scenarios.Target{URL: url, HTTP: scenarios.HTTP{AllAddresses: true}})
		allAnswered(t, runBy(t, t.Context(), by, plan, url))
		if a, b := seen[0].Swap(0), seen[1].Swap(0); a != 5 || b != 5 {
			t.Errorf("%s: %d and %d requests at the two addresses, want 5 each", by, a, b)
		}
	}
}

// TestMaxConnections: no more requests are under way than there may be connections, and what they wait for that counts,
// with users as with arrivals.
func TestMaxConnections(t *testing.T) {
	t.Parallel()
	var now, most atomic.Int64
	url := serve(t, func(http.ResponseWriter, *http.Request) {
		n := now.Add(1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		time.Sleep(20 * time.Millisecond)
		now.Add(-1)
	})
	for name, load := range map[string]scenarios.Load{
		"arrivals": scenarios.ConstantRate{Rate: 200, Duration: 300 * time.Millisecond, MaxVUs: 50},
		"users":    scenarios.Users{VUs: 10, Duration: 300 * time.Millisecond},
	} {
		plan := planOf(scenarios.Scenario{Load: load})
		plan.Target = scenarios.Target{URL: url, HTTP: scenarios.HTTP{MaxConnections: 2}}
		m := run1(t, plan, url, Options{})
		s := m.Series[0]
		if got, p90 := most.Swap(0), s.Response.Percentile(90); got != 2 || s.Failed != 0 || p90 < 60 {
			t.Errorf("%s, by %s: %d at once, want 2; %d failed; P90 %.1f ms", name, m.Engine, got, s.Failed, p90)
		}
	}
}

// TestTLSHandshaking: the handshake is told with the first request of each connection and no other, by every way to
// send.
func TestTLSHandshaking(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	config := &tls.Config{Certificates: []tls.Certificate{a.pair(t, "server", "127.0.0.1", -time.Hour, time.Hour)}}
	url, connections := serveTLS(t, config, true, func(http.ResponseWriter, *http.Request) {})
	for _, version := range []scenarios.HTTPVersion{scenarios.HTTP1, scenarios.HTTP2} {
		for _, by := range secureSenders() {
			before := connections.Load()
			plan := tenRequests(scenarios.Target{
				URL: url, TLS: scenarios.TLS{CA: a.named("authority.pem")}, HTTP: scenarios.HTTP{Version: version},
			})
			m := runBy(t, t.Context(), by, plan, url)
			allAnswered(t, m)
			made, s := connections.Load()-before, m.Series[0]
			if s.Handshakes == nil || s.Handshakes.Count() != made || s.Handshakes.Min() <= 0 ||
				s.Handshakes.Max() > s.Service.Max() {
				t.Errorf("%s: %d connections, and handshakes %v", m.Engine, made, s.Handshakes)
			}
		}
	}
}
