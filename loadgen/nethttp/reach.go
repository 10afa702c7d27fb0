package nethttp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"

	"github.com/policycortex/headroom/loadgen/connect"
	"github.com/policycortex/headroom/scenarios"
)

// ReachProxy is the operation of an error of [Reach] that is about the proxy.
const ReachProxy = "proxyconnect"

// Reach connects to the target in the way in which the load will, through its proxy and with TLS, and sends no request.
// Errors are those of net/http; one of reaching the proxy is a [net.OpError] whose Op is [ReachProxy], and that of a
// server without HTTP/2 where it is required wraps [connect.ErrNoHTTP2].
func Reach(ctx context.Context, to *connect.To, target string) error {
	u, err := url.Parse(target)
	if err != nil {
		return err
	}
	if to.Proxy == "" && u.Scheme == "http" {
		c, err := to.Dial(ctx, connect.Place{URL: target}, "tcp", connect.HostAndPort(u))
		if err != nil {
			return err
		}
		defer c.Close()
		if to.HTTP.Version == scenarios.HTTP2 {
			return beginHTTP2(ctx, c)
		}
		return nil
	}
	t := transportTo(to, connect.Place{URL: target})
	t.ForceAttemptHTTP2 = to.HTTP.Version != scenarios.HTTP1 // a dialer of one's own turns it off
	var secured atomic.Bool
	trace := &httptrace.ClientTrace{TLSHandshakeStart: func() { secured.Store(true) }}
	c, err := t.NewClientConn(httptrace.WithClientTrace(ctx, trace), u.Scheme, connect.HostAndPort(u))
	var late net.Error
	switch {
	case err == nil:
		return c.Close()
	case secured.Load() && errors.As(err, &late) && late.Timeout():
		return fmt.Errorf("the TLS handshake has not ended: %w", err)
	}
	return err
}

// beginHTTP2 begins HTTP/2 with prior knowledge: a server that speaks it answers with its settings (RFC 9113, section
// 3.4).
func beginHTTP2(ctx context.Context, c net.Conn) error {
	if deadline, ok := ctx.Deadline(); ok {
		_ = c.SetDeadline(deadline)
	}
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	_, err := c.Write([]byte(http2.ClientPreface))
	if err != nil {
		return err
	}
	framer := http2.NewFramer(c, c)
	framer.SetMaxReadFrameSize(16 << 10) // the default, which what another protocol says first exceeds as a length
	err = framer.WriteSettings()
	if err != nil {
		return err
	}
	first, err := framer.ReadFrame()
	var late net.Error
	switch {
	case err != nil && ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &late) && late.Timeout():
		return err
	case err != nil:
		return fmt.Errorf("%w: %w", connect.ErrNoHTTP2, err)
	}
	if _, ok := first.(*http2.SettingsFrame); !ok {
		return fmt.Errorf("%w: it begins with %v", connect.ErrNoHTTP2, first)
	}
	return nil
}
