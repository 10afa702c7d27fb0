package wire

import (
	"errors"
	"io"

	"github.com/policycortex/headroom/loadgen/record"
	"github.com/policycortex/headroom/loadgen/wire/secure"
)

// plainSize is more than any TLS record decrypts to, in bytes.
const plainSize = 16<<10 + 1

// beginTLS begins the handshake of a connection that stands. It takes the loop's own time: what is due meanwhile is
// sent late, and counted as such.
func (l *loop) beginTLS(c *conn) {
	if l.plain == nil {
		l.plain = make([]byte, plainSize)
	}
	l.clock()
	c.state, c.handshake = connSecuring, -l.now
	c.secure = secure.New(l.instances[c.instance].tls)
	l.sendRecords(c)
}

// decrypt takes bytes that came on a connection with TLS.
func (l *loop) decrypt(c *conn, data []byte) {
	s := c.secure
	s.Feed(data)
	if !s.Established() && !l.shake(c) {
		return
	}
	for c.secure == s && s.Ready() {
		n, err := s.Read(l.plain)
		if n > 0 {
			l.received(c, l.plain[:n])
		}
		if err != nil && c.secure == s {
			l.endOfTLS(c, err)
			return
		}
	}
	if c.secure == s {
		s.Keep()
		l.sendRecords(c) // what TLS has answered of itself
	}
}

// shake goes on with a handshake, and sends the request when it has ended. It reports whether it has.
func (l *loop) shake(c *conn) bool {
	s := c.secure
	over, err := s.Shake()
	switch {
	case err != nil && c.carries != nil:
		l.http2Broken(c.carries, record.ErrorTLS, err.Error())
		return false
	case err != nil:
		l.fail(c, record.ErrorTLS, err.Error())
		return false
	case !over:
		s.Keep()
		l.sendRecords(c)
		return false
	}
	s.Keep() // writing may read into the memory of what was fed
	l.clock()
	c.handshake += l.now
	l.write(c)
	return c.secure == s
}

// endOfTLS takes note that nothing more comes by TLS: its end was announced, or there was an error.
func (l *loop) endOfTLS(c *conn, err error) {
	if errors.Is(err, io.EOF) {
		l.hungUp(c)
		return
	}
	l.failed(c, err)
}

// writeSecurely begins to write the connection's request, or the frames of its streams, by TLS.
func (l *loop) writeSecurely(c *conn) {
	if err := c.secure.Write(c.request); err != nil {
		l.failed(c, err)
		return
	}
	l.sendRecords(c)
}

// sendRecords writes what TLS has to send. While the socket has not taken what came before, that waits.
func (l *loop) sendRecords(c *conn) {
	if c.sending || !c.secure.HasOutput() {
		return
	}
	c.out = c.secure.SwapOutput(c.out)
	l.io.send(c)
}
