//go:build !linux

package stream

import (
	"context"
	"net/url"

	"github.com/policycortex/headroom/loadgen/connect"
)

// newCarrier returns what carries the bytes of a loop.
func newCarrier(_ context.Context, l *loop, to *connect.To, target []*url.URL, _ bool) (carrier, error) {
	return newNetCarrier(l, to, target), nil
}
