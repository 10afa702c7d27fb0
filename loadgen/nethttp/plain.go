package nethttp

import (
	"bufio"
	"context"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"sync"
	"syscall"
	"time"

	"github.com/policycortex/headroom/loadgen/connect"
	"github.com/policycortex/headroom/loadgen/request"
	"github.com/policycortex/headroom/loadgen/wire/http1"
)

// plainTransport speaks HTTP/1.1 to one host over plain TCP. The worker that sends a request also reads its answer,
// where http.Transport hands both to goroutines of the connection: a request costs fewer switches and allocations
// (BenchmarkTransport). It writes and parses with net/http.
type plainTransport struct {
	address string
	dialer  func(ctx context.Context, network, address string) (net.Conn, error)
	context context.Context // ends a dial under way

	mu     sync.Mutex
	idle   []*plainConn // the last used is used first
	open   map[*plainConn]struct{}
	closed bool
}

type plainConn struct {
	net.Conn
	r      *bufio.Reader // of the connection by Read
	w      *bufio.Writer
	used   time.Time             // when it became idle
	came   int                   // bytes since the request
	most   int                   // of them, while a head is read
	sent   chan error            // of a large request: has one when it was written, or not to its end
	socket syscall.RawConn       // looks at what has come
	look   func(fd uintptr) bool // sets silent
	silent bool
	first  [1]byte
}

// Read counts what comes, and refuses a head that does not end.
func (c *plainConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.came += n
	if c.came > c.most {
		return n, http1.ErrHeadTooBig
	}
	return n, err
}

func newPlainConn(raw net.Conn) (*plainConn, error) {
	c := &plainConn{Conn: raw, w: bufio.NewWriter(raw)}
	c.r = bufio.NewReader(c)
	c.look = func(fd uintptr) bool {
		_, _, err := syscall.Recvfrom(int(fd), c.first[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		c.silent = err == syscall.EAGAIN
		return true
	}
	var err error
	c.socket, err = raw.(syscall.Conn).SyscallConn()
	return c, err
}

// earlyAnswer is how long a connection waits for the end of the writing when the answer came first: where a server
// answers at once, the write may not have returned yet.
const earlyAnswer = 10 * time.Millisecond

// restAfter is how long a connection is idle before it is looked at, which takes a microsecond or two. What the server
// did with its answer it did at once.
const restAfter = time.Millisecond

// usableFor reports whether the server has neither closed the idle connection nor sent anything on it unasked: the next
// answer would not be that to the next request. A request that may not be sent twice is not risked on a connection not
// looked at.
func (c *plainConn) usableFor(method string) bool {
	if c.r.Buffered() > 0 {
		return false
	}
	if request.Idempotent(method) && time.Since(c.used) < restAfter {
		return true
	}
	return c.socket.Read(c.look) == nil && c.silent
}

func newPlainTransport(ctx context.Context, to *connect.To, at connect.Place, u *url.URL) *plainTransport {
	return &plainTransport{
		address: connect.HostAndPort(u), context: ctx, open: map[*plainConn]struct{}{},
		dialer: func(ctx context.Context, network, address string) (net.Conn, error) {
			return to.Dial(ctx, at, network, address)
		},
	}
}

// roundTrip sends the request and reads the answer's head; the answer's body must be read or closed. Everything must be
// done within the timeout. A request on a connection that the server had closed meanwhile is sent once more, as
// http.Transport does it, when it may be: when it is idempotent and nothing of an answer came.
func (t *plainTransport) roundTrip(req *http.Request, timeout time.Duration) (*http.Response, error) {
	deadline := time.Now().Add(timeout)
	c, reused, err := t.connect(deadline, req.Method)
	if err != nil {
		return nil, err
	}
	resp, err := t.exchange(c, req)
	if err != nil && reused && t.context.Err() == nil && !isTimeout(err) && c.came == 0 &&
		request.Idempotent(req.Method) {
		if req.GetBody != nil {
			req.Body, err = req.GetBody()
			if err != nil {
				return nil, err
			}
		}
		c, err = t.dial(deadline)
		if err != nil {
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

// exchange writes the request and reads the head of its final answer. On an error the connection is closed.
func (t *plainTransport) exchange(c *plainConn, req *http.Request) (*http.Response, error) {
	c.came, c.sent = 0, nil
	var unsent error
	if req.ContentLength > writtenAtOnce {
		c.sent = make(chan error, 1)
		go func(sent chan<- error) { sent <- c.write(req) }(c.sent)
	} else {
		unsent = c.write(req)
	}
	// A server may answer, and close, before it has read the request.
	resp, err := c.readHead(req)
	if err != nil {
		t.drop(c)
		if c.sent != nil {
			unsent = <-c.sent // the request may be sent again
		}
		if unsent != nil && c.came == 0 && !isTimeout(err) {
			err = unsent
		}
		return nil, err
	}
	keep := !resp.Close && !req.Close && unsent == nil && resp.StatusCode != http.StatusSwitchingProtocols
	resp.Body = &plainBody{ReadCloser: resp.Body, t: t, c: c, keep: keep}
	return resp, nil
}

// writtenAtOnce is the most bytes of a body that the buffers of sockets take in any case.
const writtenAtOnce = 16 << 10

func (c *plainConn) write(req *http.Request) error {
	if err := req.Write(c.w); err != nil {
		return err
	}
	return c.w.Flush()
}

// readHead reads the head of the final answer.
func (c *plainConn) readHead(req *http.Request) (*http.Response, error) {
	for {
		c.most = c.came + http1.MaxHead
		resp, err := http.ReadResponse(c.r, req)
		c.most = math.MaxInt
		if err != nil {
			return nil, err
		}
		if resp.StatusCode < 100 || resp.StatusCode >= 200 || resp.StatusCode == http.StatusSwitchingProtocols {
			return resp, nil
		}
	}
}

// connect takes an idle connection for a request of that method, or makes one.
func (t *plainTransport) connect(deadline time.Time, method string) (c *plainConn, reused bool, err error) {
	for c = t.pop(); c != nil; c = t.pop() {
		if c.SetDeadline(deadline) == nil && c.usableFor(method) {
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
	raw, err := t.dialer(ctx, "tcp", t.address)
	if err != nil {
		return nil, err
	}
	c, err := newPlainConn(raw)
	if err != nil {
		raw.Close()
		return nil, err
	}
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
	switch {
	case !keep:
		b.t.drop(c)
	case c.sent == nil:
		b.t.putBack(c)
	default:
		go b.t.putBackWhenSent(c)
	}
}

func (t *plainTransport) putBack(c *plainConn) {
	c.used = time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.idle = append(t.idle, c)
}

// putBackWhenSent gives back a connection whose answer has come whole, unless that was before the request was sent: it
// may be that its sender has not been told yet.
func (t *plainTransport) putBackWhenSent(c *plainConn) {
	early := time.NewTimer(earlyAnswer)
	defer early.Stop()
	select {
	case err := <-c.sent:
		if err == nil {
			t.putBack(c)
			return
		}
	case <-early.C:
	}
	t.drop(c)
}
