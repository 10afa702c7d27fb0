package nethttp

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/policycortex/headroom/loadgen/connect"
	"github.com/policycortex/headroom/scenarios"
)

func serve(t testing.TB, h http.HandlerFunc) string {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// toPlain is how a target is connected to of which the scenario says nothing.
func toPlain(t testing.TB) *connect.To {
	t.Helper()
	to, err := connect.Load(&scenarios.Plan{})
	if err != nil {
		t.Fatal(err)
	}
	return to
}

func plain(t testing.TB, base string) *plainTransport {
	t.Helper()
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	p := newPlainTransport(context.Background(), toPlain(t), connect.Place{URL: base}, u)
	t.Cleanup(p.close)
	return p
}

// get sends one request and returns the answer's body.
func get(p *plainTransport, method, url string) (status int, body string, err error) {
	req, err := http.NewRequest(method, url, strings.NewReader("hello"))
	if err != nil {
		return 0, "", err
	}
	resp, err := p.roundTrip(req, 5*time.Second)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(data), err
}

// TestPlainTransportAnswersAsNetHTTP compares it with net/http's on the kinds of answers that there are.
func TestPlainTransportAnswersAsNetHTTP(t *testing.T) {
	base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/length":
			fmt.Fprint(w, "0123456789")
		case "/chunked":
			for i := range 3 {
				fmt.Fprintf(w, "part %d;", i)
				w.(http.Flusher).Flush()
			}
		case "/empty":
			w.WriteHeader(http.StatusNoContent)
		case "/close":
			w.Header().Set("Connection", "close")
			fmt.Fprint(w, "bye")
		case "/early":
			w.WriteHeader(http.StatusEarlyHints)
			fmt.Fprint(w, "late")
		case "/echo":
			io.Copy(w, r.Body)
		default:
			w.WriteHeader(http.StatusTeapot)
		}
	})
	p := plain(t, base)
	for _, method := range []string{"GET", "POST", "HEAD"} {
		for _, path := range []string{"/length", "/chunked", "/empty", "/close", "/early", "/echo", "/other"} {
			req, err := http.NewRequest(method, base+path, strings.NewReader("hello"))
			if err != nil {
				t.Fatal(err)
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			want, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			status, body, err := get(p, method, base+path)
			if err != nil || status != resp.StatusCode || body != string(want) {
				t.Errorf("%s %s: %d %q %v, want %d %q", method, path, status, body, err, resp.StatusCode, want)
			}
		}
	}
}

func TestPlainTransportKeepsConnections(t *testing.T) {
	var connections atomic.Int64
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter,
		_ *http.Request,
	) {
		fmt.Fprint(w, "x")
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	p := plain(t, s.URL)
	for range 10 {
		if _, _, err := get(p, "GET", s.URL); err != nil {
			t.Fatal(err)
		}
	}
	if n := connections.Load(); n != 1 {
		t.Errorf("%d connections for ten requests in a row", n)
	}
}

// TestPlainTransportAfterTheServerClosed: what may be sent once more is, what may not fails.
func TestPlainTransportAfterTheServerClosed(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				r := bufio.NewReader(c)
				if answerOnce(c, r, "") { // and does not say that it will close
					http.ReadRequest(r)
				}
			}()
		}
	}()
	url := "http://" + l.Addr().String()
	p := plain(t, url)
	for i, method := range []string{"GET", "GET", "POST"} {
		_, _, err := get(p, method, url)
		if failed := err != nil; failed != (method == "POST") {
			t.Errorf("request %d, %s: %v", i, method, err)
		}
	}
}

// TestPlainTransportLooksAtIdleConnections: a write on a connection that the server closed in the meantime would fail,
// and be counted against the server.
func TestPlainTransportLooksAtIdleConnections(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter,
		_ *http.Request,
	) {
		fmt.Fprint(w, "x")
	}))
	s.Config.IdleTimeout = 50 * time.Millisecond
	s.Start()
	t.Cleanup(s.Close)
	p := plain(t, s.URL)
	for range 2 {
		if _, _, err := get(p, "POST", s.URL); err != nil {
			t.Fatal(err)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// BenchmarkTransport compares the cost of a request with net/http's transport, eight in flight, against a server in
// this process: the time is that of both sides.
func BenchmarkTransport(b *testing.B) {
	base := serve(b, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "0123456789") })
	p := plain(b, base)
	next := &http.Transport{MaxIdleConnsPerHost: 64}
	b.Cleanup(next.CloseIdleConnections)
	for name, send := range map[string]func(*http.Request) (*http.Response, error){
		"plain":    func(r *http.Request) (*http.Response, error) { return p.roundTrip(r, time.Second) },
		"net-http": next.RoundTrip,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetParallelism(4)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					req, err := http.NewRequest("GET", base, nil)
					if err != nil {
						b.Fatal(err)
					}
					resp, err := send(req)
					if err != nil {
						b.Fatal(err)
					}
					io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
				}
			})
		})
	}
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
