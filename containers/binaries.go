package containers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// binaries are the programs of the process provider.
type binaries struct {
	postgresDir string // the directory of initdb and postgres
	cache       string // the path of dragonfly, valkey-server or redis-server; empty when the machine has none
}

func (b binaries) postgres() string { return filepath.Join(b.postgresDir, "postgres") }

// findBinaries returns the programs of the machine, or an *UnavailableError when it has no PostgreSQL. A cache server
// may be missing: then the cache is a library's.
func findBinaries(ctx context.Context) (binaries, error) {
	b := binaries{postgresDir: findPostgresDir(ctx), cache: findCache()}
	if b.postgresDir == "" {
		return b, &UnavailableError{
			Provider: providerProcess,
			Detail:   "no PostgreSQL (postgres and initdb) in PATH, in pg_config --bindir or in the usual places",
			Todo:     "install it: " + installCommand(),
		}
	}
	return b, nil
}

func findPostgresDir(ctx context.Context) string {
	var candidates []string
	if path, err := exec.LookPath("postgres"); err == nil {
		// A link in /usr/local/bin leads to the directory that has initdb and the libraries beside it.
		if target, err := filepath.EvalSymlinks(path); err == nil {
			path = target
		}
		candidates = append(candidates, filepath.Dir(path))
	}
	if out, err := exec.CommandContext(ctx, "pg_config", "--bindir").Output(); err == nil {
		candidates = append(candidates, strings.TrimSpace(string(out)))
	}
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin",
		"/usr/local/opt/postgresql@*/bin",
		"/Applications/Postgres.app/Contents/Versions/*/bin", "/opt/homebrew/bin", "/usr/local/pgsql/bin",
		"/usr/local/bin", "/usr/bin",
	} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			panic(err) // a pattern above is malformed
		}
		candidates = append(candidates, newestFirst(found)...)
	}
	for _, dir := range candidates {
		if isProgram(filepath.Join(dir, "postgres")) && isProgram(filepath.Join(dir, "initdb")) {
			return dir
		}
	}
	return ""
}

// newestFirst sorts paths that differ in a version number by it, so that 15 comes before 9.6.
func newestFirst(paths []string) []string {
	version := func(path string) float64 {
		digits := strings.FieldsFunc(path, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
		for _, d := range digits {
			if v, err := strconv.ParseFloat(strings.Trim(d, "."), 64); err == nil {
				return v
			}
		}
		return 0
	}
	slices.SortStableFunc(paths, func(a, b string) int {
		switch va, vb := version(a), version(b); {
		case va > vb:
			return -1
		case va < vb:
			return 1
		}
		return 0
	})
	return paths
}

// cacheNames are the programs that serve a cache, the preferred first. Dragonfly's Debian package installs dragonfly;
// its archives contain a program whose name ends in the architecture.
var cacheNames = []string{dragonfly, dragonfly + "-x86_64", dragonfly + "-aarch64", "valkey-server", "redis-server"}

const dragonfly = "dragonfly"

func isDragonfly(program string) bool { return strings.HasPrefix(filepath.Base(program), dragonfly) }

func findCache() string {
	for _, name := range cacheNames {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
		for _, dir := range []string{"/usr/local/bin", "/usr/bin", "/usr/sbin", "/opt/homebrew/bin", "/snap/bin"} {
			if path := filepath.Join(dir, name); isProgram(path) {
				return path
			}
		}
	}
	return ""
}

func isProgram(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// colours are what Dragonfly writes around its version, also into a pipe.
var colours = regexp.MustCompile("\x1b\\[[0-9;]*m")

// versionLine is the first line that a program answers to --version.
func versionLine(ctx context.Context, program string) (string, error) {
	out, err := exec.CommandContext(ctx, program, "--version").CombinedOutput()
	first, _, _ := strings.Cut(strings.TrimSpace(colours.ReplaceAllString(string(out), "")), "\n")
	if err != nil {
		return "", fmt.Errorf("%s --version: %w: %s", program, err, first)
	}
	return first, nil
}

// hasStatements says whether the extension pg_stat_statements is installed beside a PostgreSQL.
func hasStatements(ctx context.Context, postgresDir string) bool {
	dirs := []string{filepath.Join(postgresDir, "../lib"), filepath.Join(postgresDir, "../lib/postgresql")}
	if out, err := exec.CommandContext(ctx, filepath.Join(postgresDir, "pg_config"),
		"--pkglibdir").Output(); err == nil {
		dirs = []string{strings.TrimSpace(string(out))}
	}
	for _, dir := range dirs {
		for _, suffix := range []string{".so", ".dylib"} {
			if _, err := os.Stat(filepath.Join(dir, "pg_stat_statements"+suffix)); err == nil {
				return true
			}
		}
	}
	return false
}

func checkProcess(ctx context.Context, o Options) (string, error) {
	b, err := findBinaries(ctx)
	if err != nil {
		return "", err
	}
	if o.Replica && !isProgram(filepath.Join(b.postgresDir, "pg_basebackup")) {
		return "", &UnavailableError{
			Provider: providerProcess, Detail: "the PostgreSQL in " + b.postgresDir +
				" has no pg_basebackup, which makes a replica",
			Todo: "install PostgreSQL's client programs (Debian, Ubuntu: apt-get install postgresql-client), or do " +
				"without a replica",
		}
	}
	if _, err := serverUser(); err != nil {
		return "", err
	}
	postgres, errPostgres := versionLine(ctx, b.postgres())
	if b.cache == "" && errPostgres == nil {
		return fmt.Sprintf("%s at %s, no dragonfly, valkey-server or redis-server: miniredis in this process", postgres,
			b.postgres()), nil
	}
	cache, errCache := versionLine(ctx, b.cache)
	if err := errors.Join(errPostgres, errCache); err != nil {
		return "", &UnavailableError{
			Provider: providerProcess, Detail: err.Error(),
			Todo: "repair the installation of that program",
		}
	}
	return fmt.Sprintf("%s at %s, %s at %s", postgres, b.postgres(), cache, b.cache), nil
}
