package cache_test

import (
	"testing"

	"github.com/policycortex/headroom/server/cache"
)

// TestAnEpochThatL2HasLost: one instance knows an epoch that L2 does not have any more, and another one begins a new
// one.
func TestAnEpochThatL2HasLost(t *testing.T) {
	t.Parallel()
	first, second := openCache(t, l2URL(t)), openCache(t, l2URL(t))
	defer first.Close()
	defer second.Close()
	client, key := redisClient(t, l2URL(t)), itemKey(newID(), newID())
	expect(t, first, key, returning("before"), "before", cache.Miss)
	waitForL2(t, client, key)
	before, err := client.Get(t.Context(), cache.L2Name(key)).Result()
	if err != nil {
		t.Fatal(err)
	}
	if n, err := client.Del(t.Context(), first.EpochName(key)).Result(); n != 1 || err != nil {
		t.Fatalf("removed %d epochs (error %v), want 1", n, err)
	}

	first.ForgetL1(key)
	expect(t, first, key, returning("other"), "before", cache.L2) // nobody has invalidated it
	expect(t, second, key, returning("after"), "after", cache.Miss)
	eventually(t, "the new value in L2", func() bool {
		now, err := client.Get(t.Context(), cache.L2Name(key)).Result()
		return err == nil && now != before
	})
	first.ForgetL1(key)
	expect(t, first, key, returning("other"), "after", cache.L2)
}

// TestAKnownEpochEndsWithAnInvalidation: the value of the old epoch is still in L2, and must not be served.
func TestAKnownEpochEndsWithAnInvalidation(t *testing.T) {
	t.Parallel()
	first, second := openCache(t, l2URL(t)), openCache(t, l2URL(t))
	defer first.Close()
	defer second.Close()
	client, key := redisClient(t, l2URL(t)), itemKey(newID(), newID())
	expect(t, first, key, returning("before"), "before", cache.Miss)
	waitForL2(t, client, key)
	expect(t, second, key, returning("other"), "before", cache.L2)
	for _, c := range []*cache.Cache{first, second} {
		c.ForgetL1(key)
		expect(t, c, key, returning("other"), "before", cache.L2) // by the known epoch
	}
	if err := first.Invalidate(t.Context(), 0,
		cache.Scope{Tenant: key.Tenant, ID: key.ID, Kind: key.Kind}); err != nil {
		t.Fatal(err)
	}
	if n, err := client.Exists(t.Context(), cache.L2Name(key)).Result(); n != 1 || err != nil {
		t.Fatalf("L2 has %d of the old value (error %v), want 1", n, err)
	}
	expect(t, second, key, returning("after"), "after", cache.Miss)
}
