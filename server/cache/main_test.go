package cache_test

import (
	"context"
	"log/slog"
	"testing"

	"github.com/google/uuid"

	"github.com/policycortex/headroom/containers/containerstest"
	"github.com/policycortex/headroom/server/cache"
	"github.com/policycortex/headroom/server/store"
)

func TestMain(m *testing.M) { containerstest.Main(m) }

// l2URL is that of the L2 that the tests share, each with tenants of its own.
func l2URL(t testing.TB) string {
	t.Helper()
	return containerstest.Shared(t).CacheURL
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

func itemKey(tenant, id [16]byte) cache.Key {
	return cache.Key{Kind: cache.Resource, Tenant: tenant, ID: id}
}

func listKey(tenant [16]byte, query string) cache.Key {
	return cache.Key{Kind: cache.Resources, Tenant: tenant, Query: query}
}

func invalidateLists(t *testing.T, c *cache.Cache, tenant [16]byte) {
	t.Helper()
	if err := c.Invalidate(t.Context(), 0, cache.Scope{Tenant: tenant, Kind: cache.Resources}); err != nil {
		t.Error(err)
	}
}

// returning makes a load function that returns value.
func returning(value string) cache.LoadFunc {
	return func(context.Context, cache.Key, store.LSN) ([]byte, error) { return []byte(value), nil }
}

// expect gets key and checks what comes and from where.
func expect(t *testing.T, c *cache.Cache, key cache.Key, load cache.LoadFunc, value string, level cache.Level) {
	t.Helper()
	got, from, err := c.Get(t.Context(), key, load)
	if err != nil {
		t.Errorf("got error %v from %s; want %q from %s", err, from, value, level)
	} else if string(got.Body) != value || from != level {
		t.Errorf("got %q from %s; want %q from %s", got.Body, from, value, level)
	}
}
