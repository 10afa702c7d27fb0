package cache_test

import (
	"context"
	"net"
	"testing"

	"github.com/policycortex/headroom/containers"
	"github.com/policycortex/headroom/server/cache"
)

func TestL2StopsWhileInUse(t *testing.T) {
	env, err := containers.Start(t.Context(), containers.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer env.Stop(context.Background())
	c := openCache(t, env.CacheURL)
	defer c.Close()
	tenant := newID()
	expect(t, c, itemKey(tenant, newID()), returning("with"), "with", cache.Miss)
	if err := c.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := env.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	expectServiceWithoutL2(t, c, tenant)
}

func TestL2DoesNotAnswer(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0") // connections are made and nothing is ever said
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	c := openCache(t, "redis://"+silent.Addr().String())
	defer c.Close()
	expectServiceWithoutL2(t, c, newID())
}

func expectServiceWithoutL2(t *testing.T, c *cache.Cache, tenant [16]byte) {
	t.Helper()
	before := c.Stats()
	for range 5 {
		key := itemKey(tenant, newID())
		expect(t, c, key, returning("without"), "without", cache.Miss)
		expect(t, c, key, returning("no"), "without", cache.L1)
	}
	list := listKey(tenant, "limit=20")
	expect(t, c, list, returning("list"), "list", cache.Miss)
	invalidateLists(t, c, tenant)
	expect(t, c, listKey(tenant, "limit=20"), returning("new list"), "new list", cache.Miss)
	after := c.Stats()
	if failed := after.L2.Errors - before.L2.Errors; failed < 7 {
		t.Errorf("%d errors were counted, want at least one for each of the 7 misses", failed)
	}
	if hits := after.Overall.Hits - before.Overall.Hits; hits != 5 {
		t.Errorf("%d hits were counted, want the 5 from L1", hits)
	}
	if err := c.Ping(t.Context()); err == nil {
		t.Error("L2 answers a ping")
	}
}
