//lint:file-ignore SA1019 http.Transport, which is named instead, lets nobody choose the connection of a request

package nethttp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"

	"github.com/policycortex/headroom/loadgen/connect"
	"github.com/policycortex/headroom/scenarios"
)

// http2Pool sends requests on the HTTP/2 connections that an http.Transport has made. Left to itself net/http waits in
// its RoundTrip where it need not, and that would be counted as the server's time: for 1, 2, 4, up to 32 s after a
// server has refused a request twice, and, on a new connection, for others of its requests to end, because up to 100 go
// on one of which the server has not yet said how many it takes. Here a refused request is sent at once on another
// connection, and a new connection takes one request until the server's settings are known.
type http2Pool struct {
	protocol http2.Transport
	context  context.Context // ends what is under way
	once     bool            // a connection is closed after its first request

	mu    sync.Mutex
	conns map[string][]*http2Conn // by host and port; the first that can take a request gets it
}

// http2Conn is one connection. Its uses are guarded by the pool's mutex.
type http2Conn struct {
	*http2.ClientConn
	uses   int
	closed *atomic.Bool
	known  chan struct{} // closed when the server's settings have come, or will not come
	works  bool          // the server has spoken HTTP/2; read it when known is closed
}

const (
	// mostUnused bounds the connections without a request yet: where none can take a request, net/http makes one for
	// each request that waits, and the first of them may do for all.
	mostUnused = 16
	// mostRefusals bounds how often a request is sent again. A server that takes ten requests a connection refuses one
	// of a burst of 1,000 some ten times.
	mostRefusals = 100
)

// useHTTP2 has the transport's requests sent by HTTP/2 where an HTTPS server offers it, until ctx is cancelled; where
// HTTP/2 is asked for also to HTTP servers, of which it is known that they speak it.
func useHTTP2(ctx context.Context, t *http.Transport, h scenarios.HTTP) {
	p := &http2Pool{
		protocol: http2.Transport{DisableCompression: t.DisableCompression, IdleConnTimeout: t.IdleConnTimeout},
		context:  ctx, once: h.Close, conns: map[string][]*http2Conn{},
	}
	t.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{
		http2.NextProtoTLS: func(address string, conn *tls.Conn) http.RoundTripper {
			closed := new(atomic.Bool)
			return p.add(address, watchedTLS{conn, closed}, closed)
		},
	}
	t.RegisterProtocol("https", p)
	if h.Version == scenarios.HTTP2 {
		t.RegisterProtocol("http", priorKnowledge{p, t.DialContext})
	}
	context.AfterFunc(ctx, p.close)
}

// priorKnowledge sends requests by HTTP/2 over plain TCP.
type priorKnowledge struct {
	pool *http2Pool
	dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// RoundTrip sends a request on a connection that can take it, which it makes where there is none.
func (k priorKnowledge) RoundTrip(req *http.Request) (*http.Response, error) {
	address := connect.HostAndPort(req.URL)
	for {
		resp, err := k.pool.send(address, req)
		if !errors.As(err, new(noConnection)) {
			return resp, err
		}
		conn, err := k.dial(req.Context(), "tcp", address)
		if err != nil {
			return nil, err
		}
		closed := new(atomic.Bool)
		if failed, ok := k.pool.add(address, watchedConn{conn, closed}, closed).(unusable); ok {
			return nil, failed.err
		}
	}
}

// RoundTrip sends a request where there is a connection for it already. Else net/http makes one.
func (p *http2Pool) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := p.send(connect.HostAndPort(req.URL), req)
	if errors.As(err, new(noConnection)) {
		return nil, http.ErrSkipAltProtocol
	}
	return resp, err
}

// http2Host sends requests to one host, of which net/http has just got a connection.
type http2Host struct {
	pool    *http2Pool
	address string
}

func (h http2Host) RoundTrip(req *http.Request) (*http.Response, error) {
	return h.pool.send(h.address, req)
}

// noConnection asks net/http to make another connection.
type noConnection struct{}

func (noConnection) Error() string { return "no HTTP/2 connection can take a request" }

// IsHTTP2NoCachedConnError is how net/http knows it.
func (noConnection) IsHTTP2NoCachedConnError() {}

// add takes over a connection that was made, and that says when it was closed.
func (p *http2Pool) add(address string, conn net.Conn, closed *atomic.Bool) http.RoundTripper {
	p.mu.Lock()
	defer p.mu.Unlock()
	host := http2Host{p, address}
	unused := 0
	for _, c := range p.conns[address] {
		if c.uses == 0 && !c.closed.Load() {
			unused++
		}
	}
	if p.context.Err() != nil || unused >= mostUnused {
		go conn.Close() // it may wait for a moment
		return host
	}
	c := &http2Conn{closed: closed, known: make(chan struct{})}
	var err error
	c.ClientConn, err = p.protocol.NewClientConn(conn)
	if err != nil {
		go conn.Close()
		return unusable{err}
	}
	p.conns[address] = append(p.conns[address], c)
	go c.learnSettings(p.context)
	return host
}

// watchedConn tells that it was closed.
type watchedConn struct {
	net.Conn
	closed *atomic.Bool
}

func (c watchedConn) Close() error {
	c.closed.Store(true)
	return c.Conn.Close()
}

// watchedTLS tells that it was closed, and is closed soon also where the server does not read what TLS sends to say so.
type watchedTLS struct {
	*tls.Conn
	closed *atomic.Bool
}

func (c watchedTLS) Close() error {
	c.closed.Store(true)
	force := time.AfterFunc(patience, func() { c.NetConn().Close() })
	defer force.Stop()
	return c.Conn.Close()
}

// unusable is the RoundTripper of a connection that cannot be used.
type unusable struct{ err error }

func (u unusable) RoundTrip(*http.Request) (*http.Response, error) { return nil, u.err }

// learnSettings waits for the answer to a ping, which comes after the server's settings.
func (c *http2Conn) learnSettings(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	c.works = c.Ping(ctx) == nil
	close(c.known)
}

func (c *http2Conn) settingsKnown() bool {
	select {
	case <-c.known:
		return true
	default:
		return false
	}
}

// close closes all connections: what is in flight fails.
func (p *http2Pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conns := range p.conns {
		for _, c := range conns {
			go c.Close()
		}
	}
	clear(p.conns)
}

// send sends a request on one connection after the other, until the server takes it or there is no connection left.
func (p *http2Pool) send(address string, req *http.Request) (*http.Response, error) {
	tried := triesOf(req.Context())
	for {
		c, young := p.take(address, tried)
		switch {
		case c == nil && young == nil:
			return nil, noConnection{}
		case c == nil:
			select {
			case <-young.known:
			case <-req.Context().Done():
				return nil, req.Context().Err()
			}
			continue
		}
		resp, err := c.RoundTrip(req)
		if err == nil {
			return resp, nil
		}
		err = tried.refusedBy(c, err)
		if err != nil {
			return nil, err
		}
		req, err = rewound(req)
		if err != nil {
			return nil, err
		}
	}
}

// take finds a connection that can take a request, other than the one that it avoids. Where there is none, young is one
// of which the server's settings are still to come.
func (p *http2Pool) take(address string, tried *tries) (c, young *http2Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	conns := slices.DeleteFunc(p.conns[address], func(c *http2Conn) bool { return c.closed.Load() })
	p.conns[address] = conns
	for _, c := range conns {
		switch {
		case c == tried.avoid, p.once && c.uses > 0:
		case c.uses > 0 && !c.settingsKnown():
			young = c
		case c.ReserveNewRequest():
			c.uses++
			tried.handshake.used.Store(c.uses == 1)
			return c, nil
		}
	}
	return nil, young
}

// tries is how a request has fared so far. It travels in the request's context, because net/http sends a request once
// more when there is no connection for it.
type tries struct {
	refusals int
	refused  bool       // by REFUSED_STREAM
	avoid    *http2Conn // it has refused the request

	handshake shake
}

type triesKey struct{}

func withTries(ctx context.Context) context.Context {
	return context.WithValue(ctx, triesKey{}, &tries{})
}

func triesOf(ctx context.Context) *tries {
	if t, ok := ctx.Value(triesKey{}).(*tries); ok {
		return t
	}
	return &tries{}
}

// Errors of golang.org/x/net/http2 that it does not export. A request that met one was not processed.
const (
	goneAway       = "http2: Transport received Server's graceful shutdown GOAWAY"
	notUsable      = "http2: client conn not usable"
	notEstablished = "http2: client conn could not be established"
)

// refusedBy takes note of an error. It is nil when the server has not begun to work on the request, and it may be sent
// again (RFC 9113, section 8.7): any number of times to a server that goes away, once to one that refuses the stream.
func (t *tries) refusedBy(c *http2Conn, err error) error {
	t.avoid = c
	t.refusals++
	var stream http2.StreamError
	text := err.Error()
	switch {
	case errors.As(err, &stream) && stream.Code == http2.ErrCodeRefusedStream && !t.refused:
		t.refused = true
		return nil
	// closed while it was idle
	case text == goneAway, text == notUsable, text == notEstablished && c.settingsKnown() && c.works:
		if t.refusals <= mostRefusals {
			return nil
		}
		return fmt.Errorf("refused %d times: %w", t.refusals, err)
	}
	return err
}

// rewound is a request that can be sent again.
func rewound(req *http.Request) (*http.Request, error) {
	if req.Body == nil || req.Body == http.NoBody {
		return req, nil
	}
	if req.GetBody == nil {
		return nil, errors.New("a refused request cannot be sent again: its body was read")
	}
	body, err := req.GetBody()
	if err != nil {
		return nil, err
	}
	again := *req
	again.Body = body
	return &again, nil
}
