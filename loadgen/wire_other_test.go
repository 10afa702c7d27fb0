//go:build !linux

package loadgen

func rings() bool { return false }
