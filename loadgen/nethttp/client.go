package nethttp

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/policycortex/headroom/loadgen/request"
	"github.com/policycortex/headroom/scenarios"
)

// dialTimeout bounds the making of a connection.
const dialTimeout = 10 * time.Second

// client sends the requests of a scenario: it renders them, gives each its timeout, and has its redirects followed.
type client struct {
	requests  *request.Set
	instances []instance // of the target
	next      http.RoundTripper
	context   context.Context // cancelled when what is in flight is to be cut

	protocol atomic.Pointer[string] // of the first answer, "HTTP/2.0, TLS"
}

// instance is an instance of the target.
type instance struct {
	url   string
	plain *plainTransport // nil: the client's next
}

// newClient returns a client by transports of ours for plain HTTP to nobody but the target, or by net/http's, which
// speaks HTTP/2 where an HTTPS server does. Up to idle connections to each instance are kept. What is in flight is cut
// when ctx is cancelled. next is used in place of both; nil: none.
func newClient(ctx context.Context, target []string, proxy string, requests *request.Set, idle int,
	next http.RoundTripper,
) *client {
	c := &client{requests: requests, context: ctx, next: next}
	elsewhere := proxy != "" || next != nil
	for i := range requests.Len() {
		elsewhere = elsewhere || requests.Plan(i).Redirects > 0
	}
	plain := false
	for _, at := range target {
		one := instance{url: at}
		if u, err := url.Parse(at); err == nil && u.Scheme == "http" && !elsewhere {
			plain = true
			one.plain = newPlainTransport(ctx, u)
			context.AfterFunc(ctx, one.plain.close)
		}
		c.instances = append(c.instances, one)
	}
	if plain || next != nil {
		return c
	}
	t := transportThrough(proxy)
	t.MaxIdleConns, t.MaxIdleConnsPerHost, t.IdleConnTimeout = idle*len(target), idle, 90*time.Second
	useHTTP2(ctx, t)
	context.AfterFunc(ctx, t.CloseIdleConnections)
	c.next = t
	return c
}

// request renders the request that d chose, to an instance.
func (c *client) request(d *request.Draw, to int) (*http.Request, error) {
	var space [256]byte
	address := c.requests.AppendPath(append(space[:0], c.instances[to].url...), d)
	var body io.Reader
	if content := c.requests.Body(d); len(content) > 0 {
		body = bytes.NewReader(content)
	}
	req, err := http.NewRequest(c.requests.Method(d), string(address), body)
	if err != nil {
		return nil, err
	}
	req.Header = c.requests.Header(d)
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
	}
	return req, nil
}

// send sends a request of that index to the instance that it was rendered for; cancel frees what its timeout holds.
func (c *client) send(req *http.Request, index, to int) (resp *http.Response, cancel func(), err error) {
	plan := c.requests.Plan(index)
	if plain := c.instances[to].plain; plain != nil {
		resp, err = plain.roundTrip(req, plan.Timeout)
		return resp, func() {}, err
	}
	ctx, cancel := context.WithTimeout(c.context, plan.Timeout)
	req = req.WithContext(withTries(ctx))
	if plan.Redirects > 0 {
		resp, err = follow(c.next, req, plan.Redirects)
	} else {
		resp, err = c.next.RoundTrip(req)
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

// transportThrough connects through a proxy, where one is named.
func transportThrough(proxy string) *http.Transport {
	t := &http.Transport{
		DialContext:         (&net.Dialer{Timeout: dialTimeout}).DialContext,
		TLSHandshakeTimeout: dialTimeout,
		DisableCompression:  true, // decompressing would cost the generator CPU and hide the bytes of the wire
	}
	if proxy != "" {
		u, err := url.Parse(proxy)
		t.Proxy = func(*http.Request) (*url.URL, error) { return u, err }
	}
	return t
}

// Reach connects to a target in the way in which the load will, through its proxy and with TLS, and sends no request.
// Errors are those of net/http; one of reaching the proxy is a [net.OpError] whose Op is [ReachProxy].
func Reach(ctx context.Context, target scenarios.Target) error {
	u, err := url.Parse(target.URL)
	if err != nil {
		return err
	}
	t := transportThrough(target.Proxy)
	t.ForceAttemptHTTP2 = true // a dialer of one's own turns it off
	c, err := t.NewClientConn(ctx, u.Scheme, net.JoinHostPort(u.Hostname(), u.Port()))
	if err != nil {
		return err
	}
	return c.Close()
}

// ReachProxy is the operation of an error of [Reach] that is about the proxy.
const ReachProxy = "proxyconnect"
