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

var stop = func(context.Context) error { return nil }

// start starts the environment when the first test asks for it: a fuzzing worker never does.
var start = sync.OnceValues(func() (*containers.Environment, error) {
	env, err := containers.Start(context.Background(), containers.Options{})
	if err == nil {
		stop = env.Stop
	}
	return env, err
})

// Shared returns the environment of this package's tests. Each test keeps to rows and keys of its own.
func Shared(t testing.TB) *containers.Environment {
	t.Helper()
	env, err := start()
	if err != nil {
		t.Fatal(err)
	}
	return env
}

// Main runs the tests, stops what they shared, and exits; it is what TestMain calls.
func Main(m *testing.M) {
	code := m.Run()
	if err := stop(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}
