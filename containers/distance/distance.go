// Package distance makes processes of one machine as far from each other as those of different regions: what goes
// through a [Proxy] arrives half of a round trip later.
//
// It simulates nothing else of a distance: no losses, no reordering, no slow start of TCP, and no limit to the
// throughput of a connection below 8 MiB in half of a round trip.
//
// Shopify/toxiproxy can delay connections as well, and was looked at first. Each of its proxies has one upstream, and
// this one needs several, because the users of a region that is lost go to the next. A new connection costs no round
// trip there, its delays are whole milliseconds, and it brings an HTTP API with its router, logger and command line.
// What is needed of it is less than what would be built around it.
package distance

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// Upstream is a server behind a proxy.
type Upstream struct {
	Address   string        // host:port
	RoundTrip time.Duration // between the proxy's clients and it
}

// Proxy listens on loopback. Each of its connections leads to the first of its upstreams that accepts one.
type Proxy struct {
	listener  net.Listener
	upstreams []Upstream
	all       sync.WaitGroup // its goroutines
	closed    chan struct{}  // once it is

	mu   sync.Mutex
	open map[net.Conn]struct{} // nil once the proxy is closed
}

const (
	// dialLimit bounds the attempt at one upstream. On loopback a server that does not run refuses at once.
	dialLimit = time.Second
	// acceptPause is how long a proxy that may open no more files waits for some to be closed.
	acceptPause = 10 * time.Millisecond
)

// Listen starts a proxy at a free port of 127.0.0.1.
//
// Its delays are added by timers, so that they are at least as long as asked for, and a little longer on a busy
// machine. A new connection costs the round trip of TCP's handshake: the kernel accepts it at once, and what is sent
// first leaves a round trip later. So does each upstream that was tried before it in vain. A proxy does not wait for a
// server that has gone without a word, as a real client would.
func Listen(upstreams ...Upstream) (*Proxy, error) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start a proxy: %w", err)
	}
	p := &Proxy{
		listener: listener, upstreams: upstreams, closed: make(chan struct{}), open: map[net.Conn]struct{}{},
	}
	p.all.Go(p.accept)
	return p, nil
}

// Address is where the proxy listens, as host:port.
func (p *Proxy) Address() string { return p.listener.Addr().String() }

// Close closes the proxy and its connections, once. What is under way is lost.
func (p *Proxy) Close() error {
	err := p.listener.Close()
	close(p.closed)
	p.mu.Lock()
	for conn := range p.open {
		_ = conn.Close()
	}
	p.open = nil
	p.mu.Unlock()
	p.all.Wait()
	return err
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		at := time.Now()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			time.Sleep(acceptPause)
		default:
			p.all.Go(func() { p.serve(client, at) })
		}
	}
}

// serve connects a client that has come at a time, and relays what both say until they are done.
func (p *Proxy) serve(client net.Conn, at time.Time) {
	if !p.keep(client) {
		return
	}
	defer p.drop(client)
	server, roundTrip, spent := p.dial()
	if server == nil {
		reset(client)
		return
	}
	if !p.keep(server) {
		return
	}
	defer p.drop(server)
	relay(client, server, at.Add(spent), roundTrip, p.closed)
}

// dial connects to the first upstream that accepts it. spent is the time that the handshakes of all attempts take.
func (p *Proxy) dial() (server net.Conn, roundTrip, spent time.Duration) {
	for _, u := range p.upstreams {
		spent += u.RoundTrip
		server, err := net.DialTimeout("tcp", u.Address, dialLimit)
		if err == nil {
			return server, u.RoundTrip, spent
		}
	}
	return nil, 0, spent
}

// keep notes a connection that Close is to close. It is false, and the connection closed, once the proxy is.
func (p *Proxy) keep(conn net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open == nil {
		_ = conn.Close()
		return false
	}
	p.open[conn] = struct{}{}
	return true
}

func (p *Proxy) drop(conn net.Conn) {
	_ = conn.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, conn)
}

// relay passes on what client and server say to each other, half of a round trip later, until both are done or the
// proxy is closed. The client has its connection at the time established, the server half of a round trip before.
func relay(client, server net.Conn, established time.Time, roundTrip time.Duration, closed <-chan struct{}) {
	half := roundTrip / 2
	there := &direction{from: client, to: server, delay: half, opens: established, closed: closed}
	back := &direction{from: server, to: client, delay: half, opens: established.Add(-half), closed: closed}
	var both sync.WaitGroup
	both.Go(there.run)
	both.Go(back.run)
	both.Wait()
}

// direction is one direction of a connection.
type direction struct {
	from, to net.Conn
	delay    time.Duration
	opens    time.Time // nothing leaves before
	closed   <-chan struct{}
}

// Up to 8 MiB are under way in each direction, in at most so many chunks. More waits in the sender's socket: at a round
// trip of 100 ms that is a bound of 160 MiB/s.
const (
	chunkSize  = 32 << 10
	mostChunks = 256
)

// chunk is what one read has got.
type chunk struct {
	buffer *[chunkSize]byte
	n      int
	err    error     // of the read
	due    time.Time // when it arrives
}

var buffers = sync.Pool{New: func() any { return new([chunkSize]byte) }}

// run relays until the sender is done, and reads on while what it has read is under way.
func (d *direction) run() {
	under := make(chan chunk, mostChunks)
	var reading sync.WaitGroup
	reading.Go(func() { d.read(under) })
	d.write(under)
	reading.Wait()
}

func (d *direction) read(under chan<- chunk) {
	defer close(under)
	for {
		c := chunk{buffer: buffers.Get().(*[chunkSize]byte)}
		c.n, c.err = d.from.Read(c.buffer[:])
		c.due = time.Now()
		if c.due.Before(d.opens) {
			c.due = d.opens
		}
		c.due = c.due.Add(d.delay)
		under <- c
		if c.err != nil {
			return
		}
	}
}

// write hands over each chunk when it is due. When the receiver has gone, both connections are reset, and the rest is
// read for nothing.
func (d *direction) write(under <-chan chunk) {
	broken := false
	due := time.NewTimer(time.Hour) // one for all chunks
	defer due.Stop()
	for c := range under {
		if !broken {
			due.Reset(time.Until(c.due))
			select {
			case <-due.C:
				broken = !d.deliver(c)
			case <-d.closed:
				broken = true
			}
		}
		buffers.Put(c.buffer)
	}
}

// deliver hands over a chunk and, with the last one, the end. It is false once both connections were reset.
func (d *direction) deliver(c chunk) bool {
	var err error
	if c.n > 0 {
		_, err = d.to.Write(c.buffer[:c.n])
	}
	switch {
	case err != nil:
	case errors.Is(c.err, io.EOF):
		err = closeWrite(d.to)
	default:
		err = c.err
	}
	if err != nil {
		reset(d.from)
		reset(d.to)
	}
	return err == nil
}

// closeWrite says that nothing more comes.
func closeWrite(conn net.Conn) error {
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return conn.Close()
}

// reset ends a connection as the end of a process may: the other side sees a reset.
func reset(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}
