package main

import (
	"fmt"
	"io"
	"time"

	"github.com/policycortex/headroom/containers"
	"github.com/policycortex/headroom/loadgen/lightserver"
)

// serveReference serves until the process ends. It says where on w.
func serveReference(w io.Writer) error {
	s, err := lightserver.Listen(0)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(w, "http://127.0.0.1:%d\n", s.Port); err != nil {
		return err
	}
	return s.Run()
}

func referenceCPU(pid int) (time.Duration, error) { return containers.CPUTime(pid) }
