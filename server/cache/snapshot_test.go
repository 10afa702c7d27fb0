package cache_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/policycortex/headroom/containers"
	"github.com/policycortex/headroom/containers/containerstest"
	"github.com/policycortex/headroom/server/cache"
)

// snapshot is a private L2 that has written what it holds to its disk, values and their epochs, and has seen them
// invalidated since.
type snapshot struct {
	env           *containers.Environment
	cache         *cache.Cache
	byKey, byGlob cache.Key // and how they were invalidated
	before        map[string][]byte
}

func takeSnapshot(t *testing.T) *snapshot {
	t.Helper()
	env := containerstest.Own(t)
	s := &snapshot{
		env: env, cache: openCache(t, env.CacheURL), byKey: itemKey(newID(), newID()),
		byGlob: itemKey(newID(), newID()),
	}
	client := redisClient(t, env.CacheURL)
	for _, key := range []cache.Key{s.byKey, s.byGlob} {
		keepInL2(t, s.cache, client, key, "old")
	}
	s.before = s.held(t, client)
	if err := client.Save(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	if err := s.cache.Invalidate(t.Context(), 0,
		cache.Scope{Tenant: s.byKey.Tenant, Kind: s.byKey.Kind, ID: s.byKey.ID}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.cache.InvalidatePattern(t.Context(), 0, uuidString(s.byGlob.Tenant)+":*"); err != nil {
		t.Fatal(err)
	}
	return s
}

// held is everything that L2 holds under the names of this cache.
func (s *snapshot) held(t *testing.T, client *redis.Client) map[string][]byte {
	t.Helper()
	names, err := client.Keys(t.Context(), "headroom:*").Result()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]byte{}
	for _, name := range names {
		all[name], err = client.Get(t.Context(), name).Bytes()
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// restore starts the server again from what is on its disk, which is what there was before the invalidations.
func (s *snapshot) restore(t *testing.T) {
	t.Helper()
	inject(t, s.env, containers.TargetCache, containers.ActionKill)
	inject(t, s.env, containers.TargetCache, containers.ActionRestart)
	after := s.held(t, redisClient(t, s.env.CacheURL))
	for name, value := range s.before {
		if !bytes.Equal(after[name], value) {
			t.Fatalf("%s was not restored: this shows nothing", name)
		}
	}
	if len(s.before) < 5 { // two values, two epochs, the generation
		t.Fatalf("the server had only %d keys", len(s.before))
	}
}

func (s *snapshot) expectNothingOld(t *testing.T, c *cache.Cache, who string) {
	t.Helper()
	for _, key := range []cache.Key{s.byKey, s.byGlob} {
		value := fmt.Sprintf("new for %s", who)
		expect(t, c, key, returning(value), value, cache.Miss)
		expect(t, c, key, returning("no"), value, cache.L1)
	}
}

// A server that is killed comes back from its snapshot with values that have been invalidated since, and with the
// epochs that they are tagged with. An instance that was there all the time serves none of them, nor does one that
// comes later.
func TestARestoredSnapshotIsNotServed(t *testing.T) {
	t.Parallel()
	s := takeSnapshot(t)
	defer s.cache.Close()
	killed := s.cache.RunID()
	s.restore(t)
	eventually(t, "contact with the restored server",
		func() bool { present := s.cache.RunID(); return present != "" && present != killed })
	joinCache(t, s.cache)
	s.expectNothingOld(t, s.cache, "the instance that invalidated")
}

// The same for an instance that knows nothing: every other one was closed before.
func TestARestoredSnapshotIsNotServedByAFreshInstance(t *testing.T) {
	t.Parallel()
	s := takeSnapshot(t)
	s.cache.Close()
	s.restore(t)
	fresh := openCache(t, s.env.CacheURL)
	defer fresh.Close()
	s.expectNothingOld(t, fresh, "a fresh instance")
}
