//go:build !linux

package middleware

import "time"

// newSleeper returns Go's own sleep.
func newSleeper() func(time.Duration) { return time.Sleep }
