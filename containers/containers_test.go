package containers

import (
	"errors"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestStartNamesTheProviders(t *testing.T) {
	_, err := Start(t.Context(), Options{Provider: "dokcer"})
	unknown, ok := errors.AsType[*UnknownProviderError](err)
	if !ok || unknown.Name != "dokcer" {
		t.Fatalf("%v, want an UnknownProviderError", err)
	}
	for _, p := range append(providers(), provider{name: providerAuto}) {
		if !strings.Contains(err.Error(), p.name) {
			t.Errorf("%v: it does not name provider %s", err, p.name)
		}
	}
}

func TestStartRefusesOptions(t *testing.T) {
	for _, c := range []struct {
		name string
		o    Options
		want string
	}{
		{
			"address without external",
			Options{Provider: "process", CacheURL: "redis://127.0.0.1:1/0"},
			"provider external",
		},
		{"one address for auto", Options{PostgresURL: "postgres://127.0.0.1:1/x"}, "both addresses"},
		{"external without addresses", Options{Provider: "external"}, "addresses of both servers"},
		{"settings for external", Options{
			Provider: "external", PostgresURL: "postgres://127.0.0.1:1/x", CacheURL: "redis://127.0.0.1:1/0",
			PostgresSettings: map[string]string{"work_mem": "8MB"},
		}, "set them on the server"},
		{
			"listening elsewhere",
			Options{PostgresSettings: map[string]string{"listen_addresses": "*"}},
			"listen_addresses is decided",
		},
		{"no name", Options{PostgresSettings: map[string]string{"a=b -c c": "d"}}, "not a name"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Start(t.Context(), c.o)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

func TestAutoPassesOverADeadEngine(t *testing.T) {
	needPostgres(t)
	needCache(t)
	for name, prepare := range map[string]func(t *testing.T, socket string){
		"no socket": func(*testing.T, string) {},
		"a socket that never answers": func(t *testing.T, socket string) {
			l, err := net.Listen("unix", socket)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = l.Close() })
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := publicTemp(t)
			socket := filepath.Join(filepath.Dir(dir), "dead.sock")
			prepare(t, socket)
			t.Setenv("DOCKER_HOST", "unix://"+socket)
			env := mustStart(t, Options{})
			if env.Provider != "process" {
				t.Errorf("provider %s served, want process", env.Provider)
			}
			for _, want := range []string{"auto chose process", "passed over docker", "dead.sock"} {
				if !strings.Contains(env.Reason, want) {
					t.Errorf("reason %q does not contain %q", env.Reason, want)
				}
			}
			requireServes(t, env)
			mustStop(t, env)
			requireNothingLeft(t, dir, env.PostgresURL, env.CacheURL)
		})
	}
}

func TestAutoSaysWhyNobodyServes(t *testing.T) {
	dir := publicTemp(t)
	t.Setenv("DOCKER_HOST", "unix://"+filepath.Join(dir, "dead.sock"))
	t.Setenv(embeddedVariable, dir) // where there is none
	var passed []string
	_, err := Start(bounded(t), Options{
		PostgresSettings: map[string]string{"nonsense_setting": "1"},
		Progress:         func(m string) { passed = append(passed, m) },
	})
	if err == nil {
		t.Fatal("it started with a setting that does not exist")
	}
	for _, want := range []string{
		"docker: ", "dead.sock", "process: ", `unrecognized configuration parameter "nonsense_setting"`, "embedded: ",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not contain %q", err, want)
		}
	}
	if !slices.ContainsFunc(passed, func(m string) bool { return strings.HasPrefix(m, "passed over process") }) {
		t.Errorf("progress was %q, without a word on the provider passed over", passed)
	}
	requireNothingLeft(t, dir)
}

func TestProbe(t *testing.T) {
	dir := publicTemp(t)
	t.Setenv("DOCKER_HOST", "unix://"+filepath.Join(dir, "dead.sock"))
	t.Setenv(embeddedVariable, filepath.Dir(findPostgresDir(t.Context())))
	want := map[string]bool{"docker": false, "process": true, "embedded": true, "external": false}
	var order []string
	for _, s := range Probe(t.Context(), Options{}) {
		order = append(order, s.Provider)
		if s.OK != want[s.Provider] || s.Detail == "" || (s.Todo == "") != s.OK {
			t.Errorf("status %+v, want OK %v, a detail, and what to do unless it is OK", s, want[s.Provider])
		}
	}
	if !slices.Equal(order, []string{"docker", "process", "embedded", "external"}) {
		t.Errorf("order %v", order)
	}
	requireNothingLeft(t, dir)
}

func TestProbeReportsWrongOptions(t *testing.T) {
	for _, s := range Probe(t.Context(), Options{PostgresSettings: map[string]string{"port": "1"}}) {
		if s.OK || !strings.Contains(s.Detail, "port is decided") {
			t.Errorf("status %+v", s)
		}
	}
}

func TestExternalLeavesServersAlone(t *testing.T) {
	t.Parallel()
	needPostgres(t)
	needCache(t)
	theirs := mustStart(t, Options{Provider: "process"})
	// With both addresses, auto means external.
	env := mustStart(t, Options{PostgresURL: theirs.PostgresURL, CacheURL: theirs.CacheURL})
	if env.Provider != "external" || env.Postgres.Answer != theirs.Postgres.Answer ||
		env.Cache.Answer != theirs.Cache.Answer {
		t.Errorf("the environment is %+v", env)
	}
	mustStop(t, env)
	requireServes(t, theirs)

	mustStop(t, theirs)
	for _, o := range []Options{
		{Provider: "external", PostgresURL: theirs.PostgresURL, CacheURL: theirs.CacheURL},
		{Provider: "external", PostgresURL: theirs.PostgresURL, CacheURL: "redis://:secret@ho st:x"},
	} {
		_, err := Start(bounded(t), o)
		if _, ok := errors.AsType[*UnavailableError](err); !ok {
			t.Errorf("servers that do not run: %v, want an UnavailableError", err)
		}
	}
}

func TestErrorsKeepThePassword(t *testing.T) {
	_, err := dialCache(t.Context(), "redis://:secret@ho st:x")
	if err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v, want an error without the password", err)
	}
}
