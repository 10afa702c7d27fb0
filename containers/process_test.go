package containers

import (
	"context"
	"errors"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

func TestProcessServesAndLeavesNothing(t *testing.T) {
	needPostgres(t)
	needCache(t)
	dir := publicTemp(t)
	env := mustStart(t, Options{
		Provider:         "process",
		PostgresSettings: map[string]string{"max_connections": "60", "search_path": `"it's", public`},
	})
	requireServes(t, env)
	for setting, want := range map[string]string{
		"max_connections": "60", "search_path": `"it's", public`, "shared_buffers": "256MB", "jit": "off",
		"fsync":              "on",
		"synchronous_commit": "on", "listen_addresses": "127.0.0.1", "shared_preload_libraries": "pg_stat_statements",
	} {
		var got string
		query(t, env.PostgresURL, "SHOW "+setting, &got)
		if got != want {
			t.Errorf("%s is %q, want %q", setting, got, want)
		}
	}
	requirePassword(t, env.PostgresURL)
	var data string
	query(t, env.PostgresURL, "SHOW data_directory", &data)
	if info, err := os.Stat(data); err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("others can look into the data directory: %v, %v", info, err)
	}
	requireOneAddress(t, env.CacheURL)
	mustStop(t, env)
	requireNothingLeft(t, dir, env.PostgresURL, env.CacheURL)
}

// requireOneAddress dials another address of the loopback interface: a server that listens at every address of the
// machine would answer there. Not every server tells where it listens.
func requireOneAddress(t *testing.T, address string) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.DialTimeout("tcp", net.JoinHostPort("127.0.0.2", u.Port()), patience)
	if err == nil {
		_ = conn.Close()
		t.Errorf("the server of %s listens at 127.0.0.2 as well", u.Host)
	}
}

// TestProcessWithoutACacheServer is a machine that has PostgreSQL only.
func TestProcessWithoutACacheServer(t *testing.T) {
	needPostgres(t)
	dir := publicTemp(t)
	b, err := findBinaries(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b.cache = ""
	w, err := openWorkshop(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	env := &Environment{stop: w.close}
	env, err = env.orStopped(t.Context(), w.fill(t.Context(), env, b, Options{Progress: func(string) {}}))
	if err != nil {
		t.Fatal(err)
	}
	requireServes(t, env)
	if env.Cache.Name != "miniredis" || len(env.Warnings) != 1 ||
		!strings.Contains(env.Warnings[0], "CPU time counts as the generator's") {
		t.Errorf("the cache is %+v, the warnings are %q", env.Cache, env.Warnings)
	}
	mustStop(t, env)
	requireNothingLeft(t, dir, env.PostgresURL, env.CacheURL)
}

// requirePassword makes sure that not every user of the machine can connect.
func requirePassword(t *testing.T, url string) {
	t.Helper()
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	config.Password = "guessed"
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err == nil {
		_ = conn.Close(t.Context())
		t.Fatal("any user of the machine could connect")
	}
	if !strings.Contains(err.Error(), "28P01") {
		t.Errorf("got %v, want the refusal of a password (28P01)", err)
	}
}

func TestProcessLeavesNothingWhenKilled(t *testing.T) {
	t.Parallel()
	needPostgres(t)
	needCache(t)
	dir := publicDir(t)
	h := startHelper(t, "process", dir, "")
	env := h.report(t).Environment
	if !listens(t, env.PostgresURL) || !listens(t, env.CacheURL) {
		t.Fatal("the helper's servers do not listen")
	}
	h.kill(t)
	requireNothingLeft(t, dir, env.PostgresURL, env.CacheURL)
}

func TestProcessLeavesNothingWhenKilledDuringInitdb(t *testing.T) {
	t.Parallel()
	needPostgres(t)
	needCache(t)
	dir := publicDir(t)
	h := startHelper(t, "process", dir, "")
	eventually(t, func() string {
		if found, _ := filepath.Glob(filepath.Join(dir, "*", "postgres", "data", "PG_VERSION")); len(found) == 0 {
			return "initdb does not begin"
		}
		return ""
	})
	h.kill(t)
	requireNothingLeft(t, dir)
}

func TestProcessLeavesNothingWhenCancelled(t *testing.T) {
	needPostgres(t)
	needCache(t)
	for _, at := range []string{"starting postgres", "starting cache"} {
		t.Run(at, func(t *testing.T) {
			dir := publicTemp(t)
			ctx, cancel := context.WithCancel(bounded(t))
			defer cancel()
			env, err := Start(ctx, Options{Provider: "process", Progress: func(message string) {
				if strings.HasPrefix(message, at) {
					cancel()
				}
			}})
			if !errors.Is(err, context.Canceled) || env != nil {
				t.Errorf("got %v, %v, want context.Canceled", env, err)
			}
			requireNothingLeft(t, dir)
		})
	}
	t.Run("while initdb runs", func(t *testing.T) {
		dir := publicTemp(t)
		_, err := Start(cancelAt(bounded(t), "starting postgres", Options{Provider: "process"}))
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want context.Canceled", err)
		}
		requireNothingLeft(t, dir)
	})
}

func TestServersFindAPortTaken(t *testing.T) {
	var ports []int
	err := onFreePort(func(port int) error {
		ports = append(ports, port)
		if len(ports) < 3 {
			return serverFailure("a server", "bind: Address already in use")
		}
		return nil
	})
	if err != nil || len(ports) != 3 {
		t.Errorf("%v after %v", err, ports)
	}
	other := errors.New("other")
	if err := onFreePort(func(int) error { return other }); !errors.Is(err, other) {
		t.Errorf("got %v, want the server's own error at once", err)
	}
}

// A cache that finds its port taken says so in a way that serverFailure knows.
func TestCacheOnATakenPort(t *testing.T) {
	needCache(t)
	publicTemp(t)
	w, err := openWorkshop(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.close(context.Background()) }()
	env := &Environment{}
	if err := w.startCache(t.Context(), env, findCache()); err != nil {
		t.Fatal(err)
	}
	port := strings.TrimSuffix(env.CacheURL[strings.LastIndex(env.CacheURL, ":")+1:], "/0")
	_, err = w.serveCache(t.Context(), env, findCache(), w.dir, []string{"--port", port, "--bind", "127.0.0.1"})
	if !errors.Is(err, errPortTaken) {
		t.Errorf("got %v, want errPortTaken: the answer is another server's", err)
	}
}

func TestTempBaseIsEnterable(t *testing.T) {
	closed := t.TempDir()
	if err := os.Chmod(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", closed)
	if base, err := tempBase(true); err != nil || base != "/tmp" {
		t.Errorf("for another user: %s, %v, want /tmp", base, err)
	}
	if base, err := tempBase(false); err != nil || base != closed {
		t.Errorf("for the same user: %s, %v, want %s", base, err, closed)
	}
}

// TestProcessReplicaNeedsBaseBackup is a machine that has PostgreSQL's server without its clients.
func TestProcessReplicaNeedsBaseBackup(t *testing.T) {
	needPostgres(t)
	dir := publicTemp(t)
	for _, program := range []string{"postgres", "initdb"} {
		if err := os.WriteFile(filepath.Join(dir, program), []byte("#!/bin/sh\necho 15\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	_, err := checkProcess(t.Context(), Options{Replica: true})
	unavailable, ok := errors.AsType[*UnavailableError](err)
	if !ok || !strings.Contains(unavailable.Detail, dir) || !strings.Contains(unavailable.Detail, "no pg_basebackup") {
		t.Errorf("got %v, want an UnavailableError that names the missing program", err)
	}
	if _, err := checkProcess(t.Context(), Options{}); err != nil {
		t.Errorf("without a replica: %v", err)
	}
}
