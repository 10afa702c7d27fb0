// Package distance makes processes of one machine as far from each other as those of different regions: what goes over
// a [Road] arrives half of its round trip later.
//
// It simulates nothing else of a long way: no losses, no reordering, no limit to the throughput, no slow start of TCP.
//
// Shopify/toxiproxy can delay connections as well, and was looked at first. Each of its proxies has one server, and a
// road needs several, because the users of a region that is lost go to the next. A new connection costs no round trip
// there, its delays are whole milliseconds, and it brings an HTTP API with its router, logger and command line. What is
// needed of it is less than what would be built around it.
package distance

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// Way leads to a server.
type Way struct {
	To        string        // its address, host:port
	RoundTrip time.Duration // there and back
}

// Road listens on loopback. Each connection to it leads to the server of the first of its ways that can be had.
type Road struct {
	listener net.Listener
	ways     []Way
	all      sync.WaitGroup // its goroutines
	closed   chan struct{}  // once it is

	mu   sync.Mutex
	open map[net.Conn]struct{} // nil once the road is closed
}

const (
	// dialLimit bounds the attempt at one way. On loopback a server that does not run refuses at once.
	dialLimit = time.Second
	// acceptPause is how long a road that may open no more files waits for some to be closed.
	acceptPause = 10 * time.Millisecond
)

// Open opens a road at a free port of 127.0.0.1.
//
// Its delays are added by timers, so that they are at least as long as asked for, and a little longer on a busy
// machine. A new connection costs the round trip of TCP's handshake: the kernel accepts it at once, and what is sent
// first leaves a round trip later. So does each way that was tried before it in vain. A road does not wait for a server
// that has gone without a word, as a real client would.
func Open(ways ...Way) (*Road, error) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("open a road: %w", err)
	}
	r := &Road{listener: listener, ways: ways, closed: make(chan struct{}), open: map[net.Conn]struct{}{}}
	r.all.Go(r.accept)
	return r, nil
}

// Address is where the road listens, as host:port.
func (r *Road) Address() string { return r.listener.Addr().String() }

// Close closes the road and all connections on it, once. What is under way is lost.
func (r *Road) Close() error {
	err := r.listener.Close()
	close(r.closed)
	r.mu.Lock()
	for conn := range r.open {
		_ = conn.Close()
	}
	r.open = nil
	r.mu.Unlock()
	r.all.Wait()
	return err
}

func (r *Road) accept() {
	for {
		client, err := r.listener.Accept()
		at := time.Now()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			time.Sleep(acceptPause)
		default:
			r.all.Go(func() { r.lead(client, at) })
		}
	}
}

// lead connects a client that has come at a time, and carries what both say until one of them is done.
func (r *Road) lead(client net.Conn, at time.Time) {
	if !r.keep(client) {
		return
	}
	defer r.drop(client)
	server, roundTrip, spent := r.connect()
	if server == nil {
		cut(client)
		return
	}
	if !r.keep(server) {
		return
	}
	defer r.drop(server)
	carry(client, server, at.Add(spent), roundTrip, r.closed)
}

// connect takes the first way that can be had. spent is the time that the handshakes of all attempts take.
func (r *Road) connect() (server net.Conn, roundTrip, spent time.Duration) {
	for _, way := range r.ways {
		spent += way.RoundTrip
		server, err := net.DialTimeout("tcp", way.To, dialLimit)
		if err == nil {
			return server, way.RoundTrip, spent
		}
	}
	return nil, 0, spent
}

// keep notes a connection that Close is to close. It is false, and the connection closed, once the road is.
func (r *Road) keep(conn net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.open == nil {
		_ = conn.Close()
		return false
	}
	r.open[conn] = struct{}{}
	return true
}

func (r *Road) drop(conn net.Conn) {
	_ = conn.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.open, conn)
}

// carry carries what client and server say to each other, half of a round trip each way, until both are done or the
// road is closed. The client has its connection at the time established, the server half of a round trip before.
func carry(client, server net.Conn, established time.Time, roundTrip time.Duration, closed <-chan struct{}) {
	half := roundTrip / 2
	there := &lane{from: client, to: server, takes: half, opens: established, closed: closed}
	back := &lane{from: server, to: client, takes: half, opens: established.Add(-half), closed: closed}
	var both sync.WaitGroup
	both.Go(there.run)
	both.Go(back.run)
	both.Wait()
}

// lane is one direction of a connection.
type lane struct {
	from, to net.Conn
	takes    time.Duration
	opens    time.Time // nothing leaves before
	closed   <-chan struct{}
}

// Up to 8 MiB are on the way in each direction. More waits in the sender's socket: at a round trip of 100 ms that is a
// bound of 160 MiB/s.
const (
	pieceSize  = 32 << 10
	mostPieces = 256
)

// piece is what one read has got.
type piece struct {
	buffer *[pieceSize]byte
	n      int
	err    error     // of the read
	due    time.Time // when it arrives
}

var buffers = sync.Pool{New: func() any { return new([pieceSize]byte) }}

// run carries until the sender is done, and reads on while what it has read is on the way.
func (l *lane) run() {
	under := make(chan piece, mostPieces)
	var reading sync.WaitGroup
	reading.Go(func() { l.read(under) })
	l.write(under)
	reading.Wait()
}

func (l *lane) read(under chan<- piece) {
	defer close(under)
	for {
		p := piece{buffer: buffers.Get().(*[pieceSize]byte)}
		p.n, p.err = l.from.Read(p.buffer[:])
		p.due = time.Now()
		if p.due.Before(l.opens) {
			p.due = l.opens
		}
		p.due = p.due.Add(l.takes)
		under <- p
		if p.err != nil {
			return
		}
	}
}

// write hands over each piece when it is due. When the receiver has gone, both ends are cut off, and the rest is read
// for nothing.
func (l *lane) write(under <-chan piece) {
	broken := false
	due := time.NewTimer(time.Hour) // one for all pieces
	defer due.Stop()
	for p := range under {
		if !broken {
			due.Reset(time.Until(p.due))
			select {
			case <-due.C:
				broken = !l.deliver(p)
			case <-l.closed:
				broken = true
			}
		}
		buffers.Put(p.buffer)
	}
}

// deliver hands over a piece and, with the last one, the end. It is false once both ends were cut off.
func (l *lane) deliver(p piece) bool {
	var err error
	if p.n > 0 {
		_, err = l.to.Write(p.buffer[:p.n])
	}
	switch {
	case err != nil:
	case errors.Is(p.err, io.EOF):
		err = end(l.to)
	default:
		err = p.err
	}
	if err != nil {
		cut(l.from)
		cut(l.to)
	}
	return err == nil
}

// end says that nothing more comes.
func end(conn net.Conn) error {
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return conn.Close()
}

// cut ends a connection as the end of a process does: the other side sees a reset.
func cut(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}
