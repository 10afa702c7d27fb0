package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// install builds the peers that are Go modules into a directory. Each is built as its own module, so that this module
// does not depend on any of them. One that cannot be built is reported, and its row in the table says that it is
// missing.
func install(ctx context.Context, bin string, say func(string)) error {
	dir, err := filepath.Abs(bin)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, g := range generators {
		if g.module == "" || g.unlimited { // an unlimited one is the same program
			continue
		}
		say("installing " + g.module)
		command := exec.CommandContext(ctx, "go", "install", g.module)
		command.Dir = dir
		command.Env = append(os.Environ(), "GOBIN="+dir)
		if out, err := command.CombinedOutput(); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			say(fmt.Sprintf("%s was not installed: %v: %s", g.name, err, lastBytes(out, 400)))
		}
	}
	return nil
}

func lastBytes(b []byte, n int) []byte { return b[max(0, len(b)-n):] }

// find looks for a generator's program.
func (b *bench) find(g *generator) (string, error) {
	if g.program == "" {
		return b.headroom, nil
	}
	if path, err := exec.LookPath(filepath.Join(b.bin, g.program)); err == nil {
		return path, nil
	}
	return exec.LookPath(g.program)
}

// missing tells how to install a generator that was not found.
func (g *generator) missing() string {
	if g.module != "" {
		return "missing (--install, or go install " + g.module + ")"
	}
	return "missing (apt-get install " + g.dpkg + ")"
}
