package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// netIO moves bytes by net.Conn, where there is nothing better; with TLS it is what makes these. Two goroutines a
// connection connect, read and write; what comes of it they tell the loop over a channel, so that the loop remains the
// only one to touch its state.
type netIO struct {
	loop   *loop
	events chan netEvent
	woken  chanWaker
	timer  *time.Timer
	conns  []*netConn // by slot; nil: none
	ctx    context.Context
	cancel context.CancelFunc
	ended  sync.WaitGroup
}

// netEvent is what became of a connection: data, or the error that ended it.
type netEvent struct {
	conn *netConn
	data []byte
	err  error
}

// netConn is one connection's socket.
type netConn struct {
	slot, life int32
	to         *instance
	ctx        context.Context
	cancel     context.CancelFunc // ends connecting, reading and writing
	requests   chan struct{}      // out is to be written
	out        []byte
	asked      atomic.Int64  // requests
	written    atomic.Int64  // those of them that were written whole
	writing    chan struct{} // is told so
	unwritten  chan error    // has one when a request could not be written
	taken      chan struct{} // the loop has taken the data of the last event
	handshake  time.Duration // of TLS, before the first event with data
	carries    bool          // many requests at once: the loop is told when all is written, and data comes at any time
}

// earlyAnswer is how long an answer is held back that came before the request was written whole: when a server answers
// at once, the write may not have returned yet.
const earlyAnswer = 10 * time.Millisecond

// chanWaker is a waker that a select can wait for.
type chanWaker chan struct{}

func (w chanWaker) wake() {
	select {
	case w <- struct{}{}:
	default:
	}
}

func (w chanWaker) close() {}

func newNetIO(l *loop) (*netIO, chanWaker) {
	n := &netIO{loop: l, events: make(chan netEvent, 64), woken: make(chanWaker, 1), timer: time.NewTimer(time.Hour)}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	return n, n.woken
}

func (n *netIO) enter() socketIO { return n }

func (n *netIO) name() Backend { return NetConn }

// open begins to connect; the request is written when the connection stands.
func (n *netIO) open(c *conn) error {
	t := &netConn{
		slot: c.slot, life: c.life, to: &n.loop.instances[c.instance],
		requests: make(chan struct{}, 1), writing: make(chan struct{}, 1),
		taken:     make(chan struct{}, 1),
		carries:   c.carries != nil,
		unwritten: make(chan error, 1),
	}
	t.ctx, t.cancel = context.WithCancel(n.ctx)
	for len(n.conns) <= int(c.slot) {
		n.conns = append(n.conns, nil)
	}
	n.conns[c.slot] = t
	t.request(c.request)
	n.ended.Go(func() { n.connect(t) })
	return nil
}

// request hands a request to the writer, which is done with the one before: its answer came after it was written whole.
func (t *netConn) request(out []byte) {
	t.out = append(t.out[:0], out...)
	t.asked.Add(1)
	t.requests <- struct{}{}
}

func (t *netConn) wrote() bool { return t.written.Load() == t.asked.Load() }

func (n *netIO) send(c *conn) {
	n.conns[c.slot].request(c.out)
}

func (n *netIO) close(c *conn) {
	if int(c.slot) < len(n.conns) && n.conns[c.slot] != nil {
		n.conns[c.slot].cancel()
		n.conns[c.slot] = nil
	}
}

// connect connects, then reads until the connection ends.
func (n *netIO) connect(t *netConn) {
	defer t.cancel()
	dialer := net.Dialer{KeepAlive: -1}
	raw, err := dialer.DialContext(t.ctx, t.to.address.Network(), t.to.address.String())
	if err != nil {
		n.tell(netEvent{conn: t, err: err})
		return
	}
	closing := context.AfterFunc(t.ctx, func() { raw.Close() })
	defer func() {
		if closing() {
			raw.Close()
		}
	}()
	conn := raw
	if t.to.tls != nil {
		secure, since := tls.Client(raw, t.to.tls), time.Now()
		if err := secure.HandshakeContext(t.ctx); err != nil {
			n.tell(netEvent{conn: t, err: err})
			return
		}
		conn, t.handshake = secure, time.Since(since)
	}
	n.ended.Go(func() { n.write(t, conn) })
	buffer := make([]byte, 16<<10)
	for {
		size, err := conn.Read(buffer)
		if size > 0 {
			if !t.carries {
				t.awaitWritten()
			}
			if !n.tell(netEvent{conn: t, data: buffer[:size]}) {
				return
			}
			select {
			case <-t.taken:
			case <-t.ctx.Done():
				return
			}
		}
		if err != nil {
			select {
			case err = <-t.unwritten:
			default:
			}
			n.tell(netEvent{conn: t, err: err})
			return
		}
	}
}

func (n *netIO) write(t *netConn, conn net.Conn) {
	for {
		select {
		case <-t.requests:
		case <-t.ctx.Done():
			return
		}
		if _, err := conn.Write(t.out); err != nil {
			// who reads sees the end of the connection too, behind the answer that a server may have sent before
			t.unwritten <- err
			return
		}
		t.written.Add(1)
		if t.carries {
			n.tell(netEvent{conn: t})
			continue
		}
		select {
		case t.writing <- struct{}{}:
		default:
		}
	}
}

// awaitWritten waits for the end of a write that is about to return.
func (t *netConn) awaitWritten() {
	if t.wrote() {
		return
	}
	early := time.NewTimer(earlyAnswer)
	defer early.Stop()
	for !t.wrote() {
		select {
		case <-t.writing: // it may be about the request before
		case <-t.ctx.Done():
			return
		case <-early.C:
			return
		}
	}
}

// tell hands an event to the loop, unless the connection is closed.
func (n *netIO) tell(e netEvent) bool {
	select {
	case n.events <- e:
		return true
	case <-e.conn.ctx.Done():
		return false
	}
}

func (n *netIO) wait(timeout time.Duration) {
	if timeout > 0 {
		n.timer.Reset(timeout)
		select {
		case e := <-n.events:
			n.loop.clock()
			n.handle(e)
		case <-n.timer.C:
		case <-n.woken:
		}
	}
	n.loop.clock()
	for range cap(n.events) {
		select {
		case e := <-n.events:
			n.handle(e)
		default:
			return
		}
	}
}

func (n *netIO) rest(d time.Duration) { time.Sleep(d) }

func (n *netIO) handle(e netEvent) {
	c := n.loop.conns[e.conn.slot]
	if c.life != e.conn.life || c.state == connClosed {
		return
	}
	if (c.state == connConnecting || c.state == connWriting) && e.conn.wrote() {
		c.state = connReading
	}
	switch {
	case e.err == nil && e.data == nil: // all is written
	case e.err == nil:
		if e.conn.handshake > 0 {
			c.handshake, e.conn.handshake = e.conn.handshake, 0
		}
		n.loop.received(c, e.data)
		e.conn.taken <- struct{}{}
	case errors.Is(e.err, io.EOF):
		n.loop.hungUp(c)
	default:
		var number syscall.Errno
		if errors.As(e.err, &number) {
			e.err = number // without the addresses, which differ
		}
		n.loop.failed(c, e.err)
	}
}

func (n *netIO) end() {
	n.cancel()
	n.ended.Wait()
}
