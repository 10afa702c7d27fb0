package containers

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// startEmbeddedHelper starts a helper with the machine's binaries in place of fetched ones. As root, the tests cover a
// run as root; TestFreshMachine covers an ordinary user too.
func startEmbeddedHelper(t *testing.T, dir string, env ...string) *helper {
	t.Helper()
	needPostgres(t)
	return startHelper(t, "embedded", dir, "",
		append(env, embeddedVariable+"="+filepath.Dir(findPostgresDir(t.Context())))...)
}

func TestEmbeddedServesAndLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := publicDir(t)
	h := startEmbeddedHelper(t, dir, replicaVariable+"=1") // the machine's installation has pg_basebackup
	r := h.report(t)
	if r.Error != "" {
		t.Fatal(r.Error)
	}
	env := r.Environment
	requireServes(t, env)
	if env.Cache.Name != "miniredis" || len(env.Warnings) != 1 ||
		!strings.Contains(env.Warnings[0], "CPU time counts as the generator's") {
		t.Errorf("the cache is %+v, the warnings are %q", env.Cache, env.Warnings)
	}
	var encoding, preload string
	query(t, env.PostgresURL, "SELECT current_setting('server_encoding'), current_setting('shared_preload_libraries')",
		&encoding, &preload)
	if encoding != "UTF8" || preload != "pg_stat_statements" {
		t.Errorf("encoding %q, preloaded %q", encoding, preload)
	}
	requireReplicates(t, env, "embedded")
	h.finish(t)
	requireNothingLeft(t, dir, env.PostgresURL, env.ReplicaURL, env.CacheURL)
}

// TestEmbeddedWithoutBaseBackup has an installation without pg_basebackup, as the fetched ones are.
func TestEmbeddedWithoutBaseBackup(t *testing.T) {
	needPostgres(t)
	dir := publicTemp(t)
	machine, bare := filepath.Dir(findPostgresDir(t.Context())), filepath.Join(filepath.Dir(dir), "bare")
	if err := os.MkdirAll(filepath.Join(bare, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, program := range []string{"postgres", "initdb"} { // each finds its installation by itself
		script := "#!/bin/sh\nexec " + filepath.Join(machine, "bin", program) + ` "$@"` + "\n"
		if err := os.WriteFile(filepath.Join(bare, "bin", program), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv(embeddedVariable, bare)
	env := mustStart(t, Options{Provider: "embedded", Replica: true})
	requireServes(t, env)
	if env.ReplicaURL != "" || len(env.Warnings) != 2 || !strings.Contains(env.Warnings[0], "no pg_basebackup") {
		t.Errorf("the environment is %+v", env)
	}
	mustStop(t, env)
	requireNothingLeft(t, dir, env.PostgresURL, env.CacheURL)
}

func TestEmbeddedLeavesNothingWhenKilled(t *testing.T) {
	t.Parallel()
	dir := publicDir(t)
	h := startEmbeddedHelper(t, dir)
	env := h.report(t).Environment
	if !listens(t, env.PostgresURL) {
		t.Fatal("the helper's server does not listen")
	}
	h.kill(t)
	requireNothingLeft(t, dir, env.PostgresURL, env.CacheURL)
}

func TestEmbeddedLeavesNothingWhenKilledDuringInitdb(t *testing.T) {
	t.Parallel()
	dir := publicDir(t)
	h := startEmbeddedHelper(t, dir)
	eventually(t, func() string {
		if found, _ := filepath.Glob(filepath.Join(dir, "*", "postgres", "data", "PG_VERSION")); len(found) == 0 {
			return "initdb does not begin"
		}
		return ""
	})
	h.kill(t)
	requireNothingLeft(t, dir)
}

func TestEmbeddedLeavesNothingWhenCancelled(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"starting postgres", "starting cache"} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			dir := publicDir(t)
			h := startEmbeddedHelper(t, dir, cancelVariable+"="+at)
			r := h.report(t)
			if at == "starting postgres" && !strings.Contains(r.Error, "context canceled") {
				t.Errorf("the helper reports %+v, want a cancelled start", r)
			}
			h.finish(t)
			requireNothingLeft(t, dir)
		})
	}
}

func TestEmbeddedSaysWhatToDo(t *testing.T) {
	t.Setenv(embeddedVariable, t.TempDir())
	_, err := checkEmbedded(t.Context(), Options{})
	unavailable, ok := errors.AsType[*UnavailableError](err)
	if !ok || !strings.Contains(unavailable.Detail, "no bin/initdb") {
		t.Errorf("with a directory that has no installation: %v", err)
	}
	if os.Geteuid() != 0 {
		return
	}
	closed := t.TempDir()
	if err := os.MkdirAll(filepath.Join(closed, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, program := range []string{"postgres", "initdb"} {
		if err := os.WriteFile(filepath.Join(closed, "bin", program), nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv(embeddedVariable, closed)
	_, err = checkEmbedded(t.Context(), Options{})
	unavailable, ok = errors.AsType[*UnavailableError](err)
	if !ok || !strings.Contains(unavailable.Detail, "cannot enter") {
		t.Errorf("with a directory that the servers' user cannot enter: %v", err)
	}
}

func TestMiniredisExpiresKeys(t *testing.T) {
	w := &workshop{}
	url, _, err := w.dialMiniredis(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer w.miniredis.Close()
	client, err := dialCache(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	if err := client.Set(t.Context(), "key", "value", 1e7).Err(); err != nil { // 10 ms
		t.Fatal(err)
	}
	eventually(t, func() string {
		if client.Exists(t.Context(), "key").Val() == 1 {
			return "the key does not expire"
		}
		return ""
	})
}
