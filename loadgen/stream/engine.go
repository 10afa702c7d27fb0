// Package stream keeps the streams of subscribers: it opens as many as a scenario asks for, reads their events as they
// come, opens a stream again that breaks, and counts what of it a subscriber would notice.
//
// A loop holds thousands of streams. On Linux, and where the target speaks plain HTTP, it is one goroutine with an
// epoll: a subscriber costs its state and a socket, the buffer that is read into is one for all of them, and how long
// what has come waits for the loop is known, so that a generator that is too slow is not taken for a slow service.
// Everywhere else, for HTTPS, and over Unix sockets, each stream has a goroutine of its own that reads from a net.Conn.
// That takes 10 KB a stream instead of 2 (BenchmarkMemory, 4,000 streams), and the wait is not known. WebSockets, which
// coder/websocket reads, have a goroutine each as well.
package stream

import (
	"context"
	"fmt"
	"net/textproto"
	"net/url"
	"sync"
	"time"

	"github.com/policycortex/headroom/loadgen/arrival"
	"github.com/policycortex/headroom/loadgen/connect"
	"github.com/policycortex/headroom/loadgen/record"
	"github.com/policycortex/headroom/loadgen/request"
	"github.com/policycortex/headroom/scenarios"
)

// Config is what an engine needs: who subscribes to what where, and who counts what becomes of it.
type Config struct {
	Load      scenarios.Subscribers
	Timing    *arrival.Timing
	Requests  *request.Set // of which the only one opens a stream
	Collector *record.Collector
	Target    []string // base URLs of its instances
	To        *connect.To
	Loops     int
	// Portable has streams read by goroutines where an epoll could do it.
	Portable bool
}

// Engine keeps the streams of one scenario.
type Engine struct{ loops []*loop }

// New prepares the loops.
func New(ctx context.Context, c Config) (*Engine, error) {
	var target []*url.URL
	for _, instance := range c.Target {
		u, err := url.Parse(instance)
		if err != nil {
			return nil, fmt.Errorf("stream engine: %w", err)
		}
		target = append(target, u)
	}
	e := &Engine{}
	for i := range c.Loops {
		l := newLoop(&c, i, target)
		var err error
		if c.Load.Protocol == scenarios.WebSocket {
			l.carrier = newSocketCarrier(l, c.To, target)
		} else {
			l.carrier, err = newCarrier(ctx, l, c.To, target, c.Portable)
		}
		if err != nil {
			e.Discard()
			return nil, fmt.Errorf("stream engine: %w", err)
		}
		e.loops = append(e.loops, l)
	}
	return e, nil
}

// Name says what reads the streams.
func (e *Engine) Name() string { return fmt.Sprintf("streams (%s)", e.loops[0].carrier.name()) }

// Run keeps the streams, from start on, until the load ends or ctx is cancelled, and closes them.
func (e *Engine) Run(ctx context.Context, start time.Time) {
	var all sync.WaitGroup
	for _, l := range e.loops {
		all.Go(func() { l.run(ctx, start) })
	}
	all.Wait()
}

// Discard frees what an engine holds that does not run.
func (e *Engine) Discard() {
	for _, l := range e.loops {
		l.carrier.end()
	}
}

// headersOf are the header lines that a subscriber sends beside those of the request, which go before them.
func headersOf(plan *scenarios.Request) string {
	lines := ""
	for _, h := range [...][2]string{{"Accept", "text/event-stream"}, {"Cache-Control", "no-store"}} {
		given := false
		for _, own := range plan.Headers {
			given = given || textproto.CanonicalMIMEHeaderKey(own.Name) == h[0]
		}
		if !given {
			lines += h[0] + ": " + h[1] + "\r\n"
		}
	}
	return lines
}
