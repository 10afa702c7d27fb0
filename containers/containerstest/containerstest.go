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

// started are the environments of this process.
var started []*containers.Environment

// shared and withReplica start an environment when the first test asks for it: a fuzzing worker never does.
var (
	shared      = sync.OnceValues(func() (*containers.Environment, error) { return start(containers.Options{}) })
	withReplica = sync.OnceValues(func() (*containers.Environment, error) { return start(containers.Options{Replica: true}) })
	startMutex  sync.Mutex
)

func start(o containers.Options) (*containers.Environment, error) {
	startMutex.Lock()
	defer startMutex.Unlock()
	env, err := containers.Start(context.Background(), o)
	if err == nil {
		started = append(started, env)
	}
	return env, err
}

// Shared returns the environment of this package's tests. Each test keeps to rows and keys of its own.
func Shared(t testing.TB) *containers.Environment {
	t.Helper()
	env, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	return env
}

// SharedWithReplica is Shared with a streaming replica: an environment of its own. A test that injects faults into it
// must restart what it killed.
func SharedWithReplica(t testing.TB) *containers.Environment {
	t.Helper()
	env, err := withReplica()
	if err != nil {
		t.Fatal(err)
	}
	if env.ReplicaURL == "" {
		t.Fatalf("there is no replica: provider %s, %q", env.Provider, env.Warnings)
	}
	return env
}

// PauseReplay makes the replica at the URL keep back what it receives, until the returned function is called, or else to
// the end of the test.
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
	for _, env := range started {
		if err := env.Stop(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}
