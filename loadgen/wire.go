package loadgen

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"runtime"
	"sync"

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

// newWireAttack prepares the loops. It resolves the target's name once: a run measures one address.
func newWireAttack(ctx context.Context, a *attack, pacing scenarios.Pacing, by backend) (engine, error) {
	target, err := url.Parse(a.target)
	if err != nil {
		return nil, fmt.Errorf("wire engine: %w", err)
	}
	if target.Scheme != "http" {
		return nil, fmt.Errorf("wire engine: it speaks plain HTTP only, and the target is %s", a.target)
	}
	address, err := resolve(ctx, target)
	if err != nil {
		return nil, fmt.Errorf("wire engine: %w", err)
	}
	w := &wireAttack{attack: a}
	n := min(max(1, runtime.GOMAXPROCS(0)-1), workers(a.scenario)) // see run
	for i := range n {
		loop, err := newWireLoop(a, newRenderer(a.requests, target), address, i, n, by)
		if err != nil {
			w.discard()
			return nil, fmt.Errorf("wire engine: %w", err)
		}
		loop.pacing = pacing
		w.loops = append(w.loops, loop)
	}
	return w, nil
}

func resolve(ctx context.Context, target *url.URL) (*net.TCPAddr, error) {
	port := target.Port()
	if port == "" {
		port = "80"
	}
	addresses, err := net.DefaultResolver.LookupIPAddr(ctx, target.Hostname())
	if err != nil {
		return nil, err
	}
	for _, a := range addresses {
		if a.IP.To4() != nil { // as net.Dial does when both families answer
			return net.ResolveTCPAddr("tcp", net.JoinHostPort(a.String(), port))
		}
	}
	return net.ResolveTCPAddr("tcp", net.JoinHostPort(addresses[0].String(), port))
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
