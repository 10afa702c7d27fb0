package loadgen

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/policycortex/headroom/loadgen/request"
	"github.com/policycortex/headroom/scenarios"
)

// wireAttack is one scenario's run on the wire engine: HTTP/1.1 over raw non-blocking sockets. Each loop is a thread of
// its own that owns its connections and every so-many-th iteration of the schedule; requests are rendered into bytes and
// answers parsed where they lie, so that a request costs no allocation, no goroutine and no switch between threads.
//
// How the bytes are moved depends on the system: on Linux by an io_uring where there is one to be had, else by epoll;
// elsewhere by net.Conn with a goroutine a connection, which is the same engine at a higher price.
type wireAttack struct {
	*attack
	loops []*wireLoop
}

// backend is a way to move a loop's bytes.
type backend string

const (
	byBest  backend = "" // what the system offers
	byRing  backend = "io_uring"
	byEpoll backend = "epoll"
	byNet   backend = "net.Conn"
)

// name says how the bytes were moved.
func (w *wireAttack) name() string {
	by := w.loops[0].io.name()
	for _, l := range w.loops {
		if l.io.name() != by { // a ring that could not be had after all
			by = byEpoll
		}
	}
	return fmt.Sprintf("wire (%s)", by)
}

// newWireAttack prepares n loops.
func newWireAttack(a *attack, target *wireTarget, n int, pacing scenarios.Pacing, by backend) (engine, error) {
	w := &wireAttack{attack: a}
	for i := range n {
		loop, err := newWireLoop(a, request.NewRenderer(a.requests, target.url), target.address, i, n, by)
		if err != nil {
			w.discard()
			return nil, fmt.Errorf("wire engine: %w", err)
		}
		loop.pacing = pacing
		w.loops = append(w.loops, loop)
	}
	return w, nil
}

// wireTarget is the target of a run, and the one address of it that the run measures.
type wireTarget struct {
	url     *url.URL
	address *net.TCPAddr
}

// newWireTarget resolves the target's name, once for all scenarios.
func newWireTarget(ctx context.Context, target string) (*wireTarget, error) {
	u, err := url.Parse(target)
	if err != nil {
		return nil, fmt.Errorf("wire engine: %w", err)
	}
	if u.Scheme != "http" {
		return nil, fmt.Errorf("wire engine: it speaks plain HTTP only, and the target is %s", target)
	}
	address, err := resolve(ctx, u)
	if err != nil {
		return nil, fmt.Errorf("wire engine: %w", err)
	}
	return &wireTarget{u, address}, nil
}

// resolve finds the address of a name: of several the first that takes a connection, those of IPv4 before those of IPv6.
// Many a server listens to one of the two that "localhost" means. When none takes any, it is the first.
func resolve(ctx context.Context, target *url.URL) (*net.TCPAddr, error) {
	port := target.Port()
	if port == "" {
		port = "80"
	}
	found, err := net.DefaultResolver.LookupIPAddr(ctx, target.Hostname())
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(found, func(a, b net.IPAddr) int { return len(b.IP.To4()) - len(a.IP.To4()) })
	var addresses []*net.TCPAddr
	for _, ip := range found {
		address, err := net.ResolveTCPAddr("tcp", net.JoinHostPort(ip.String(), port))
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

// takesConnections tries an address, where there is another one, for a moment.
func takesConnections(ctx context.Context, address *net.TCPAddr) bool {
	dialer := net.Dialer{Timeout: time.Second}
	conn, err := dialer.DialContext(ctx, "tcp", address.String())
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

// run sends the scenario's requests until its schedule and gracefulStop end or ctx is cancelled. What is in flight
// then is cut.
func (w *wireAttack) run(ctx context.Context) {
	ended := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-ctx.Done():
			for _, l := range w.loops {
				l.waker.wake()
			}
		case <-ended:
		}
	})
	var all sync.WaitGroup
	for _, l := range w.loops {
		all.Go(func() {
			l.run(ctx)
		})
	}
	all.Wait()
	close(ended)
	watch.Wait()
	w.close()
	w.finish()
}

func (w *wireAttack) discard() {
	for _, l := range w.loops {
		l.io.end()
	}
	w.close()
}

func (w *wireAttack) close() {
	for _, l := range w.loops {
		l.waker.close()
	}
}
