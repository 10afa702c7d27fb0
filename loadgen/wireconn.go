package loadgen

import (
	"net/http"
	"time"

	"github.com/policycortex/headroom/loadgen/record"
	"github.com/policycortex/headroom/loadgen/request"
	"github.com/policycortex/headroom/loadgen/wire/http1"
)

// wireConn is one connection and the request that it is busy with.
type wireConn struct {
	slot   int32
	life   int32 // how often the slot was opened: an event of an earlier life is void
	fd     int   // -1: no socket, or not one that is used by its number
	state  connState
	parser http1.Parser

	draw                     request.Draw
	intended, sent, deadline time.Duration
	out                      []byte // the request
	written, bodyBytes       int
	reused, retried          bool
	cache                    [8]byte // the X-Cache header, as far as it matters
	cacheLen                 int
	answer                   request.Answer    // what its checks look at
	keep, keepBeginning      func(body []byte) // answer.Piece and answer.Beginning, made once
	texts                    request.Texts     // what the flow's steps have extracted
	following                bool              // its request was answered, and the flow's next step is to be sent
}

type connState uint8

const (
	connClosed connState = iota
	connIdle
	connConnecting // this and what follows are busy
	connWriting
	connReading
)

// header keeps what the recorder asks for.
func (c *wireConn) header(name, value []byte) {
	if c.cacheLen == 0 && http1.Is(name, "x-cache") { // of several the first counts
		c.cacheLen = copy(c.cache[:], value)
	}
	if c.answer.Inspected() {
		c.answer.Header(name, value)
	}
}

// headRead keeps the head of an answer that may be told of, and begins to keep the body of one that fails, which nothing
// looks into.
func (l *wireLoop) headRead(c *wireConn, head []byte) {
	failing := !request.Expected(&l.scenario.Requests[c.draw.Request], c.parser.Status)
	if failing || c.answer.Inspected() {
		c.answer.TakeHead(head)
	}
	if c.parser.OnBody == nil && failing {
		c.parser.OnBody = c.keepBeginning
	}
}

// expect makes the connection ready for the answer to its request.
func (l *wireLoop) expect(c *wireConn) {
	c.cacheLen = 0
	c.parser.Start(l.requests.Method(&c.draw) == http.MethodHead)
	c.parser.OnBody = nil
	c.answer.Start(l.requests.Inspection(c.draw.Request))
	if c.answer.InspectsBody() {
		c.parser.OnBody = c.keep
	}
}

// open sends the connection's request on a new socket.
func (l *wireLoop) open(c *wireConn) {
	c.life++
	l.expect(c)
	c.state = connConnecting
	if err := l.io.open(c); err != nil {
		l.fail(c, record.ClassOf(err), err.Error())
	}
}

// again sends the connection's request on the socket that it has.
func (l *wireLoop) again(c *wireConn) {
	l.expect(c)
	c.state = connWriting
	l.io.send(c)
}

// received takes bytes that came on a connection.
func (l *wireLoop) received(c *wireConn, data []byte) {
	if c.state == connIdle { // nobody asked for them
		l.drop(c)
		return
	}
	used, done, err := c.parser.Feed(data)
	switch {
	case err != nil:
		l.fail(c, record.ErrorMalformed, err.Error())
	case done:
		// More than the answer is what nobody asked for; and an answer before the request was written whole leaves the
		// connection in a state that no next request can use.
		l.complete(c, c.parser.KeepAlive && used == len(data) && c.state == connReading)
	}
}

// hungUp takes note that the server has closed its end.
func (l *wireLoop) hungUp(c *wireConn) {
	if c.state == connIdle {
		l.drop(c)
		return
	}
	if err := c.parser.Close(); err != nil {
		l.broken(c, record.ErrorClosed, err.Error())
		return
	}
	l.complete(c, false)
}

// failed takes note that the system refused to go on with a connection.
func (l *wireLoop) failed(c *wireConn, err error) {
	if c.state == connIdle {
		l.drop(c)
		return
	}
	l.broken(c, record.ClassOf(err), err.Error())
}

// complete records an answer.
func (l *wireLoop) complete(c *wireConn, keep bool) {
	l.clock()
	o := outcome{
		request: c.draw.Request, intended: c.intended, sent: c.sent, done: l.now, status: c.parser.Status,
		cache: cacheName(c.cache[:c.cacheLen]), sentBytes: int64(c.bodyBytes), receivedBytes: c.parser.Body,
		iteration: c.draw.N, texts: &c.texts, answer: &c.answer,
	}
	var goesOn bool
	o.found, goesOn = l.requests.Inspect(&c.answer, o.request, o.status, o.receivedBytes, &c.texts)
	if goesOn {
		l.hold(c, keep)
	} else {
		l.release(c, keep, 0)
	}
	l.book.record(&o)
	if !goesOn {
		l.book.skip(o.request, l.now)
	}
}

// cacheName returns a shared string for the names that mean a hit, so that none is made for each answer.
func cacheName(b []byte) string {
	for _, name := range [...]string{"l1", "l2", "l3", "hit"} {
		if len(b) >= len(name) && http1.Is(b[:len(name)], name) {
			return name
		}
	}
	if len(b) > 0 {
		return "miss"
	}
	return ""
}

// broken deals with a connection that broke. A request on one that the server had closed meanwhile is sent once more on
// a new one, when it may be: when it is idempotent and nothing of an answer came (RFC 9110, section 9.2.2).
func (l *wireLoop) broken(c *wireConn, class, text string) {
	if c.reused && !c.retried && !c.parser.Begun() && idempotent(l.requests.Method(&c.draw)) {
		l.io.close(c)
		c.retried = true
		l.open(c)
		return
	}
	l.fail(c, class, text)
}

// fail records a request that got no answer, and closes its connection.
func (l *wireLoop) fail(c *wireConn, class, text string) {
	l.clock()
	o := outcome{
		request: c.draw.Request, intended: c.intended, sent: c.sent, done: l.now, errorClass: class, errorText: text, iteration: c.draw.N, texts: &c.texts,
		receivedBytes: c.parser.Body,
	}
	if c.state != connConnecting {
		o.sentBytes = int64(c.bodyBytes)
	}
	rest := time.Duration(0)
	if !l.timing.Open() && record.IsShortage(class) {
		rest = l.shortage.Pause(l.now)
	}
	l.release(c, false, rest)
	l.book.record(&o)
	if class != record.ErrorCut {
		l.book.skip(o.request, l.now)
	}
}

// release ends the connection's request. Its user sends again when it has thought, and rested for so long.
func (l *wireLoop) release(c *wireConn, keep bool, rest time.Duration) {
	if l.busy == l.limit {
		l.lastFull = l.now
	}
	l.busy--
	if l.timing.Think != nil {
		rest = max(rest, l.timing.Think.After(c.draw.N))
	}
	if l.timing.Think != nil || rest > 0 {
		l.thinking.Add(l.now + rest)
	}
	c.state = connIdle
	if !keep {
		l.close(c)
		return
	}
	l.idle = append(l.idle, c)
}

// drop closes an idle connection.
func (l *wireLoop) drop(c *wireConn) {
	if c.following { // it keeps its slot, for the flow's next step
		l.io.close(c)
		c.state = connClosed
		return
	}
	for i, other := range l.idle {
		if other == c {
			l.idle = append(l.idle[:i], l.idle[i+1:]...)
			break
		}
	}
	l.close(c)
}

func (l *wireLoop) close(c *wireConn) {
	l.io.close(c)
	c.state = connClosed
	l.free = append(l.free, c)
}
