package stream

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/url"
	"sync"
	"time"

	"github.com/policycortex/headroom/loadgen/connect"
	"github.com/policycortex/headroom/loadgen/record"
	"github.com/policycortex/headroom/scenarios"
)

// netCarrier has a goroutine for each stream, which connects, sends the request, and reads. It holds the loop while it
// gives it what it has read.
type netCarrier struct {
	loop   *loop
	to     *connect.To
	target []*url.URL
	woken  chan struct{}
	timer  *time.Timer
	cancel []context.CancelFunc // by slot; nil: no connection
	all    sync.WaitGroup
}

// smallBuffer is what a stream reads into, in bytes. A goroutine that waits for its stream holds it.
const smallBuffer = 2 << 10

func newNetCarrier(l *loop, to *connect.To, target []*url.URL) *netCarrier {
	return &netCarrier{
		loop: l, to: to, target: target, woken: make(chan struct{}, 1), timer: time.NewTimer(time.Hour),
		cancel: make([]context.CancelFunc, len(l.subscribers)),
	}
}

func (c *netCarrier) name() string {
	if c.target[0].Scheme == "https" {
		return "net.Conn, TLS"
	}
	return "net.Conn"
}

func (c *netCarrier) open(s *subscriber, request []byte) error {
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel[s.slot] = cancel
	t := netStream{carrier: c, subscriber: s, life: s.life, to: c.target[s.instance]}
	request = append([]byte(nil), request...)
	c.all.Go(func() { t.run(ctx, request) })
	return nil
}

func (c *netCarrier) close(s *subscriber) {
	if cancel := c.cancel[s.slot]; cancel != nil {
		cancel()
		c.cancel[s.slot] = nil
	}
}

func (c *netCarrier) wait(timeout time.Duration) {
	c.timer.Reset(timeout)
	select {
	case <-c.timer.C:
	case <-c.woken:
	}
}

func (c *netCarrier) wake() {
	select {
	case c.woken <- struct{}{}:
	default:
	}
}

func (c *netCarrier) end() { c.all.Wait() }

// netStream is the connection of one attempt.
type netStream struct {
	carrier    *netCarrier
	subscriber *subscriber
	life       int32
	to         *url.URL
}

// run carries the attempt to its end. ctx ends it.
func (t *netStream) run(ctx context.Context, request []byte) {
	conn, err := t.dial(ctx)
	if err != nil {
		t.tell(nil, err)
		return
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer func() {
		if stop() {
			conn.Close()
		}
	}()
	if _, err := conn.Write(request); err != nil {
		t.tell(nil, err)
		return
	}
	if !t.asked() {
		return
	}
	buffer := make([]byte, smallBuffer)
	for {
		n, err := conn.Read(buffer)
		if !t.tell(buffer[:n], err) {
			return
		}
	}
}

// dial connects to the service. A dialer that is cancelled returns the error of ctx, which nobody hears of.
func (t *netStream) dial(ctx context.Context) (net.Conn, error) {
	place := connect.Place{URL: t.to.String()}
	conn, err := t.carrier.to.Dial(ctx, place, "tcp", connect.HostAndPort(t.to))
	if err != nil || t.to.Scheme != "https" {
		return conn, err
	}
	// HTTP/2 would carry many streams in one connection, which users of a service do not share.
	secure := tls.Client(conn, t.carrier.to.TLSFor(t.to, scenarios.HTTP1))
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return secure, nil
}

// asked notes that the request was sent. It is false when the attempt has ended meanwhile.
func (t *netStream) asked() bool {
	l := t.carrier.loop
	l.mu.Lock()
	defer l.mu.Unlock()
	if t.subscriber.life != t.life {
		return false
	}
	t.subscriber.state = asking
	return true
}

// tell gives the loop what was read, and the error that followed it. It is false when the attempt has ended.
func (t *netStream) tell(data []byte, err error) bool {
	l, s := t.carrier.loop, t.subscriber
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.life != t.life {
		return false
	}
	l.clock()
	if len(data) > 0 {
		l.received(s, data)
	}
	if err == nil || s.life != t.life {
		return s.life == t.life
	}
	var untrusted *tls.CertificateVerificationError
	switch {
	case errors.Is(err, io.EOF):
		l.hungUp(s)
	case errors.As(err, &untrusted):
		l.fail(s, record.ErrorTLS, err.Error())
	default:
		l.failed(s, err)
	}
	return false
}
