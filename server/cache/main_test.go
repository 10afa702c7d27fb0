package cache_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/policycortex/headroom/containers"
	"github.com/policycortex/headroom/server/cache"
)

// servers starts an L2 when the first test asks for it. The tests share it, each with tenants of its own.
var servers = sync.OnceValues(func() (*containers.Environment, error) {
	env, err := containers.Start(context.Background(), containers.Options{})
	if err == nil {
		stop = env.Stop
	}
	return env, err
})

var stop = func(context.Context) error { return nil }

func TestMain(m *testing.M) {
	code := m.Run()
	if err := stop(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func l2URL(t testing.TB) string {
	t.Helper()
	env, err := servers()
	if err != nil {
		t.Fatal(err)
	}
	return env.CacheURL
}

func openCache(t testing.TB, l2URL string) *cache.Cache {
	t.Helper()
	c, err := cache.Open(cache.Options{L2URL: l2URL, L1Bytes: 16 << 20, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func newID() [16]byte { return uuid.New() }

// returning makes a load function that returns value.
func returning(value string) cache.LoadFunc {
	return func(context.Context, cache.Key) ([]byte, error) { return []byte(value), nil }
}

// expect gets key and checks what comes and from where.
func expect(t *testing.T, c *cache.Cache, key cache.Key, load cache.LoadFunc, value string, level cache.Level) {
	t.Helper()
	got, from, err := c.Get(t.Context(), key, load)
	if err != nil || string(got) != value || from != level {
		t.Errorf("got %q from %s, error %v; want %q from %s", got, from, err, value, level)
	}
}
