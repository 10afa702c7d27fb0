// Package wire is a client of HTTP/1.1 and HTTP/2, with and without TLS, that sends a scenario's requests over raw
// non-blocking sockets. Each loop is a thread of its own that owns its connections and every so-many-th iteration of
// the schedule; requests are rendered into bytes and answers parsed where they lie, so that a request costs no
// goroutine, no switch between threads and, but for what crypto/tls allocates for a record, no allocation.
//
// What moves the bytes depends on the system: on Linux an io_uring where there is one, otherwise epoll; elsewhere
// net.Conn with two goroutines a connection, which is the same engine at a higher price.
package wire

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/policycortex/headroom/loadgen/arrival"
	"github.com/policycortex/headroom/loadgen/connect"
	"github.com/policycortex/headroom/loadgen/record"
	"github.com/policycortex/headroom/loadgen/request"
	"github.com/policycortex/headroom/scenarios"
)

// Config is what an engine needs: when to send what where, and who counts what becomes of it.
type Config struct {
	Timing    *arrival.Timing
	Requests  *request.Set
	Collector *record.Collector
	Target    Target
	Loops     int           // each a thread; the caller makes room for them in GOMAXPROCS
	Users     *request.Pool // nil where users keep nothing
	Pacing    scenarios.Pacing
	Backend   Backend
	// Connections bounds the connections of HTTP/2 to each instance; 0: they are as few as the server's limit of
	// streams allows. There are at least as many as loops.
	Connections int
	Once        bool // a connection is closed after its first request
}

// Engine sends the requests of one scenario.
type Engine struct{ loops []*loop }

// Backend is what moves the bytes of a loop.
type Backend string

// The backends.
const (
	Best    Backend = "" // what the system offers
	IOUring Backend = "io_uring"
	Epoll   Backend = "epoll"
	NetConn Backend = "net.Conn"
)

// New prepares the loops.
func New(c Config) (*Engine, error) {
	e := &Engine{}
	for i := range c.Loops {
		l, err := newLoop(&c, i)
		if err != nil {
			e.Discard()
			return nil, fmt.Errorf("wire engine: %w", err)
		}
		e.loops = append(e.loops, l)
	}
	return e, nil
}

// Name says what moved the bytes, once the engine has run.
func (e *Engine) Name() string {
	by := e.loops[0].io.name()
	for _, l := range e.loops {
		if l.io.name() != by { // a ring that could not be had after all
			by = Epoll
		}
	}
	instances := e.loops[0].instances
	switch n := countHTTP2(instances); {
	case n == len(instances):
		by += ", HTTP/2"
	case n > 0:
		by += ", HTTP/1.1 and HTTP/2"
	}
	if instances[0].tls != nil {
		by += ", TLS"
	}
	return fmt.Sprintf("wire (%s)", by)
}

func countHTTP2(instances []instance) (n int) {
	for i := range instances {
		if instances[i].blocks != nil {
			n++
		}
	}
	return n
}

// Target is the target of a run: its instances, or the addresses of these.
type Target []place

// place is where connections lead that the run measures.
type place struct {
	url      *url.URL
	address  net.Addr
	tls      *tls.Config // nil: plain HTTP
	http2    bool        // requests go by HTTP/2
	instance int         // number of the instance, from 1
}

// NewTarget resolves the names of the target's instances and finds out by which version of HTTP requests go to each,
// once for all scenarios. warnings name the instances that could not be asked for their version.
func NewTarget(ctx context.Context, to *connect.To, places []connect.Place) (t Target, warnings []string, err error) {
	for _, p := range places {
		u, err := url.Parse(p.URL)
		if err != nil {
			return nil, nil, fmt.Errorf("wire engine: %w", err)
		}
		one := place{url: u, instance: p.Instance}
		one.address, err = addressOf(ctx, to, p, u)
		if err != nil {
			return nil, nil, fmt.Errorf("wire engine: %w", err)
		}
		p.Address = one.address.String() // another address of the name may speak another version
		version, err := to.VersionFor(ctx, p, u)
		if err != nil {
			warnings = append(warnings, fmt.Sprintf("%s could not be asked for its version of HTTP, so requests are "+
				"sent to it by HTTP/1.1: %v", u.Host, err))
		}
		one.http2 = version == scenarios.HTTP2
		if u.Scheme == "https" {
			one.tls = to.TLSFor(u, version)
		}
		t = append(t, one)
	}
	return t, warnings, nil
}

func addressOf(ctx context.Context, to *connect.To, p connect.Place, u *url.URL) (net.Addr, error) {
	switch {
	case to.Socket != "":
		return &net.UnixAddr{Name: to.Socket, Net: "unix"}, nil
	case p.Address != "":
		return net.ResolveTCPAddr("tcp", p.Address)
	}
	return Resolve(ctx, u)
}

// Resolve finds the address of a URL's host: of several the first that takes a connection, those of IPv4 before those
// of IPv6, because many servers listen to only one of the two that "localhost" means. When none takes any, it is the
// first.
func Resolve(ctx context.Context, target *url.URL) (*net.TCPAddr, error) {
	found, err := net.DefaultResolver.LookupIPAddr(ctx, target.Hostname())
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(found, func(a, b net.IPAddr) int { return len(b.IP.To4()) - len(a.IP.To4()) })
	var addresses []*net.TCPAddr
	for _, ip := range found {
		address, err := net.ResolveTCPAddr("tcp", net.JoinHostPort(ip.String(), connect.PortOf(target)))
		if err != nil {
			return nil, err
		}
		addresses = append(addresses, address)
	}
	if len(addresses) > 1 {
		if i := slices.IndexFunc(addresses, func(a *net.TCPAddr) bool { return takesConnections(ctx, a) }); i > 0 {
			return addresses[i], nil
		}
	}
	return addresses[0], nil
}

// takesConnections tries for a moment to connect to an address.
func takesConnections(ctx context.Context, address *net.TCPAddr) bool {
	dialer := net.Dialer{Timeout: time.Second}
	conn, err := dialer.DialContext(ctx, "tcp", address.String())
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

// Run sends the scenario's requests, from start on, until its schedule and gracefulStop end or ctx is cancelled. What
// is in flight then is cut.
func (e *Engine) Run(ctx context.Context, start time.Time) {
	ended := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-ctx.Done():
			for _, l := range e.loops {
				l.waker.wake()
			}
		case <-ended:
		}
	})
	var all sync.WaitGroup
	for _, l := range e.loops {
		all.Go(func() { l.run(ctx, start) })
	}
	all.Wait()
	close(ended)
	watch.Wait()
	e.close()
}

// Discard frees what an engine holds that does not run.
func (e *Engine) Discard() {
	for _, l := range e.loops {
		l.io.end()
	}
	e.close()
}

func (e *Engine) close() {
	for _, l := range e.loops {
		l.waker.close()
	}
}
