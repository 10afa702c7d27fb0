//go:build !linux

package wire

import "fmt"

// newSocketIO prepares what moves a loop's bytes.
func newSocketIO(l *loop, by Backend) (socketIO, waker, error) {
	if by != Best && by != NetConn {
		return nil, nil, fmt.Errorf("%s needs Linux", by)
	}
	io, w := newNetIO(l)
	return io, w, nil
}

// Backends are those that this machine has.
func Backends() []Backend { return []Backend{NetConn} }
