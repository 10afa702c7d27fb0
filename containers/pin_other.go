//go:build !linux

package containers

// Pin does nothing on this system.
func Pin(int, []int) error { return nil }

// Halves are not known on this system.
func Halves() (one, other []int, ok bool) { return nil, nil, false }
