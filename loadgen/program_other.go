//go:build !linux

package loadgen

func forgetProgram() {}
