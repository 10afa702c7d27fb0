package cache_test

import (
	"log/slog"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/policycortex/headroom/containers/distance"
	"github.com/policycortex/headroom/server/cache"
)

// farL2 opens a cache whose L2 is as far away as a region across an ocean.
func farL2(t *testing.T, l2URL string) *cache.Cache {
	t.Helper()
	u, err := url.Parse(l2URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy, err := distance.Listen(distance.Upstream{Address: u.Host, RoundTrip: 120 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = proxy.Close() })
	u.Host = proxy.Address()
	c, err := cache.Open(cache.Options{
		L2URL: u.String(), L2IsFar: true, L1Bytes: 16 << 20, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	joinCache(t, c)
	return c
}

// TestInvalidationsReachAFarRegion, and those that are made there reach the others: nobody has an old value once an
// invalidation is acknowledged.
func TestInvalidationsReachAFarRegion(t *testing.T) {
	t.Parallel()
	l2 := l2URL(t)
	near, far := openCache(t, l2), farL2(t, l2)
	defer near.Close()
	defer far.Close()
	both := []*cache.Cache{near, far}
	key := itemKey(newID(), newID())
	for version := range 8 {
		want := strconv.Itoa(version)
		for i, c := range both {
			for range 2 { // the second time mostly from L1
				e, level, err := c.Get(t.Context(), key, returning(want))
				if err != nil || string(e.Body) != want {
					t.Fatalf("cache %d has %q from %s, %v; want %s", i, e.Body, level, err, want)
				}
			}
		}
		err := both[version%2].Invalidate(t.Context(), 0, cache.Scope{Tenant: key.Tenant, Kind: key.Kind, ID: key.ID})
		if err != nil {
			t.Fatalf("invalidation %d: %v", version, err)
		}
	}
}

// TestNothingIsKeptFarAway: a far L2 gives no values and gets none, and L1 serves what was loaded.
func TestNothingIsKeptFarAway(t *testing.T) {
	t.Parallel()
	l2 := l2URL(t)
	near, far, client := openCache(t, l2), farL2(t, l2), redisClient(t, l2)
	defer near.Close()
	key := itemKey(newID(), newID())
	keepInL2(t, near, client, key, "kept")
	if e, level, err := far.Get(t.Context(), key, returning("loaded")); err != nil || string(e.Body) != "loaded" ||
		level != cache.Miss {
		t.Errorf("got %q from %s, %v; want it loaded", e.Body, level, err)
	}
	other := itemKey(newID(), newID())
	eventually(t, "a value from L1", func() bool { // it may lose its lease for a moment
		_, level, err := far.Get(t.Context(), other, returning("loaded"))
		return err == nil && level == cache.L1
	})
	stats := far.Stats()
	if stats.L2.Hits > 0 || stats.L2.Misses < 2 {
		t.Errorf("L2 counts %+v", stats.L2)
	}
	far.Close() // and with it what would be waiting to be written
	if n, err := client.Exists(t.Context(), cache.L2Name(other)).Result(); err != nil || n != 0 {
		t.Errorf("the far L2 has the value: %d, %v", n, err)
	}
}
