package api

import (
	"context"
	"net"
	"net/http"
)

// net/http writes an answer through a buffer of 4 KB: a longer one leaves in two system calls, the first of which wakes a
// client that then finds half of an answer. wholeConn joins the two. A handler says when: see writeBody.

// netHTTPBuffer is the size of net/http's buffer for a connection.
const netHTTPBuffer = 4 << 10

// wholeConn is a connection that can keep back the first bytes of an answer until the rest comes.
type wholeConn struct {
	*net.TCPConn
	// Of the goroutine that serves the connection, which alone writes:
	keeping bool
	kept    []byte
	parts   [2][]byte
	buffers net.Buffers
}

// WholeWrites makes connections of a TCP listener able to send a long answer by one system call. The server's ConnContext
// must be [ConnContext].
func WholeWrites(l net.Listener) net.Listener { return wholeListener{l} }

type wholeListener struct{ net.Listener }

func (l wholeListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if tcp, ok := conn.(*net.TCPConn); ok {
		return &wholeConn{TCPConn: tcp}, err
	}
	return conn, err
}

type connKey struct{}

// ConnContext makes a connection known to the handlers of its requests.
func ConnContext(ctx context.Context, conn net.Conn) context.Context {
	if whole, ok := conn.(*wholeConn); ok {
		return context.WithValue(ctx, connKey{}, whole)
	}
	return ctx
}

func (c *wholeConn) Write(p []byte) (int, error) {
	switch {
	case !c.keeping:
		return c.TCPConn.Write(p)
	case len(c.kept) == 0 && len(p) <= netHTTPBuffer:
		c.kept = append(c.kept, p...)
		return len(p), nil
	}
	return c.writeKept(p)
}

// writeKept writes what was kept and p, and returns how much of p was written.
func (c *wholeConn) writeKept(p []byte) (int, error) {
	kept := len(c.kept)
	c.parts = [2][]byte{c.kept, p}
	c.buffers = c.parts[:]
	n, err := c.buffers.WriteTo(c.TCPConn)
	c.parts = [2][]byte{}
	c.kept = c.kept[:0]
	return max(int(n)-kept, 0), err
}

// release ends keeping. What is kept still is written: its error shows at the next write.
func (c *wholeConn) release() {
	c.keeping = false
	if len(c.kept) > 0 {
		c.writeKept(nil)
	}
}

// writeBody sends the body of an answer whose header is complete. Of a body that does not fit into net/http's buffer twice
// the rest is written while Write has not returned; so nothing is ever kept back for longer than that.
func writeBody(w http.ResponseWriter, r *http.Request, body []byte) {
	if len(body) > 2*netHTTPBuffer {
		if conn, ok := r.Context().Value(connKey{}).(*wholeConn); ok {
			conn.keeping = true
			defer conn.release()
		}
	}
	w.Write(body) // an error here means that the client has gone
}
