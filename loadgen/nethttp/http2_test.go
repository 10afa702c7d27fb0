package nethttp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/policycortex/headroom/loadgen/record"
	"github.com/policycortex/headroom/scenarios"
)

// http2Client sends by HTTP/2 to servers that httptest's certificate is of.
func http2Client(t *testing.T) *http.Transport {
	t.Helper()
	some := httptest.NewTLSServer(nil)
	defer some.Close()
	client := &http.Transport{DisableCompression: true, TLSClientConfig: toPlain(t).TLS(scenarios.AutoHTTP)}
	useHTTP2(t.Context(), client, scenarios.HTTP{})
	client.TLSClientConfig.RootCAs = x509.NewCertPool()
	client.TLSClientConfig.RootCAs.AddCert(some.Certificate())
	return client
}

// exchange2 sends a request as the vegeta engine does, and returns the answer's body.
func exchange2(client *http.Transport, url string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(withTries(ctx), http.MethodPost, url, strings.NewReader("what is asked"))
	if err != nil {
		return "", err
	}
	resp, err := client.RoundTrip(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}

// TestHTTP2StreamLimit: requests above what a server takes on a connection at once go on others and wait for none to
// end, also while the server has not said yet how many it takes. The server answers none before it has all of them.
func TestHTTP2StreamLimit(t *testing.T) {
	const limit, burst = 4, 20
	var came atomic.Int64
	all := make(chan struct{})
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if came.Add(1) == burst {
			close(all)
		}
		<-all
		fmt.Fprint(w, r.Proto)
	}))
	server.Config.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: limit}
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()

	client := http2Client(t)
	answers := make(chan string, burst)
	for range burst {
		go func() {
			body, err := exchange2(client, server.URL)
			answers <- fmt.Sprint(body, err)
		}()
	}
	for range burst {
		if got := <-answers; got != "HTTP/2.0<nil>" {
			t.Fatal(got)
		}
	}
}

// TestHTTP2Refused: a refused stream is sent once more, whole, on another connection; a server that refuses it again
// has refused it. One that goes away is asked on a new connection, and not for ever.
func TestHTTP2Refused(t *testing.T) {
	for name, tt := range map[string]struct {
		refuse   func(f *http2.Framer, stream uint32) error
		times    int64 // connections that do
		want     string
		fails    string // the class of the error
		sendings int64
	}{
		"stream once":  {refuse: resetRefused, times: 1, want: "what is asked", sendings: 2},
		"stream twice": {refuse: resetRefused, times: 2, fails: record.ErrorTurnedAway, sendings: 2},
		"goes away":    {refuse: goAway, times: 5, want: "what is asked", sendings: 6},
		"always goes":  {refuse: goAway, times: 1000, fails: record.ErrorTurnedAway, sendings: mostRefusals + 1},
		// whether it was processed is not known
		"protocol error": {refuse: resetProtocol, times: 1, fails: record.ErrorStream, sendings: 1},
	} {
		t.Run(name, func(t *testing.T) {
			address, sendings := refusingServer(t, tt.times, tt.refuse)
			body, err := exchange2(http2Client(t), "https://"+address+"/")
			class := ""
			if err != nil {
				class = record.ClassOfText(err.Error(), false)
			}
			if body != tt.want || class != tt.fails || sendings.Load() != tt.sendings {
				t.Errorf("answer %q, error %v of class %q; sent %d times, want %d", body, err, class, sendings.Load(),
					tt.sendings)
			}
		})
	}
}

func resetRefused(f *http2.Framer, stream uint32) error {
	return f.WriteRSTStream(stream, http2.ErrCodeRefusedStream)
}

func resetProtocol(f *http2.Framer, stream uint32) error {
	return f.WriteRSTStream(stream, http2.ErrCodeProtocol)
}

func goAway(f *http2.Framer, _ uint32) error { return f.WriteGoAway(0, http2.ErrCodeNo, nil) }

// refusingServer refuses what comes on its first connections, and echoes what comes on others. It counts the requests.
func refusingServer(t *testing.T, times int64, refuse func(*http2.Framer, uint32) error) (address string,
	requests *atomic.Int64,
) {
	t.Helper()
	some := httptest.NewTLSServer(nil)
	config := &tls.Config{Certificates: some.TLS.Certificates, NextProtos: []string{"h2"}}
	some.Close()
	listener, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	requests = &atomic.Int64{}
	go func() {
		for n := int64(1); ; n++ {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_ = serveFrames(conn, requests, func(f *http2.Framer, stream uint32, body []byte) error {
					if n <= times {
						return refuse(f, stream)
					}
					return echo(f, stream, body)
				})
			}()
		}
	}()
	return listener.Addr().String(), requests
}

func echo(f *http2.Framer, stream uint32, body []byte) error {
	var head strings.Builder
	if err := hpack.NewEncoder(&head).WriteField(hpack.HeaderField{Name: ":status", Value: "200"}); err != nil {
		return err
	}
	if err := f.WriteHeaders(http2.HeadersFrameParam{
		StreamID: stream, BlockFragment: []byte(head.String()),
		EndHeaders: true,
	}); err != nil {
		return err
	}
	return f.WriteData(stream, true, body)
}

// serveFrames speaks HTTP/2 with a client, and has each request that came whole answered.
func serveFrames(conn net.Conn, requests *atomic.Int64,
	answer func(f *http2.Framer, stream uint32, body []byte) error,
) error {
	if _, err := io.ReadFull(conn, make([]byte, len(http2.ClientPreface))); err != nil {
		return err
	}
	f := http2.NewFramer(conn, conn)
	if err := f.WriteSettings(); err != nil {
		return err
	}
	bodies := map[uint32][]byte{}
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			return err
		}
		switch frame := frame.(type) {
		case *http2.SettingsFrame:
			if !frame.IsAck() {
				err = f.WriteSettingsAck()
			}
		case *http2.PingFrame:
			if !frame.IsAck() {
				err = f.WritePing(true, frame.Data)
			}
		case *http2.DataFrame:
			bodies[frame.StreamID] = append(bodies[frame.StreamID], frame.Data()...)
			if frame.StreamEnded() {
				requests.Add(1)
				err = answer(f, frame.StreamID, bodies[frame.StreamID])
			}
		}
		if err != nil {
			return err
		}
	}
}
