package loadgen

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync/atomic"
	"time"

	"github.com/policycortex/headroom/loadgen/record"
	"github.com/policycortex/headroom/scenarios"
)

// dialTimeout bounds the making of a connection.
const dialTimeout = 10 * time.Second

// newTransport returns the transport to the target: our own for plain HTTP to nobody else, or net/http's, which speaks
// HTTP/2 where an HTTPS server does. What is in flight is cut when ctx is cancelled.
func (a *vegetaAttack) newTransport(ctx context.Context) *instrumented {
	t := &instrumented{a: a, context: ctx, next: a.transport}
	if t.next != nil {
		return t
	}
	elsewhere := a.proxy != "" || slices.ContainsFunc(a.scenario.Requests, func(r scenarios.Request) bool { return r.Redirects > 0 })
	if target, err := url.Parse(a.target); err == nil && target.Scheme == "http" && !elsewhere {
		t.plain = newPlainTransport(ctx, target)
		context.AfterFunc(ctx, t.plain.close)
		return t
	}
	next := transportThrough(a.proxy)
	next.MaxIdleConns, next.MaxIdleConnsPerHost, next.IdleConnTimeout = int(a.full), int(a.full), 90*time.Second
	useHTTP2(ctx, next)
	context.AfterFunc(ctx, next.CloseIdleConnections)
	t.next = next
	return t
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

// Reach connects to a target in the way in which the load will, through its proxy and with TLS, and sends no request. Errors are those
// of net/http; one of reaching the proxy is a [net.OpError] whose Op is [ReachProxy].
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

// instrumented is the transport: it gives each request its timeout, has its redirects followed, counts the bytes of its
// answer, and knows how many are in flight, which tells a send that was late because every connection was busy from one
// that the generator itself delayed.
type instrumented struct {
	a       *vegetaAttack
	plain   *plainTransport // or else next
	next    http.RoundTripper
	context context.Context // cancelled when what is in flight is to be cut

	protocol atomic.Pointer[string] // of the first answer, "HTTP/2.0, TLS"
}

func (t *instrumented) RoundTrip(req *http.Request) (*http.Response, error) {
	request, n, err := parseFragment(req.URL.Fragment)
	if err != nil {
		return nil, err
	}
	delete(req.Header, "X-Vegeta-Seq") // vegeta's own: the scenario did not ask for it
	sent := time.Since(t.a.start)
	measured := t.a.begin(n)
	resp, cancel, err := t.send(req, request)
	if err != nil {
		cancel()
		t.a.end()
		return nil, err
	}
	t.note(resp)
	b := &body{ReadCloser: resp.Body, a: t.a, cancel: cancel}
	if measured {
		b.count = &t.a.received[t.a.recorder.seriesOf(request, t.a.intended(n, sent))]
	}
	if t.a.exchanges(request, resp.StatusCode) {
		b.exchange = t.a.newExchange(n, sent, req.ContentLength, resp)
	}
	resp.Body = b
	resp.Header.Del("Location") // the client would look whether it could follow it, which it is not to
	return resp, nil
}

// send sends a request of that number; cancel frees what its timeout holds. A user for whom there was no file or port is held
// for a while. A trial has no timing.
func (t *instrumented) send(req *http.Request, request int) (resp *http.Response, cancel func(), err error) {
	resp, cancel, err = t.handOver(req, request)
	if err != nil && t.a.timing != nil && !t.a.timing.Open() && record.IsShortage(record.ClassOf(err)) {
		now := time.Since(t.a.start)
		_ = sleep(t.context, min(t.a.shortage.Pause(now), t.a.timing.Window.End()-now)) // the error is the request's
	}
	return resp, cancel, err
}

// handOver hands a request to the transport.
func (t *instrumented) handOver(req *http.Request, request int) (resp *http.Response, cancel func(), err error) {
	plan := &t.a.scenario.Requests[request]
	if t.plain != nil {
		resp, err = t.plain.roundTrip(req, plan.Timeout)
		return resp, func() {}, err
	}
	ctx, cancel := context.WithTimeout(t.context, plan.Timeout)
	req = req.WithContext(withTries(ctx))
	if plan.Redirects > 0 {
		resp, err = follow(t.next, req, plan.Redirects)
	} else {
		resp, err = t.next.RoundTrip(req)
	}
	if err == nil && resp.StatusCode == http.StatusSwitchingProtocols { // its body would be what the other protocol says, and end with the connection
		resp.Body.Close()
		resp.Body = http.NoBody
	}
	return resp, cancel, err
}

// note keeps what the first answer tells of the way to the target.
func (t *instrumented) note(resp *http.Response) {
	if t.protocol.Load() != nil {
		return
	}
	protocol := resp.Proto
	if resp.TLS != nil {
		protocol += ", TLS"
	}
	t.protocol.Store(&protocol)
}

// begin notes that iteration n is being sent, and whether it is to be measured.
func (a *vegetaAttack) begin(n int64) bool {
	a.book.inFlight.Add(1)
	now := time.Since(a.start)
	if !a.timing.Open() {
		return a.timing.Window.Has(now)
	}
	intended := a.timing.Schedule.At(n)
	if !a.timing.Window.Has(intended) {
		return false
	}
	free := time.Duration(a.lastFull.Load())
	a.mu.Lock()
	a.lag.Record(now - intended)
	a.ownLag.Record(now - max(intended, free))
	a.mu.Unlock()
	return true
}

// end notes that a request is no longer in flight.
func (a *vegetaAttack) end() {
	if a.book.inFlight.Add(-1) == a.full-1 {
		a.lastFull.Store(int64(time.Since(a.start)))
	}
}

// body counts what is read of an answer.
type body struct {
	io.ReadCloser
	a      *vegetaAttack
	cancel func()
	count  *atomic.Int64 // nil in the warm-up
	closed bool

	exchange *exchange // nil: the answer is not inspected
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.count != nil {
		b.count.Add(int64(n))
	}
	if x := b.exchange; x != nil {
		_, _ = x.Write(p[:n])
		if err == io.EOF && !x.ended {
			x.ended, x.outcome.done = true, time.Since(b.a.start)
		}
	}
	return n, err
}

func (b *body) Close() error {
	err := b.ReadCloser.Close()
	if !b.closed {
		b.closed = true
		b.cancel()
		if b.exchange != nil && b.exchange.ended {
			b.a.settle(b.exchange)
		}
		b.a.end()
	}
	return err
}
