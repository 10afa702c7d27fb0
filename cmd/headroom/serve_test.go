package main

import (
	"net"
	"os"
	"strings"
	"testing"
)

// TestServeLooksBeforeItStartsServers: what will not do is said before Postgres and a fixture are there.
func TestServeLooksBeforeItStartsServers(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for name, c := range map[string]struct {
		args     []string
		variable string
		mention  string
		code     int
	}{
		"a taken port": {[]string{"--addr", taken.Addr().String()}, "", "address already in use", exitError},
		"a taken admin port": {
			[]string{"--addr", "127.0.0.1:0", "--admin", taken.Addr().String()},
			"",
			"address already in use", exitError,
		},
		"a wrong option": {
			[]string{"--addr", "127.0.0.1:0"},
			"HEADROOM_EDGE_TTL=500ms", "HEADROOM_EDGE_TTL",
			exitUsage,
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := headroom(t, append([]string{"serve", "--provider", "process"}, c.args...)...)
			p.Env = append(os.Environ(), c.variable)
			p.exits(t, c.code)
			said := p.stderr.String()
			says(t, said, c.mention)
			for _, progress := range []string{"starting", "fixture", "postgres"} {
				if strings.Contains(strings.ToLower(said), progress) {
					t.Errorf("it began to start servers:\n%s", said)
				}
			}
		})
	}
}
