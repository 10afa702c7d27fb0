package cache_test

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"os"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/policycortex/headroom/containers"
	"github.com/policycortex/headroom/server/cache"
)

// snapshot is a private L2 that has written what it holds to its disk, values and their epochs, and has seen them
// invalidated since.
type snapshot struct {
	env           *containers.Environment
	directory     string // of a Dragonfly that has written it
	cache         *cache.Cache
	byKey, byGlob cache.Key // and how they were invalidated
	before        map[string][]byte
}

func takeSnapshot(t *testing.T) *snapshot {
	t.Helper()
	// A Dragonfly in a container comes back without a snapshot.
	env, err := containers.Start(t.Context(), containers.Options{Provider: "process"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { env.Stop(context.Background()) })
	s := &snapshot{
		env: env, cache: openCache(t, env.CacheURL), byKey: itemKey(newID(), newID()),
		byGlob: itemKey(newID(), newID()),
	}
	client := redisClient(t, env.CacheURL)
	for _, key := range []cache.Key{s.byKey, s.byGlob} {
		keepInL2(t, s.cache, client, key, "old")
	}
	s.before = s.held(t, client)
	s.save(t, client)
	if err := s.cache.Invalidate(t.Context(), 0,
		cache.Scope{Tenant: s.byKey.Tenant, Kind: s.byKey.Kind, ID: s.byKey.ID}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.cache.InvalidatePattern(t.Context(), 0, uuidString(s.byGlob.Tenant)+":*"); err != nil {
		t.Fatal(err)
	}
	return s
}

// save has the server write its snapshot. Dragonfly has to be told the name of it, and writes it where it runs.
func (s *snapshot) save(t *testing.T, client *redis.Client) {
	t.Helper()
	command := []any{"SAVE"}
	if s.env.Cache.Name == "Dragonfly" {
		info := client.InfoMap(t.Context(), "server")
		var err error
		s.directory, err = os.Readlink("/proc/" + info.Item("Server", "process_id") + "/cwd")
		if err != nil {
			t.Fatal(err)
		}
		command = append(command, "DF", "dump")
	}
	if err := client.Do(t.Context(), command...).Err(); err != nil {
		t.Fatal(err)
	}
}

// restart kills the server and starts it again. Dragonfly loads a snapshot only if it is started with its name, which
// the environment does not do.
func (s *snapshot) restart(t *testing.T) {
	t.Helper()
	inject(t, s.env, containers.TargetCache, containers.ActionKill)
	if s.directory == "" {
		inject(t, s.env, containers.TargetCache, containers.ActionRestart)
		return
	}
	u, err := url.Parse(s.env.CacheURL)
	if err != nil {
		t.Fatal(err)
	}
	child, err := containers.StartChild(t.Context(), containers.ChildSpec{
		Path: s.env.Cache.Binary, Dir: s.directory, Args: []string{
			"--bind=" + u.Hostname(), "--port=" + u.Port(), "--proactor_threads=1", "--maxmemory=256mb",
			"--dbfilename=dump", "--version_check=false", "--logtostderr",
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := child.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	client := redisClient(t, s.env.CacheURL)
	eventually(t, "the restored server", func() bool { return client.DBSize(t.Context()).Err() == nil })
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
	s.restart(t)
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
