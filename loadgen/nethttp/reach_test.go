package nethttp

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/policycortex/headroom/loadgen/connect"
	"github.com/policycortex/headroom/scenarios"
)

// saying serves connections with words, reads on until they are closed, and returns its address.
func saying(t *testing.T, words string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.WriteString(c, words)
				_, _ = io.Copy(io.Discard, c)
			}()
		}
	}()
	return "http://" + listener.Addr().String()
}

// TestReachAnotherProtocol: a server that says something else than HTTP/2 and then waits is not waited for, and a
// server that says nothing no longer than until the check is cancelled.
func TestReachAnotherProtocol(t *testing.T) {
	plan := &scenarios.Plan{Target: scenarios.Target{HTTP: scenarios.HTTP{Version: scenarios.HTTP2}}}
	to, err := connect.Load(plan)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for _, words := range []string{"SSH-2.0-x\r\n", "HTTP/1.1 400 Bad Request\r\n\r\n"} {
		err = Reach(ctx, to, saying(t, words))
		if !errors.Is(err, connect.ErrNoHTTP2) {
			t.Errorf("%q: %v", words, err)
		}
	}
	silent := saying(t, "")
	time.AfterFunc(50*time.Millisecond, cancel)
	err = Reach(ctx, to, silent)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
