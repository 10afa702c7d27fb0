// Package containerstest gives the tests of a package one environment to share.
package containerstest

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/policycortex/headroom/containers"
)

// kind is what an environment of this process is like.
type kind struct{ replica, durable bool }

type outcome struct {
	env *containers.Environment
	err error
}

var (
	mutex   sync.Mutex // held while one is started
	started = map[kind]outcome{}
)

// settings are those of a server for tests: it does not wait for the disk, which on a busy machine takes longer than
// others wait for a lock. What it has written survives its own end all the same. A test that needs all of its
// connections takes as long as there are many. Benchmarks time what users have.
func settings(t testing.TB) map[string]string {
	if _, benchmark := t.(*testing.B); benchmark {
		return nil
	}
	return map[string]string{"fsync": "off", "max_connections": "80"}
}

// share starts an environment when the first test asks for it: a fuzzing worker never does.
func share(t testing.TB, replica bool) *containers.Environment {
	t.Helper()
	mutex.Lock()
	defer mutex.Unlock()
	o := containers.Options{Replica: replica, PostgresSettings: settings(t)}
	k := kind{replica: replica, durable: o.PostgresSettings == nil}
	s, tried := started[k]
	if !tried {
		s.env, s.err = containers.Start(context.Background(), o)
		started[k] = s
	}
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s.env
}

// Shared returns the environment of this package's tests. Each test keeps to rows and keys of its own.
func Shared(t testing.TB) *containers.Environment {
	t.Helper()
	return share(t, false)
}

// SharedWithReplica is Shared with a streaming replica: an environment of its own. A test that injects faults into it
// must restart what it killed.
func SharedWithReplica(t testing.TB) *containers.Environment {
	t.Helper()
	env := share(t, true)
	if env.ReplicaURL == "" {
		t.Fatalf("there is no replica: provider %s, %q", env.Provider, env.Warnings)
	}
	return env
}

// Own returns an environment for one test alone, which may do to it what it likes.
func Own(t testing.TB) *containers.Environment {
	t.Helper()
	env, err := containers.Start(t.Context(), containers.Options{PostgresSettings: settings(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { env.Stop(context.Background()) })
	return env
}

// PauseReplay makes the replica at the URL keep back what it receives, until the returned function is called, or else
// to the end of the test.
func PauseReplay(t testing.TB, replicaURL string) (resume func()) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), replicaURL)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "SELECT pg_wal_replay_pause()"); err != nil {
		t.Fatal(err)
	}
	resume = sync.OnceFunc(func() {
		defer conn.Close(context.Background())
		if _, err := conn.Exec(context.Background(), "SELECT pg_wal_replay_resume()"); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(resume)
	// It takes effect with the next record, or when the replica looks: until then it says "pause requested".
	var state string
	for deadline := time.Now().Add(20 * time.Second); state != "paused"; time.Sleep(5 * time.Millisecond) {
		if err := conn.QueryRow(t.Context(), "SELECT pg_get_wal_replay_pause_state()").Scan(&state); err != nil {
			t.Fatal(err)
		}
		if time.Now().After(deadline) {
			t.Fatalf("the replay is not paused: %s", state)
		}
	}
	return resume
}

// Main runs the tests, stops what they shared, and exits; it is what TestMain calls.
func Main(m *testing.M) {
	code := m.Run()
	for _, s := range started {
		if s.err != nil {
			continue
		}
		if err := s.env.Stop(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}
