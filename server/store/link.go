package store

import (
	"context"
	"errors"
	"net"
	"sync"
)

// errCut is what a cut link says to those who want to connect.
var errCut = errors.New("the server did not answer in time, and has not been heard of since")

// link is the network side of a pool. A server that is frozen answers nothing and closes nothing: whoever waits for it
// would wait for as long as his context allows. A cut ends all these waits at once, at no cost for queries otherwise.
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

// cut closes every connection under those who use it, and refuses new ones until restore.
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
