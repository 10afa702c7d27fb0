package api

import (
	"context"
	"net"
	"net/http"
)

// net/http writes a response through a buffer of 4 KB. A longer one takes two system calls, and the first wakes a
// client that finds half a response. wholeConn joins the two writes. A handler says when: see writeBody.

// netHTTPBuffer is the size of net/http's buffer for a connection.
const netHTTPBuffer = 4 << 10

// wholeConn is a connection that can hold back the first bytes of a response until the rest follows.
type wholeConn struct {
	*net.TCPConn
	// Used only by the goroutine that serves the connection:
	keeping bool
	kept    []byte
	parts   [2][]byte
	buffers net.Buffers
}

// WholeWrites wraps a TCP listener so that its connections can send a long response in one system call. The server's
// ConnContext must be [ConnContext].
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

// ConnContext passes a connection to the handlers of its requests.
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

// writeKept writes what was held back and then p, and returns how many bytes of p were written.
func (c *wholeConn) writeKept(p []byte) (int, error) {
	kept := len(c.kept)
	c.parts = [2][]byte{c.kept, p}
	c.buffers = c.parts[:]
	n, err := c.buffers.WriteTo(c.TCPConn)
	c.parts = [2][]byte{}
	c.kept = c.kept[:0]
	return max(int(n)-kept, 0), err
}

// release stops holding back and writes what was held. An error shows at the next write.
func (c *wholeConn) release() {
	c.keeping = false
	if len(c.kept) > 0 {
		c.writeKept(nil)
	}
}

// writeBody sends the body of a response whose header is complete. For a body longer than twice net/http's buffer, the
// rest is written before Write returns, so nothing is held back for longer than that.
func writeBody(w http.ResponseWriter, r *http.Request, body []byte) {
	if len(body) > 2*netHTTPBuffer {
		if conn, ok := r.Context().Value(connKey{}).(*wholeConn); ok {
			conn.keeping = true
			defer conn.release()
		}
	}
	w.Write(body) // an error means that the client has left
}
