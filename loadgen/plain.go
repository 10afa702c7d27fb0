package loadgen

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"syscall"
	"time"
)

// plainTransport speaks HTTP/1.1 to one host over plain TCP. The worker that sends a request also reads its answer,
// where http.Transport hands both to goroutines of the connection: a request costs fewer switches and allocations
// (BenchmarkTransport). It writes and parses with net/http.
type plainTransport struct {
	address string
	dialer  net.Dialer
	context context.Context // ends a dial under way

	mu     sync.Mutex
	idle   []*plainConn // the last used is used first
	open   map[*plainConn]struct{}
	closed bool
}

type plainConn struct {
	net.Conn
	r    *bufio.Reader
	w    *bufio.Writer
	used time.Time // when it became idle
}

// restAfter is how long a connection is idle before it is looked at whether the server has closed it meanwhile. Most
// servers wait for five seconds or longer.
const restAfter = time.Second

// usable reports whether the server has neither closed the connection nor sent anything on it unasked.
func (c *plainConn) usable() bool {
	if time.Since(c.used) < restAfter {
		return true
	}
	raw, err := c.Conn.(syscall.Conn).SyscallConn()
	if err != nil {
		return false
	}
	silent := false
	err = raw.Read(func(fd uintptr) bool {
		var one [1]byte
		_, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		silent = err == syscall.EAGAIN
		return true
	})
	return err == nil && silent
}

func newPlainTransport(ctx context.Context, target *url.URL) *plainTransport {
	port := target.Port()
	if port == "" {
		port = "80"
	}
	return &plainTransport{
		address: net.JoinHostPort(target.Hostname(), port), dialer: net.Dialer{Timeout: dialTimeout},
		context: ctx, open: map[*plainConn]struct{}{},
	}
}

// roundTrip sends the request and reads the answer's head; the answer's body must be read or closed. Everything must be
// done within the timeout. A request on a connection that the server had closed meanwhile is sent once more, as
// http.Transport does it, when it may be: when it is idempotent and nothing of an answer came.
func (t *plainTransport) roundTrip(req *http.Request, timeout time.Duration) (*http.Response, error) {
	deadline := time.Now().Add(timeout)
	c, reused, err := t.connect(deadline)
	if err != nil {
		return nil, err
	}
	resp, err := t.exchange(c, req)
	if err != nil && reused && t.context.Err() == nil && !isTimeout(err) && c.r.Buffered() == 0 && idempotent(req.Method) {
		if req.GetBody != nil {
			if req.Body, err = req.GetBody(); err != nil {
				return nil, err
			}
		}
		if c, err = t.dial(deadline); err != nil {
			return nil, err
		}
		resp, err = t.exchange(c, req)
	}
	return resp, err
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

func idempotent(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPut, http.MethodDelete, http.MethodTrace:
		return true
	}
	return false
}

// exchange writes the request and reads the head of its final answer. On an error the connection is closed.
func (t *plainTransport) exchange(c *plainConn, req *http.Request) (*http.Response, error) {
	err := req.Write(c.w)
	if err == nil {
		err = c.w.Flush()
	}
	var resp *http.Response
	for err == nil {
		resp, err = http.ReadResponse(c.r, req)
		if err == nil && (resp.StatusCode >= 200 || resp.StatusCode == http.StatusSwitchingProtocols) {
			break
		}
	}
	if err != nil {
		t.drop(c)
		return nil, err
	}
	resp.Body = &plainBody{ReadCloser: resp.Body, t: t, c: c, keep: !resp.Close && !req.Close}
	return resp, nil
}

// connect takes an idle connection, or makes one.
func (t *plainTransport) connect(deadline time.Time) (c *plainConn, reused bool, err error) {
	for c = t.pop(); c != nil; c = t.pop() {
		if c.SetDeadline(deadline) == nil && c.usable() {
			return c, true, nil
		}
		t.drop(c)
	}
	c, err = t.dial(deadline)
	return c, false, err
}

// pop takes the connection that was used last; nil when none is idle.
func (t *plainTransport) pop() *plainConn {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(t.idle)
	if n == 0 {
		return nil
	}
	c := t.idle[n-1]
	t.idle = t.idle[:n-1]
	return c
}

func (t *plainTransport) dial(deadline time.Time) (*plainConn, error) {
	ctx, cancel := context.WithDeadline(t.context, deadline)
	defer cancel()
	raw, err := t.dialer.DialContext(ctx, "tcp", t.address)
	if err != nil {
		return nil, err
	}
	c := &plainConn{Conn: raw, r: bufio.NewReader(raw), w: bufio.NewWriter(raw)}
	t.mu.Lock()
	t.open[c] = struct{}{}
	closed := t.closed
	t.mu.Unlock()
	if closed {
		t.drop(c)
		return nil, net.ErrClosed
	}
	return c, c.SetDeadline(deadline)
}

func (t *plainTransport) drop(c *plainConn) {
	t.mu.Lock()
	delete(t.open, c)
	t.mu.Unlock()
	c.Close()
}

// close closes all connections: what is in flight fails.
func (t *plainTransport) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	for c := range t.open {
		c.Close()
	}
}

// plainBody gives its connection back when it has been read to its end.
type plainBody struct {
	io.ReadCloser
	t    *plainTransport
	c    *plainConn // nil when it was given back
	keep bool
}

func (b *plainBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		b.release(b.keep)
	}
	return n, err
}

func (b *plainBody) Close() error {
	b.release(false)
	return nil
}

func (b *plainBody) release(keep bool) {
	c := b.c
	if c == nil {
		return
	}
	b.c = nil
	if !keep {
		b.t.drop(c)
		return
	}
	c.used = time.Now()
	b.t.mu.Lock()
	b.t.idle = append(b.t.idle, c)
	b.t.mu.Unlock()
}
