package wire

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/policycortex/headroom/loadgen/arrival"
	"github.com/policycortex/headroom/loadgen/record"
	"github.com/policycortex/headroom/loadgen/request"
	"github.com/policycortex/headroom/loadgen/wire/http2"
)

// http2Conns are a loop's connections of HTTP/2. Each carries many requests at once: the conn of a request has no
// socket then, but is a stream of one of these.
type http2Conns struct {
	on     bool // requests are sent by HTTP/2, to one instance at least
	limit  int  // of those that are open to an instance; 0: as few as the server's limit of streams allows
	unsent []*http2Conn
	spare  []*http2Conn // closed
	// waiting are requests that the server has refused and that no connection takes yet.
	waiting  []*conn
	block    []byte // the header block of the request that is sent next
	sending  []*http2Conn
	streamed bool // answers are: what comes later in a round must not seem to have come with the first
}

// http2Conn is one connection of HTTP/2.
type http2Conn struct {
	http2.Conn
	socket  *conn // that it goes over
	open    bool
	queued  bool          // it is among those that have something to send
	retired bool          // it gets no more requests
	heard   time.Duration // when something has come last
}

// mostRefusals bounds how often a request is sent again that a server refuses which takes no more requests on a
// connection.
const mostRefusals = 100

// newHTTP2Conns divides the limit among the loops.
func newHTTP2Conns(c *Config, index int) http2Conns {
	s := http2Conns{on: slices.ContainsFunc(c.Target, func(p place) bool { return p.http2 })}
	if c.Connections > 0 {
		s.limit = arrival.Share(c.Connections, index, c.Loops)
	}
	for i := range c.Requests.Len() {
		s.streamed = s.streamed || c.Requests.Plan(i).Stream != ""
	}
	return s
}

// hasRoom reports whether the next iteration can be sent now, as far as the server's limit of streams goes.
func (l *loop) hasRoom() bool {
	if !l.http2.on || l.http2.limit == 0 {
		return true
	}
	if len(l.http2.waiting) > 0 { // which go first
		return false
	}
	to := &l.instances[l.peekInstance()]
	return to.blocks == nil || to.http2Open < l.http2.limit ||
		slices.ContainsFunc(to.http2Conns, func(s *http2Conn) bool { return s.Room() > 0 })
}

// http2ConnTo is the connection that the next request to an instance goes on: the one with the fewest requests, or a
// new one as long as there may be more. It is nil where none takes a request.
func (l *loop) http2ConnTo(instance int) *http2Conn {
	to := &l.instances[instance]
	var best *http2Conn
	for _, s := range to.http2Conns {
		if s.Room() > 0 && (best == nil || s.Active() < best.Active()) {
			best = s
		}
	}
	full := l.http2.limit > 0 && to.http2Open >= l.http2.limit
	if full || best != nil && (l.http2.limit == 0 || best.Active() == 0) {
		return best
	}
	return l.newHTTP2Conn(instance)
}

// newHTTP2Conn begins a connection, which is made when its first request is sent.
func (l *loop) newHTTP2Conn(instance int) *http2Conn {
	var s *http2Conn
	if n := len(l.http2.spare); n > 0 {
		s = l.http2.spare[n-1]
		l.http2.spare = l.http2.spare[:n-1]
	} else {
		s = &http2Conn{socket: &conn{slot: int32(len(l.conns)), fd: -1}}
		s.socket.carries = s
		l.conns = append(l.conns, s.socket)
	}
	s.socket.instance = instance
	s.open, s.retired, s.queued, s.heard = true, false, false, 0
	to := &l.instances[instance]
	s.Start(&to.blocks.Fields)
	to.http2Conns = append(to.http2Conns, s)
	to.http2Open++
	return s
}

// renderStream renders the connection's request for the one of HTTP/2 that is to carry it, if there is one.
func (l *loop) renderStream(c *conn) {
	c.carrier = l.http2ConnTo(c.instance)
	if c.carrier != nil {
		l.http2.block, c.request = l.instances[c.instance].blocks.Append(l.http2.block[:0], c.request[:0],
			&c.carrier.Encoder, &c.draw)
		c.bodyBytes = len(c.request)
	}
}

// openStream sends the request that was rendered. One for which there is no room waits.
func (l *loop) openStream(c *conn) {
	l.expect(c)
	s := c.carrier
	if s == nil {
		c.state, c.waits = connConnecting, true
		l.http2.waiting = append(l.http2.waiting, c)
		return
	}
	c.state, c.reused = connReading, s.SettingsKnown()
	s.Open(&c.stream, l.http2.block, c.request, l.requests.Method(&c.draw) == http.MethodHead)
	if l.once || s.Leaving() {
		l.retire(s)
	}
	l.queue(s)
}

// admit sends the requests that wait, as far as there is room.
func (l *loop) admit() {
	if len(l.http2.waiting) == 0 {
		return
	}
	all := l.http2.waiting
	l.http2.waiting = nil // it is seldom
	for _, c := range all {
		if c.waits { // it may have ended meanwhile
			c.waits = false
			l.renderStream(c)
			l.openStream(c)
		}
	}
}

// queue notes that a connection of HTTP/2 has something to send.
func (l *loop) queue(s *http2Conn) {
	if !s.queued && s.open && s.HasOutput() {
		s.queued = true
		l.http2.unsent = append(l.http2.unsent, s)
	}
}

// flush hands over what the connections of HTTP/2 have to send, of each all at once.
func (l *loop) flush() {
	if !l.http2.on {
		return
	}
	l.admit()
	all := l.http2.unsent
	l.http2.unsent = l.http2.sending[:0]
	l.http2.sending = all
	for _, s := range all {
		s.queued = false
		if s.open {
			l.push(s)
		}
	}
}

// push hands over what a connection of HTTP/2 has to send, unless its socket is busy: then it is tried again.
func (l *loop) push(s *http2Conn) {
	socket := s.socket
	switch socket.state {
	case connClosed:
		socket.request = s.SwapOutput(socket.request)
		socket.life++
		socket.state, socket.connect = connConnecting, -l.now
		err := l.io.open(socket)
		if err != nil {
			l.http2Broken(s, record.ClassOf(err), err.Error())
		}
	case connReading:
		socket.request = s.SwapOutput(socket.request)
		l.write(socket)
	}
	l.queue(s)
}

// http2Received takes bytes that came on a connection of HTTP/2.
func (l *loop) http2Received(s *http2Conn, data []byte) {
	if l.http2.streamed {
		l.clock()
	}
	s.heard = l.now
	err := s.Feed(data)
	for _, stream := range s.Ended() {
		l.streamEnded(l.conns[stream.Tag])
	}
	if err != nil {
		l.http2Broken(s, record.ErrorMalformed, err.Error())
		return
	}
	if s.Leaving() {
		l.retire(s)
	}
	if s.retired && s.Active() == 0 {
		l.closeHTTP2Conn(s)
		return
	}
	l.queue(s)
}

// streamEnded deals with a request whose stream has ended.
func (l *loop) streamEnded(c *conn) {
	c.parser.Status, c.parser.Body = c.stream.Status, c.stream.Body
	if socket := c.carrier.socket; socket.handshake > 0 { // it is told with the first answer on the connection
		c.handshake, socket.handshake = socket.handshake, 0
	}
	if socket := c.carrier.socket; socket.connect > 0 {
		c.connect, socket.connect = socket.connect, 0
	}
	err := c.stream.Err
	switch {
	case err == nil:
		l.complete(c, false)
	case errors.Is(err, http2.ErrRefused):
		l.refused(c, err.Error())
	case errors.Is(err, http2.ErrMalformed):
		l.fail(c, record.ErrorMalformed, err.Error())
	default:
		l.fail(c, record.ErrorStream, err.Error())
	}
}

// refused sends a request again on which the server has not begun to work, whatever its method (RFC 9113, section 8.7):
// many times to a server that takes no more requests on a connection, once to one that refuses the stream.
func (l *loop) refused(c *conn, text string) {
	c.refusals++
	gone := c.carrier.Leaving()
	if c.refusals > mostRefusals || !gone && c.retried {
		l.fail(c, record.ErrorTurnedAway, text)
		return
	}
	c.retried = c.retried || !gone
	if gone {
		l.retire(c.carrier)
	}
	l.recorder.Resent()
	l.resend(c)
}

// resend sends a request once more.
func (l *loop) resend(c *conn) {
	l.renderStream(c)
	l.openStream(c)
}

// http2Broken deals with a connection that broke, and with its requests as with those on other connections.
func (l *loop) http2Broken(s *http2Conn, class, text string) {
	unconnected := s.socket.state.isMade()
	l.closeSocket(s)
	if reason := s.GoAway(); reason != "" {
		text += " (" + reason + ")"
	}
	for _, stream := range s.Abandon() {
		c := l.conns[stream.Tag]
		c.parser.Body = stream.Body
		if unconnected {
			c.state = connConnecting
		}
		if c.reused && !c.retried && !stream.Begun() && request.Idempotent(l.requests.Method(&c.draw)) {
			c.retried = true
			l.recorder.Resent()
			l.resend(c)
			continue
		}
		l.fail(c, class, text)
	}
	l.http2.spare = append(l.http2.spare, s)
}

// retire gives a connection of HTTP/2 no more requests. Those that it has go on.
func (l *loop) retire(s *http2Conn) {
	if s.retired {
		return
	}
	s.retired = true
	to := &l.instances[s.socket.instance]
	to.http2Conns = slices.DeleteFunc(to.http2Conns, func(other *http2Conn) bool { return other == s })
}

// closeSocket closes a connection of HTTP/2's socket.
func (l *loop) closeSocket(s *http2Conn) {
	l.retire(s)
	l.disconnect(s.socket)
	s.socket.state, s.open = connClosed, false
	l.instances[s.socket.instance].http2Open--
}

// closeHTTP2Conn closes a connection of HTTP/2 that has no requests.
func (l *loop) closeHTTP2Conn(s *http2Conn) {
	l.closeSocket(s)
	l.http2.spare = append(l.http2.spare, s)
}

// abandon ends the stream of a request whose answer is no longer waited for. On a connection of which nothing was heard
// since the request was sent, no more are sent: as on HTTP/1.1, where it would be closed.
func (l *loop) abandon(c *conn) {
	c.waits = false
	s := c.carrier
	c.carrier = nil
	if s == nil || !s.open || !c.stream.Active() {
		return
	}
	s.Cancel(&c.stream)
	if s.heard < c.sent {
		l.retire(s)
	}
	if s.retired && s.Active() == 0 {
		l.closeHTTP2Conn(s)
		return
	}
	l.queue(s)
}

// connecting reports whether a request has no connection yet.
func (c *conn) connecting() bool {
	return c.state.isMade() || c.carrier != nil && c.carrier.socket.state.isMade()
}

// securing reports whether a request waits for a TLS handshake.
func (c *conn) securing() bool {
	return c.state == connSecuring || c.carrier != nil && c.carrier.socket.state == connSecuring
}

// sentBytes is how many bytes of its body a request has sent that was not answered.
func (c *conn) sentBytes() int64 {
	switch {
	case c.connecting():
		return 0
	case c.carrier != nil:
		return c.stream.Sent()
	}
	return int64(c.bodyBytes)
}

// inFlight reports whether a connection, or stream, is busy with a request.
func (c *conn) inFlight() bool { return c.state >= connConnecting && c.carries == nil }
