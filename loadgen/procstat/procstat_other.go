//go:build !linux

package procstat

// machineReader has no /proc to read: nothing is known of it.
type machineReader struct{ withChildren bool }

func (*machineReader) read() *machineReading { return nil }

// Limits are not known.
func Limits() (files, ports int64) { return 0, 0 }

// OpenFiles is not known.
func OpenFiles() int64 { return 0 }
