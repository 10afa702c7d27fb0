//go:build !linux

package main

import (
	"errors"
	"io"
	"time"
)

var errReferenceNeedsLinux = errors.New("the reference of --calibrate needs Linux")

func serveReference(io.Writer) error { return errReferenceNeedsLinux }

func referenceCPU(int) (time.Duration, error) { return 0, errReferenceNeedsLinux }
