package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/policycortex/headroom/loadgen/lightserver"
)

// serve is a server process: "light" answers at once, "freezing" after freezeService, and stops again and again; those
// with "-http2" speak HTTP/2, those with "-tls" HTTP/1.1 over TLS. It ends by a signal.
func serve(kind string) error {
	var delay time.Duration
	var freeze lightserver.Freeze
	kind, secure := strings.CutSuffix(kind, "-tls")
	switch kind {
	case "light", "light-http2":
	case "freezing", "freezing-http2":
		delay, freeze = freezeService, lightserver.Freeze{Every: freezeEvery, For: freezeFor}
	default:
		return fmt.Errorf("no server %q", kind)
	}
	s, err := lightserver.Listen(delay)
	if err != nil {
		return err
	}
	s.Freeze, s.HTTP2 = freeze, strings.HasSuffix(kind, "-http2")
	scheme := "http"
	if secure {
		scheme = "https"
		if err := s.Secure(); err != nil {
			return err
		}
	}
	fmt.Printf("%s://127.0.0.1:%d\n", scheme, s.Port)
	if kind == "light" {
		err := s.RunRing()
		fmt.Fprintf(os.Stderr, "%v: it serves by epoll, and may be the limit\n", err)
	}
	return s.Run()
}
