package lightserver

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/policycortex/headroom/loadgen/wire/uring"
)

func TestAnswers(t *testing.T) {
	for _, delay := range []time.Duration{0, 20 * time.Millisecond} {
		s, err := Listen(delay)
		if err != nil {
			t.Fatal(err)
		}
		go s.Run() // ends with the test's process
		for range 3 {
			start := time.Now()
			resp, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/", s.Port))
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if string(body) != "Hello, world!\n" || err != nil || time.Since(start) < delay {
				t.Errorf("%q, %v after %v of %v", body, err, time.Since(start), delay)
			}
		}
	}
}

// TestAnswersByTLS: likewise by TLS 1.3, by either way to serve.
func TestAnswersByTLS(t *testing.T) {
	for name, run := range map[string]func(*Server) error{"epoll": (*Server).Run, "ring": (*Server).RunRing} {
		s, err := Listen(0)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Secure(); err != nil {
			t.Fatal(err)
		}
		go run(s) // ends with the test's process
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
		for range 5 {
			resp, err := client.Get(fmt.Sprintf("https://127.0.0.1:%d/", s.Port))
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			body, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if string(body) != "Hello, world!\n" || err != nil || resp.TLS.Version != tls.VersionTLS13 {
				t.Errorf("%s: %q, %v", name, body, err)
			}
		}
		client.CloseIdleConnections()
	}
}

// TestRingAnswers: what Run answers, on connections that are used again, closed, and left with half a request.
func TestRingAnswers(t *testing.T) {
	probe, err := uring.New(1)
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) {
		t.Skipf("this machine has no io_uring: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	probe.Close()
	s, err := Listen(0)
	if err != nil {
		t.Fatal(err)
	}
	go s.RunRing() // ends with the test's process
	for range 3 {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", s.Port))
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		for _, requests := range []int{1, 2, 1} { // the second time both at once
			if _, err := io.WriteString(conn,
				strings.Repeat("GET / HTTP/1.1\r\nHost: a\r\n\r\n", requests)); err != nil {
				t.Fatal(err)
			}
			got := make([]byte, requests*len(Answer))
			if _, err := io.ReadFull(conn, got); err != nil || string(got) != strings.Repeat(Answer, requests) {
				t.Fatalf("%d requests: %q, %v", requests, got, err)
			}
		}
		if _, err := io.WriteString(conn, "GET / HT"); err != nil {
			t.Fatal(err)
		}
		conn.Close()
	}
}

func TestFreezeLeft(t *testing.T) {
	f := Freeze{Every: 2 * time.Second, For: 200 * time.Millisecond}
	for since, want := range map[time.Duration]time.Duration{
		0: 0, 999 * time.Millisecond: 0, time.Second: f.For, 1150 * time.Millisecond: 50 * time.Millisecond,
		1200 * time.Millisecond: 0, 2 * time.Second: 0, 5 * time.Second: f.For,
	} {
		if got := f.left(since); got != want {
			t.Errorf("after %v, %v is left of a stop, want %v", since, got, want)
		}
	}
	if got := (Freeze{}).left(time.Second); got != 0 {
		t.Errorf("a server that does not stop stops for %v", got)
	}
}

// TestFreeze asks until a stop has begun: the request that comes into it is answered at its end.
func TestFreeze(t *testing.T) {
	s, err := Listen(0)
	if err != nil {
		t.Fatal(err)
	}
	s.Freeze = Freeze{Every: 600 * time.Millisecond, For: 200 * time.Millisecond}
	go s.Run() // ends with the test's process
	var longest time.Duration
	for begin := time.Now(); time.Since(begin) < 900*time.Millisecond; {
		sent := time.Now()
		resp, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/", s.Port))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		longest = max(longest, time.Since(sent))
	}
	if longest < 150*time.Millisecond {
		t.Errorf("the longest answer took %v, and the server stops for 200 ms", longest)
	}
}

// TestHTTP2 asks by another implementation, several at once on one connection.
func TestHTTP2(t *testing.T) {
	for _, delay := range []time.Duration{0, 20 * time.Millisecond} {
		s, err := Listen(delay)
		if err != nil {
			t.Fatal(err)
		}
		s.HTTP2 = true
		go s.Run() // ends with the test's process
		transport := &http.Transport{Protocols: new(http.Protocols)}
		transport.Protocols.SetUnencryptedHTTP2(true)
		client := &http.Client{Transport: transport}
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				start := time.Now()
				resp, err := client.Get(fmt.Sprintf("http://127.0.0.1:%d/", s.Port))
				if err != nil {
					t.Error(err)
					return
				}
				body, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if string(body) != "Hello, world!\n" || err != nil || resp.ProtoMajor != 2 ||
					time.Since(start) < delay {
					t.Errorf("%s %q, %v after %v of %v", resp.Proto, body, err, time.Since(start), delay)
				}
			})
		}
		all.Wait()
	}
}
