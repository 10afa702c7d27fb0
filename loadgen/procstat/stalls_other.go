//go:build !linux

package procstat

// ReadStalls knows nothing of this system.
func ReadStalls() Stalls { return Stalls{} }
