//go:build !linux

package loadgen

import "fmt"

// newWireIO prepares what moves a loop's bytes.
func newWireIO(l *wireLoop, by backend) (wireIO, waker, error) {
	if by != byBest && by != byNet {
		return nil, nil, fmt.Errorf("%s needs Linux", by)
	}
	io, w := newNetIO(l)
	return io, w, nil
}
