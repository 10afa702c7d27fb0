package wire

import (
	"net/http"
	"slices"
	"time"

	"github.com/policycortex/headroom/loadgen/record"
	"github.com/policycortex/headroom/loadgen/request"
	"github.com/policycortex/headroom/loadgen/wire/http1"
	"github.com/policycortex/headroom/loadgen/wire/http2"
	"github.com/policycortex/headroom/loadgen/wire/secure"
)

// conn is one connection and the request that it is busy with; where requests go by HTTP/2, the stream of one, or a
// connection that carries them.
type conn struct {
	slot   int32
	life   int32 // how often the slot was opened: an event of an earlier life is void
	fd     int   // -1: no socket, or not one that is used by its number
	state  connState
	secure *secure.Conn // by TLS; else nil
	parser http1.Parser // Status and Body are also those of a stream

	carries  *http2Conn // of HTTP/2, whose socket it is
	carrier  *http2Conn // that carries the stream; nil: none yet
	stream   http2.Stream
	fields   []byte // the head of the stream's answer, where it may be told of
	refusals int
	waits    bool // for a connection of HTTP/2 that takes the request
	instance int  // of the target, that it leads to
	named    bool // answers name the instance behind it, and the load is told apart by that
	answerer int  // the instance that answers the request, from 1; 0 where that is not known

	draw                     request.Draw
	intended, sent, deadline time.Duration
	first                    time.Duration // when the answer began to come; 0: it has not
	handshake                time.Duration // how long the TLS handshake took for the request; 0: there was none
	connect                  time.Duration // how long connecting took for it, before TLS; negative: since when it does
	request                  []byte        // of a stream its body; of a connection that carries streams their frames
	bodyBytes                int
	out                      []byte // what is to be written: the request itself, or TLS records
	written                  int    // bytes of out
	sending                  bool   // out, of which the socket may not have taken all
	reused, retried          bool
	cache                    [8]byte // the X-Cache header, as far as it matters
	cacheLen                 int
	answer                   request.Answer    // what its checks look at
	keep, keepBeginning      func(body []byte) // answer.Piece and answer.Beginning, made once
	texts                    request.Texts     // what the flow's steps have extracted
	events                   request.Events    // of a streamed answer
	streaming                func(body []byte) // takes its body, made once
	following                bool              // its request was answered, and the flow's next one is to be sent
	began                    time.Duration     // when the iteration was due
	later                    bool              // the request is not the first of its iteration
	user                     int32             // of the crowd, whose iteration it is
}

type connState uint8

const (
	connClosed connState = iota
	connIdle
	connConnecting // this and what follows are busy
	connSecuring   // in a TLS handshake
	connWriting
	connReading
)

// isMade reports whether the connection is still being made.
func (s connState) isMade() bool { return s == connConnecting || s == connSecuring }

// header keeps what the recorder asks for.
func (c *conn) header(name, value []byte) {
	if c.cacheLen == 0 && http1.Is(name, "x-cache") { // of several the first counts
		c.cacheLen = copy(c.cache[:], value)
	}
	if c.named && http1.Is(name, record.InstanceHeader) {
		c.answerer = record.InstanceOf(value)
	}
	if c.answer.Inspected() {
		c.answer.Header(name, value)
	}
	if c.draw.Session != nil {
		c.draw.Session.TakeHeader(name, value)
	}
}

// headRead keeps the head of an answer that may be told of, and begins to keep the body of one that fails, which
// nothing looks into.
func (l *loop) headRead(c *conn, head []byte) {
	if c.draw.Session != nil {
		c.draw.Session.TakeCookies()
	}
	if l.told(c) {
		c.answer.TakeHead(head)
	}
	if l.failing(c) && !c.answer.InspectsBody() {
		c.parser.OnBody, c.stream.OnBody = c.keepBeginning, c.keepBeginning
		c.events.Start("")
	}
}

// failing reports whether the answer has a status that is not wanted; told whether it may be told of.
func (l *loop) failing(c *conn) bool {
	return !request.Expected(l.requests.Plan(c.draw.Request), c.parser.Status)
}

func (l *loop) told(c *conn) bool { return c.answer.Inspected() || l.failing(c) }

// expect makes the connection ready for the answer to its request.
func (l *loop) expect(c *conn) {
	c.cacheLen, c.answerer = 0, 0
	if l.several {
		c.answerer = l.instances[c.instance].number
	}
	c.parser.Start(l.requests.Method(&c.draw) == http.MethodHead)
	c.parser.OnBody, c.first = nil, 0
	c.answer.Start(l.requests.Inspection(c.draw.Request))
	c.events.Start(l.requests.Plan(c.draw.Request).Stream)
	switch {
	case c.events.Streamed():
		c.parser.OnBody = c.streaming
	case c.answer.InspectsBody():
		c.parser.OnBody = c.keep
	}
	c.stream.OnBody = c.parser.OnBody
}

// open sends the connection's request on a new socket.
func (l *loop) open(c *conn) {
	c.life++
	l.expect(c)
	c.state, c.connect = connConnecting, -l.now
	if err := l.io.open(c); err != nil {
		l.fail(c, record.ClassOf(err), err.Error())
	}
}

// again sends the connection's request on the socket that it has.
func (l *loop) again(c *conn) {
	l.expect(c)
	l.write(c)
}

// write begins to write the connection's request.
func (l *loop) write(c *conn) {
	c.state = connWriting
	if c.secure != nil {
		l.writeSecurely(c)
		return
	}
	c.out = c.request
	l.io.send(c)
}

// connected takes note that the connection stands.
func (l *loop) connected(c *conn) {
	l.clock()
	c.connect += l.now
	if l.instances[c.instance].tls != nil {
		l.beginTLS(c)
		return
	}
	l.write(c)
}

// sent takes note that out was written whole.
func (l *loop) sent(c *conn) {
	c.sending = false
	switch {
	case c.secure != nil && c.secure.HasOutput():
		l.sendRecords(c)
	case c.state == connWriting:
		c.state = connReading
	}
}

// arrived takes bytes that came on a connection's socket.
func (l *loop) arrived(c *conn, data []byte) {
	if c.secure != nil {
		l.decrypt(c, data)
		return
	}
	l.received(c, data)
}

// received takes bytes that came on a connection, as the server has meant them.
func (l *loop) received(c *conn, data []byte) {
	if c.carries != nil {
		l.http2Received(c.carries, data)
		return
	}
	if c.state == connIdle { // nobody asked for them
		l.drop(c)
		return
	}
	if c.events.Streamed() { // what comes later in a round must not seem to have come with the first
		l.clock()
	}
	if c.first == 0 {
		c.first = l.now
	}
	used, done, err := c.parser.Feed(data)
	switch {
	case err != nil:
		l.fail(c, record.ErrorMalformed, err.Error())
	case done:
		// More than the answer is what nobody asked for; and an answer before the request was written whole leaves the
		// connection in a state that no next request can use.
		l.complete(c, c.parser.KeepAlive && !l.once && used == len(data) && c.state == connReading)
	}
}

const closedInHandshake = "the server closed the connection in the TLS handshake"

// hungUp takes note that the server has closed its end.
func (l *loop) hungUp(c *conn) {
	if c.carries != nil {
		text := http1.ErrClosed.Error()
		if c.state == connSecuring {
			text = closedInHandshake
		}
		l.http2Broken(c.carries, record.ErrorClosed, text)
		return
	}
	if c.state == connIdle {
		l.drop(c)
		return
	}
	if c.state == connSecuring {
		l.fail(c, record.ErrorClosed, closedInHandshake)
		return
	}
	if err := c.parser.Close(); err != nil {
		l.broken(c, record.ErrorClosed, err.Error())
		return
	}
	l.complete(c, false)
}

// failed takes note that the system refused to go on with a connection.
func (l *loop) failed(c *conn, err error) {
	if c.carries != nil {
		l.http2Broken(c.carries, l.classOf(c, err), err.Error())
		return
	}
	if c.state == connIdle {
		l.drop(c)
		return
	}
	l.broken(c, l.classOf(c, err), err.Error())
}

// classOf is the class of an error of a connection.
func (l *loop) classOf(c *conn, err error) string {
	class := record.ClassOf(err)
	if class == record.ErrorOther && l.instances[c.instance].tls != nil {
		class = record.ClassOfText(err.Error(), false)
	}
	return class
}

// complete records an answer.
func (l *loop) complete(c *conn, keep bool) {
	l.clock()
	o := record.Outcome{
		Request: c.draw.Request, Intended: c.intended, Sent: c.sent, Done: l.now, Status: c.parser.Status,
		Instance: c.answerer, Cache: record.CacheOf(c.cache[:c.cacheLen]), SentBytes: int64(c.bodyBytes),
		ReceivedBytes: c.parser.Body,
		Iteration:     c.draw.N, Texts: &c.texts, Answer: &c.answer, First: c.first, Began: c.began, Later: c.later,
		Handshake: c.handshake, Connect: max(0, c.connect), Connection: c.connection(), Trace: c.draw.Trace,
		Session: c.draw.Session,
	}
	if c.events.Streamed() {
		o.Events = &c.events
	}
	var pause time.Duration
	o.Found, pause, o.GoesOn = l.requests.Inspect(&c.answer, &c.draw, o.Status, o.ReceivedBytes)
	if o.GoesOn {
		l.hold(c, keep, pause)
	} else {
		l.release(c, keep, 0)
	}
	l.recorder.Record(&o)
	if o.Found.Extraction != "" || !request.Expected(l.requests.Plan(o.Request), o.Status) {
		l.recorder.Skip(o.Request, l.now)
	}
}

// connection is how the request got its connection.
func (c *conn) connection() record.Connection {
	if c.reused && (c.carrier != nil || !c.retried) { // by HTTP/1.1 a request is resent on a new one
		return record.ConnectionReused
	}
	return record.ConnectionNew
}

// broken deals with a connection that broke. A request on one that the server had closed meanwhile is sent once more on
// a new one, when it may be: when it is idempotent and nothing of an answer came (RFC 9110, section 9.2.2).
func (l *loop) broken(c *conn, class, text string) {
	if c.reused && !c.retried && !c.parser.Begun() && request.Idempotent(l.requests.Method(&c.draw)) {
		l.disconnect(c)
		c.retried = true
		l.open(c)
		return
	}
	l.fail(c, class, text)
}

// fail records a request that got no answer, and closes its connection.
func (l *loop) fail(c *conn, class, text string) {
	l.clock()
	o := record.Outcome{
		Request: c.draw.Request, Intended: c.intended, Sent: c.sent, Done: l.now, ErrorClass: class, ErrorText: text,
		Instance: c.answerer, Iteration: c.draw.N, Texts: &c.texts, ReceivedBytes: c.parser.Body,
		SentBytes: c.sentBytes(), Began: c.began, Later: c.later, Session: c.draw.Session,
		Connect: max(0, c.connect), Connection: c.connection(),
		Trace: c.draw.Trace,
	}
	rest := time.Duration(0)
	if !l.timing.Open() && record.IsShortage(class) {
		rest = l.shortage.Pause(l.now)
	}
	l.release(c, false, rest)
	l.recorder.Record(&o)
	if class != record.ErrorCut {
		l.recorder.Skip(o.Request, l.now)
	}
}

// release ends the connection's request. Its user sends again when it has thought, and rested for so long.
func (l *loop) release(c *conn, keep bool, rest time.Duration) {
	if l.busy == l.limit {
		l.lastFull = l.now
	}
	l.busy--
	if c.draw.Session != nil {
		l.users.Put(c.draw.Session)
		c.draw.Session = nil
	}
	to := &l.instances[c.instance]
	to.busy--
	if l.crowd != nil {
		l.crowd.End(c.user, c.draw.N, l.now, rest)
	}
	c.state = connIdle
	if !keep {
		l.close(c)
		return
	}
	to.idle = append(to.idle, c)
}

// drop closes an idle connection.
func (l *loop) drop(c *conn) {
	if c.following { // it keeps its slot, for the flow's next step
		l.disconnect(c)
		c.state = connClosed
		return
	}
	to := &l.instances[c.instance]
	if i := slices.Index(to.idle, c); i >= 0 {
		to.idle = slices.Delete(to.idle, i, i+1)
	}
	l.close(c)
}

func (l *loop) close(c *conn) {
	l.abandon(c)
	l.disconnect(c)
	c.state = connClosed
	l.free = append(l.free, c)
}

// disconnect closes a connection's socket.
func (l *loop) disconnect(c *conn) {
	l.io.close(c)
	c.sending = false
	if c.secure != nil {
		c.secure.Close()
		c.secure = nil
	}
}
