package nethttp

import (
	"context"
	"crypto/tls"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"
)

// shake is the TLS handshake of a request's connection. net/http may make a connection for a request that then gets
// another one: it goes on beside the request.
type shake struct {
	began, took atomic.Int64 // nanoseconds since epoch, and of the handshake; 0: it has not ended
	used        atomic.Bool  // the request is the first on its connection
}

// epoch is what handshakes count from, by the monotonic clock.
var epoch = time.Now()

// traced is a context by which net/http tells of the handshake.
func (s *shake) traced(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		TLSHandshakeStart: func() { s.began.Store(int64(time.Since(epoch))) },
		TLSHandshakeDone: func(_ tls.ConnectionState, err error) {
			if err == nil {
				s.took.Store(int64(time.Since(epoch)) - s.began.Load())
			}
		},
		GotConn: func(c httptrace.GotConnInfo) { s.used.Store(!c.Reused) },
	})
}

// handshakeOf is how long the TLS handshake took for the request of an answer; 0 where there was none.
func handshakeOf(resp *http.Response) time.Duration {
	if resp.TLS == nil || resp.Request == nil {
		return 0
	}
	s := &triesOf(resp.Request.Context()).handshake
	if !s.used.Load() {
		return 0
	}
	return time.Duration(s.took.Load())
}
