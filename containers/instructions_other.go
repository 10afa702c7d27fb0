//go:build !linux

package containers

import "errors"

// Instructions are not counted on this system.
type Instructions struct{}

// CountInstructions fails.
func CountInstructions(int) (*Instructions, error) {
	return nil, errors.New("instructions are counted on Linux only")
}

// Count is never called.
func (*Instructions) Count() (int64, error) { return 0, nil }

// Close does nothing.
func (*Instructions) Close() error { return nil }
