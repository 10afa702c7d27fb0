package containers

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// execute runs a statement on a connection of its own.
func execute(t *testing.T, url, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// requireReplicates writes a value on the primary and waits for it on the replica.
func requireReplicates(t *testing.T, env *Environment, value string) {
	t.Helper()
	execute(t, env.PostgresURL, "CREATE TABLE IF NOT EXISTS replicated (value text)")
	execute(t, env.PostgresURL, "INSERT INTO replicated VALUES ('"+value+"')")
	eventually(t, func() string {
		conn, err := pgx.Connect(t.Context(), env.ReplicaURL)
		if err != nil {
			return err.Error()
		}
		defer func() { _ = conn.Close(context.Background()) }()
		var found bool
		err = conn.QueryRow(t.Context(), "SELECT EXISTS (SELECT FROM replicated WHERE value = $1)", value).Scan(&found)
		if err != nil || !found {
			return "the replica has not got the value " + value
		}
		return ""
	})
}

// shortly is how long a server is asked that is not to answer.
const shortly = time.Second / 2

// answers says whether a server answers within a time.
func answers(t *testing.T, identify func(context.Context, string) (Server, error), url string,
	within time.Duration,
) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	_, err := identify(ctx, url)
	return err == nil
}

func mustFault(t *testing.T, env *Environment, target Target, action Action) {
	t.Helper()
	if err := env.CheckFault(target, action); err != nil {
		t.Fatal(err)
	}
	if err := env.Fault(bounded(t), target, action); err != nil {
		t.Fatal(err)
	}
}

// requireFaults injects every fault into every server.
func requireFaults(t *testing.T, env *Environment) {
	t.Helper()
	requireReplicates(t, env, "before")
	for target, server := range map[Target]struct {
		url      string
		identify func(context.Context, string) (Server, error)
	}{
		TargetCache: {env.CacheURL, identifyCache}, TargetReplica: {env.ReplicaURL, identifyReplica},
		TargetPrimary: {env.PostgresURL, identifyPostgres},
	} {
		mustFault(t, env, target, ActionPause)
		if answers(t, server.identify, server.url, shortly) {
			t.Errorf("the paused %s answers", target)
		}
		if !listens(t, server.url) {
			t.Errorf("the paused %s refuses connections", target)
		}
		mustFault(t, env, target, ActionResume)
		if !answers(t, server.identify, server.url, patience) {
			t.Errorf("the resumed %s does not answer", target)
		}
		if err := env.Fault(t.Context(), target, ActionResume); !errors.Is(err, errNotPaused) {
			t.Errorf("resuming a %s that is not paused: %v", target, err)
		}
		mustFault(t, env, target, ActionPause)
		mustFault(t, env, target, ActionKill) // a paused one dies too
		if listens(t, server.url) {
			t.Errorf("somebody listens where the killed %s was", target)
		}
		if err := env.Fault(t.Context(), target, ActionKill); err == nil {
			t.Errorf("a dead %s was killed", target)
		}
		mustFault(t, env, target, ActionRestart)
		if !answers(t, server.identify, server.url, patience) {
			t.Errorf("the restarted %s does not answer at its address", target)
		}
		mustFault(t, env, target, ActionRestart) // one that runs
	}
	requireServes(t, env)
	requireReplicates(t, env, "after")
}

// requireEmptyAfterRestart holds that a cache forgets, and forgets only then.
func requireEmptyAfterRestart(t *testing.T, env *Environment) {
	t.Helper()
	client, err := dialCache(t.Context(), env.CacheURL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	if err := client.Set(t.Context(), "key", "value", 0).Err(); err != nil {
		t.Fatal(err)
	}
	mustFault(t, env, TargetCache, ActionKill)
	mustFault(t, env, TargetCache, ActionRestart)
	eventually(t, func() string {
		if n, err := client.DBSize(t.Context()).Result(); err != nil || n != 0 {
			return "the cache did not come back empty"
		}
		return ""
	})
}

func TestProcessReplicaAndFaults(t *testing.T) {
	needPostgres(t)
	needCache(t)
	dir := publicTemp(t)
	env := mustStart(t, Options{
		Provider: "process", Replica: true,
		PostgresSettings: map[string]string{"max_connections": "60"},
	})
	requireServes(t, env)
	for setting, want := range map[string]string{
		"max_connections": "60", "hot_standby": "on", "fsync": "on", "listen_addresses": "127.0.0.1",
		"shared_preload_libraries": "pg_stat_statements",
	} {
		var got string
		query(t, env.ReplicaURL, "SHOW "+setting, &got)
		if got != want {
			t.Errorf("%s of the replica is %q, want %q", setting, got, want)
		}
	}
	requirePassword(t, env.ReplicaURL)
	requireFaults(t, env)
	requireEmptyAfterRestart(t, env)
	for _, target := range []Target{TargetCache, TargetReplica, TargetPrimary} {
		mustFault(t, env, target, ActionPause)
	}
	mustStop(t, env) // although they are paused
	requireNothingLeft(t, dir, env.PostgresURL, env.ReplicaURL, env.CacheURL)
	if err := env.Fault(t.Context(), TargetCache, ActionRestart); err == nil {
		t.Error("a server was started in an environment that was stopped")
	}
}

func TestProcessLeavesNothingWhenKilledWithPausedServers(t *testing.T) {
	t.Parallel()
	needPostgres(t)
	needCache(t)
	dir := publicDir(t)
	h := startHelper(t, "process", dir, "", replicaVariable+"=1", pauseVariable+"=1")
	r := h.report(t)
	if r.Error != "" {
		t.Fatal(r.Error)
	}
	env := r.Environment
	if answers(t, identifyReplica, env.ReplicaURL, shortly) {
		t.Fatal("the helper's replica is not paused")
	}
	h.kill(t)
	requireNothingLeft(t, dir, env.PostgresURL, env.ReplicaURL, env.CacheURL)
}

func TestProcessLeavesNothingWhenCancelledAtTheReplica(t *testing.T) {
	needPostgres(t)
	needCache(t)
	dir := publicTemp(t)
	_, err := Start(cancelAt(bounded(t), "starting replica", Options{Provider: "process", Replica: true}))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	requireNothingLeft(t, dir)
}

func TestFaultsThatCannotBeInjected(t *testing.T) {
	external := &Environment{Provider: providerExternal, ReplicaURL: "postgres://127.0.0.1:1/x"}
	alone := &Environment{Provider: providerProcess}
	alone.breakable(TargetCache, miniredisServer{})
	embedded := &Environment{Provider: providerEmbedded}
	for _, c := range []struct {
		env    *Environment
		target Target
		action Action
		want   string
	}{
		{external, TargetReplica, ActionKill, "so it cannot inject faults"},
		{alone, TargetReplica, ActionKill, "no replica"},
		{alone, "l2", ActionKill, "no such target"},
		{alone, TargetCache, "burn", "no such action"},
		{embedded, TargetPrimary, ActionKill, "use provider process or docker"},
	} {
		for _, err := range []error{
			c.env.CheckFault(c.target, c.action),
			c.env.Fault(t.Context(), c.target, c.action),
		} {
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s of %s: %v, want an error with %q", c.action, c.target, err, c.want)
			}
		}
	}
}

func TestMiniredisFaults(t *testing.T) {
	w := &workshop{}
	env := &Environment{Provider: providerEmbedded}
	if err := w.startMiniredis(t.Context(), env, Options{Progress: func(string) {}}); err != nil {
		t.Fatal(err)
	}
	defer w.miniredis.Close()
	requireEmptyAfterRestart(t, env)
	if err := env.Fault(t.Context(), TargetCache, ActionPause); err == nil {
		t.Error("a cache in this process was paused")
	}
}

func TestExternalReplica(t *testing.T) {
	t.Parallel()
	needPostgres(t)
	needCache(t)
	theirs := mustStart(t, Options{Provider: "process", Replica: true})
	o := Options{
		Provider: "external", PostgresURL: theirs.PostgresURL, ReplicaURL: theirs.ReplicaURL,
		CacheURL: theirs.CacheURL, Replica: true,
	}
	env := mustStart(t, o)
	if env.Replica.Answer != theirs.Replica.Answer || !env.Replica.Standby || env.ReplicaURL != theirs.ReplicaURL ||
		!slices.Equal(env.Warnings, theirs.Warnings) {
		t.Errorf("the environment is %+v", env)
	}
	o.ReplicaURL = ""
	if env := mustStart(t, o); env.ReplicaURL != "" ||
		!strings.Contains(strings.Join(env.Warnings, "\n"), "no replica") {
		t.Errorf("without a replica's address: %+v", env)
	}
	for want, addresses := range map[string][2]string{
		"pg_is_in_recovery() is false": {theirs.PostgresURL, theirs.PostgresURL},
		"pg_is_in_recovery() is true":  {theirs.ReplicaURL, theirs.ReplicaURL},
	} {
		o.PostgresURL, o.ReplicaURL = addresses[0], addresses[1]
		if _, err := Start(bounded(t), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
}
