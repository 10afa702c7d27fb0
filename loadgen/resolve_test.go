package loadgen

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/policycortex/headroom/loadgen/wire"
	"github.com/policycortex/headroom/scenarios"
)

// twoAddresses has every name mean 127.0.0.1 and ::1, as "localhost" does on most machines, for as long as the test
// runs.
func twoAddresses(t *testing.T) {
	t.Helper()
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			packet := make([]byte, 512)
			n, from, err := server.ReadFrom(packet)
			if err != nil {
				return
			}
			if answer, err := answerLoopback(packet[:n]); err == nil {
				server.WriteTo(answer, from)
			}
		}
	}()
	before := net.DefaultResolver
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", server.LocalAddr().String())
	}}
	t.Cleanup(func() {
		net.DefaultResolver = before
		server.Close()
	})
}

func answerLoopback(query []byte) ([]byte, error) {
	var m dnsmessage.Message
	if err := m.Unpack(query); err != nil {
		return nil, err
	}
	q := m.Questions[0]
	head := dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 1}
	switch q.Type {
	case dnsmessage.TypeA:
		m.Answers = []dnsmessage.Resource{{Header: head, Body: &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}}}}
	case dnsmessage.TypeAAAA:
		m.Answers = []dnsmessage.Resource{{Header: head, Body: &dnsmessage.AAAAResource{AAAA: [16]byte{15: 1}}}}
	}
	m.Response, m.Additionals = true, nil
	return m.Pack()
}

// TestTwoAddresses: a server that listens to one of the two addresses of its name is reached there.
func TestTwoAddresses(t *testing.T) {
	for _, at := range []string{"127.0.0.1:0", "[::1]:0"} {
		l, err := net.Listen("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		s.Listener.Close()
		s.Listener = l
		s.Start()
		t.Cleanup(s.Close)
		_, port, _ := net.SplitHostPort(l.Addr().String())
		t.Run(at, func(t *testing.T) {
			twoAddresses(t)
			onSenders(t, func(t *testing.T, by wire.Backend) {
				plan := planOf(scenarios.Scenario{Load: scenarios.ConstantRate{
					Rate:     50,
					Duration: 200 * time.Millisecond,
				}})
				s := runBy(t, t.Context(), by, plan, "http://service.example:"+port).Series[0]
				if s.Requests != 10 || s.Failed > 0 {
					t.Errorf("%d requests, %v %v", s.Requests, s.Errors, s.ErrorSamples)
				}
			})
		})
	}
}
