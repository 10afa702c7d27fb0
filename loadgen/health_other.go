//go:build !linux

package loadgen

// machineReader has no /proc to read: what it would tell is not known.
type machineReader struct{ withChildren bool }

func (*machineReader) read() *machineHealth { return nil }

func healthLimits() (files, ports int64) { return 0, 0 }
