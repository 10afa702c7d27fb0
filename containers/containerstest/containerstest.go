// Package containerstest gives the tests of a package one environment to share.
package containerstest

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"

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
