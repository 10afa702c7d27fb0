package store

import (
	"context"
	"errors"
	"net"
	"sync"
)

// errCut is the error of connecting over a cut link.
var errCut = errors.New("the server did not answer in time and has not answered since")

// link is the network side of a pool. A frozen server neither answers nor closes connections, so its users would wait
// until their contexts end. Cutting the link ends all these waits at once, without a cost for other queries.
type link struct {
	dialer net.Dialer

	mu    sync.Mutex
	isCut bool
	conns map[*linkedConn]struct{}
}

// linkedConn is a connection that its link knows until it is closed.
type linkedConn struct {
	net.Conn
	link *link
}

// dial has the form of pgconn.DialFunc.
func (l *link) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := l.dialer.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	linked := &linkedConn{Conn: conn, link: l}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.isCut {
		conn.Close()
		return nil, errCut
	}
	if l.conns == nil {
		l.conns = map[*linkedConn]struct{}{}
	}
	l.conns[linked] = struct{}{}
	return linked, nil
}

// Close closes the connection.
func (c *linkedConn) Close() error {
	c.link.mu.Lock()
	delete(c.link.conns, c)
	c.link.mu.Unlock()
	return c.Conn.Close()
}

// cut closes every connection, even in use, and refuses new ones until restore.
func (l *link) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.isCut = true
	for c := range l.conns {
		c.Conn.Close() // the pool closes it once more, by its own Close
	}
}

func (l *link) restore() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.isCut = false
}
