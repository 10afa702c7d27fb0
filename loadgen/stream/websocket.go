package stream

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/coder/websocket"

	"github.com/policycortex/headroom/loadgen/connect"
	"github.com/policycortex/headroom/loadgen/record"
	"github.com/policycortex/headroom/loadgen/sse"
	"github.com/policycortex/headroom/scenarios"
)

// socketCarrier has a goroutine and a WebSocket for each subscriber. Each message is an event.
type socketCarrier struct {
	*netCarrier
	client *http.Client
}

func newSocketCarrier(l *loop, to *connect.To, target []*url.URL) *socketCarrier {
	return &socketCarrier{newNetCarrier(l, to, target), &http.Client{
		// HTTP/2 opens no WebSockets here; no proxy of the environment comes between.
		Transport: &http.Transport{
			TLSClientConfig: to.TLS(scenarios.HTTP1),
			TLSNextProto:    map[string]func(string, *tls.Conn) http.RoundTripper{},
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				return to.Dial(ctx, connect.Place{URL: target[0].String()}, network, address)
			},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func (c *socketCarrier) name() string { return "WebSocket" }

// open begins to open a WebSocket. Of the request the path and the headers open it, and the body, if there is one, is
// the first message.
func (c *socketCarrier) open(s *subscriber, _ []byte) error {
	draw := c.loop.requests.Draw(s.number)
	address := string(c.loop.requests.AppendPath([]byte(c.target[s.instance].String()), &draw))
	options := &websocket.DialOptions{HTTPClient: c.client, HTTPHeader: c.loop.requests.Header(&draw)}
	options.Host = options.HTTPHeader.Get("Host")
	options.HTTPHeader.Del("Host")
	message := c.loop.requests.Body(&draw)
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel[s.slot] = cancel
	t := socket{carrier: c, subscriber: s, life: s.life}
	c.all.Go(func() { t.run(ctx, address, options, message) })
	return nil
}

// socket is the WebSocket of one attempt.
type socket struct {
	carrier    *socketCarrier
	subscriber *subscriber
	life       int32
}

// run carries the attempt to its end. ctx ends it.
func (t *socket) run(ctx context.Context, address string, options *websocket.DialOptions, message []byte) {
	conn, resp, err := websocket.Dial(ctx, address, options)
	if err != nil {
		t.failed(err, resp)
		return
	}
	defer conn.CloseNow()
	conn.SetReadLimit(sse.MaxEvent)
	if !t.opened() {
		return
	}
	if len(message) > 0 {
		if err := conn.Write(ctx, websocket.MessageText, message); err != nil {
			t.failed(err, nil)
			return
		}
	}
	buffer := make([]byte, 0, 512)
	for {
		buffer, err = readMessage(ctx, conn, buffer[:0])
		if err != nil {
			t.failed(err, nil)
			return
		}
		if !t.received(buffer) {
			return
		}
	}
}

// readMessage reads the next message into a buffer, which it makes longer where that is needed.
func readMessage(ctx context.Context, conn *websocket.Conn, buffer []byte) ([]byte, error) {
	_, r, err := conn.Reader(ctx)
	if err != nil {
		return buffer, err
	}
	for {
		if len(buffer) == cap(buffer) {
			buffer = append(buffer, 0)[:len(buffer)]
		}
		n, err := r.Read(buffer[len(buffer):cap(buffer)])
		buffer = buffer[:len(buffer)+n]
		if errors.Is(err, io.EOF) {
			return buffer, nil
		}
		if err != nil {
			return buffer, err
		}
	}
}

// hold calls f with the loop for the subscriber alone, unless the attempt has ended. It is false when it has, before or
// by f.
func (t *socket) hold(f func(l *loop, s *subscriber)) bool {
	l := t.carrier.loop
	l.mu.Lock()
	defer l.mu.Unlock()
	if t.subscriber.life != t.life {
		return false
	}
	l.clock()
	f(l, t.subscriber)
	return t.subscriber.life == t.life
}

func (t *socket) opened() bool {
	return t.hold(func(l *loop, s *subscriber) {
		s.firstByte = l.now - s.due
		l.opened(s)
	})
}

func (t *socket) received(message []byte) bool {
	return t.hold(func(l *loop, s *subscriber) {
		l.recorder.Bytes(l.now, len(message))
		l.current = s
		l.event(sse.Event{Data: message})
	})
}

// failed ends the attempt. resp is the answer of a service that opened no WebSocket; nil: there is none.
func (t *socket) failed(err error, resp *http.Response) {
	class := classOf(err)
	var untrusted *tls.CertificateVerificationError
	switch {
	case resp != nil && resp.StatusCode != http.StatusSwitchingProtocols:
		t.refused(resp)
		return
	case resp != nil:
		class = record.ErrorMalformed
	case errors.As(err, &untrusted):
		class = record.ErrorTLS
	case websocket.CloseStatus(err) >= 0:
		class = errorEnded
	}
	t.hold(func(l *loop, s *subscriber) { l.fail(s, class, err.Error()) })
}

// refused ends an attempt that was answered, but not with a WebSocket.
func (t *socket) refused(resp *http.Response) {
	class, text := record.StatusClass(resp.StatusCode), statusText(resp.StatusCode)
	t.hold(func(l *loop, s *subscriber) {
		if isTemporary(resp.StatusCode) {
			l.failUntil(s, class, text, retryAfter(resp.Header.Get("Retry-After"), time.Unix(0, l.wall)))
			return
		}
		l.refuse(s, class, text)
	})
}
