package nethttp

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/policycortex/headroom/loadgen/connect"
	"github.com/policycortex/headroom/loadgen/request"
	"github.com/policycortex/headroom/loadgen/rpc"
	"github.com/policycortex/headroom/scenarios"
)

// handshakeTimeout bounds a TLS handshake.
const handshakeTimeout = 10 * time.Second

// client sends the requests of a scenario: it renders them, gives each its timeout, and has its redirects followed.
type client struct {
	requests *request.Set
	places   []place
	context  context.Context // cancelled when what is in flight is to be cut
	once     bool            // a connection is closed after its first request
	calls    *rpc.Client     // nil: there are none of gRPC
	wrong    error           // why there is none

	protocol atomic.Pointer[string] // of the first answer, "HTTP/2.0, TLS"
}

// place is where requests are sent, and how.
type place struct {
	url   string
	plain *plainTransport // nil: next
	next  http.RoundTripper
}

// newClient returns a client by transports of ours for plain HTTP/1.1 to nobody but the target, or by net/http's, which
// speaks HTTP/2 where an HTTPS server does. Up to idle connections to each place are kept. What is in flight is cut
// when ctx is cancelled. next is used in place of both; nil: none.
func newClient(ctx context.Context, to *connect.To, target []connect.Place, requests *request.Set, idle int,
	next http.RoundTripper, keep bool,
) *client {
	c := &client{requests: requests, context: ctx, once: to.HTTP.Close}
	if rpc.Needed(requests) {
		c.calls, c.wrong = rpc.NewClient(ctx, to, target, requests, keep)
	}
	elsewhere := to.Proxy != "" || to.HTTP.Version == scenarios.HTTP2
	for i := range requests.Len() {
		elsewhere = elsewhere || requests.Plan(i).Redirects > 0
	}
	transports := map[string]http.RoundTripper{} // by the address that connections are made to, of places that share it
	for _, at := range target {
		one := place{url: at.URL, next: next}
		u, err := url.Parse(at.URL)
		switch {
		case next != nil:
		case err == nil && u.Scheme == "http" && !elsewhere:
			one.plain = newPlainTransport(ctx, to, at, u)
			context.AfterFunc(ctx, one.plain.close)
		default:
			one.next = transports[at.Address]
			if one.next == nil {
				one.next = newTransport(ctx, to, at, idle, len(target))
				transports[at.Address] = one.next
			}
		}
		c.places = append(c.places, one)
	}
	return c
}

// newTransport is net/http's, with up to idle connections to each of so many places.
func newTransport(ctx context.Context, to *connect.To, at connect.Place, idle, places int) http.RoundTripper {
	t := transportTo(to, at)
	t.MaxIdleConns, t.MaxIdleConnsPerHost, t.IdleConnTimeout = idle*places, idle, 90*time.Second
	t.DisableKeepAlives = to.HTTP.Close
	if to.HTTP.Version != scenarios.HTTP1 {
		useHTTP2(ctx, t, to.HTTP)
	}
	context.AfterFunc(ctx, t.CloseIdleConnections)
	return t
}

// request renders the request that d chose, to an instance.
func (c *client) request(d *request.Draw, to int) (*http.Request, error) {
	if c.requests.Call(d.Request) != nil {
		if c.wrong != nil {
			return nil, c.wrong
		}
		return c.calls.Request(d, to)
	}
	var space [256]byte
	address := c.requests.AppendPath(append(space[:0], c.places[to].url...), d)
	var body io.Reader
	if content := c.requests.Body(d); len(content) > 0 {
		body = bytes.NewReader(content)
	}
	req, err := http.NewRequest(c.requests.Method(d), string(address), body)
	if err != nil {
		return nil, err
	}
	req.Header, req.Close = c.requests.Header(d), c.once
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
	}
	return req, nil
}

// send sends the request that d chose to the instance that it was rendered for, with the cookies that its user keeps,
// and keeps those of the answer; cancel frees what its timeout holds.
func (c *client) send(req *http.Request, d *request.Draw, to int) (resp *http.Response, cancel func(), err error) {
	plan, jar := c.requests.Plan(d.Request), d.Session.Jar()
	if c.requests.Call(d.Request) != nil {
		ctx, cancel := context.WithTimeout(c.context, plan.Timeout)
		resp, err = c.calls.Do(ctx, req, to)
		return resp, cancel, err
	}
	if jar == nil || plan.Redirects > 0 { // along redirects there are several requests
		return c.roundTrip(req, plan, jar, to)
	}
	for _, cookie := range jar.Cookies(req.URL) {
		req.AddCookie(cookie)
	}
	resp, cancel, err = c.roundTrip(req, plan, nil, to)
	if err == nil {
		jar.SetCookies(req.URL, resp.Cookies())
	}
	return resp, cancel, err
}

// roundTrip sends a request to an instance. jar is for the cookies along redirects; it may be nil.
func (c *client) roundTrip(req *http.Request, plan *scenarios.Request, jar http.CookieJar, to int) (resp *http.Response,
	cancel func(), err error,
) {
	if plain := c.places[to].plain; plain != nil {
		resp, err = plain.roundTrip(req, plan.Timeout)
		return resp, func() {}, err
	}
	next := c.places[to].next
	ctx, cancel := context.WithTimeout(c.context, plan.Timeout)
	ctx = withTries(ctx)
	if strings.HasPrefix(c.places[to].url, "https:") {
		ctx = triesOf(ctx).handshake.traced(ctx)
	}
	req = req.WithContext(ctx)
	if plan.Redirects > 0 {
		resp, err = follow(next, req, jar, plan.Redirects)
	} else {
		resp, err = next.RoundTrip(req)
	}
	// its body would be what the other protocol says, and end with the connection
	if err == nil && resp.StatusCode == http.StatusSwitchingProtocols {
		resp.Body.Close()
		resp.Body = http.NoBody
	}
	return resp, cancel, err
}

// note keeps how the first answer came.
func (c *client) note(resp *http.Response) {
	if c.protocol.Load() != nil {
		return
	}
	protocol := resp.Proto
	if resp.TLS != nil {
		protocol += ", TLS"
	}
	c.protocol.Store(&protocol)
}

// transportTo connects to a place, through a proxy where there is one.
func transportTo(to *connect.To, at connect.Place) *http.Transport {
	t := &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return to.Dial(ctx, at, network, address)
		},
		TLSClientConfig:     to.TLS(to.HTTP.Version),
		TLSHandshakeTimeout: handshakeTimeout,
		DisableCompression:  true, // decompressing would cost the generator CPU and hide the bytes of the wire
	}
	if to.Proxy != "" {
		u, err := url.Parse(to.Proxy)
		t.Proxy = func(*http.Request) (*url.URL, error) { return u, err }
	}
	return t
}
