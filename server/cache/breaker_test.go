package cache_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"

	"github.com/policycortex/headroom/containers"
	"github.com/policycortex/headroom/containers/containerstest"
	"github.com/policycortex/headroom/server/cache"
	"github.com/policycortex/headroom/server/store"
)

func inject(t *testing.T, env *containers.Environment, target containers.Target, action containers.Action) {
	t.Helper()
	if err := env.Fault(t.Context(), target, action); err != nil {
		t.Fatal(err)
	}
}

// crowd asks for as many new keys at once, none of which may fail.
func crowd(t *testing.T, c *cache.Cache, requests int, newKey func() cache.Key) {
	t.Helper()
	var wg sync.WaitGroup
	for range requests {
		wg.Go(func() { expect(t, c, newKey(), returning("loaded"), "loaded", cache.Miss) })
	}
	wg.Wait()
}

// L2 first keeps its connections and does not answer, which is what its breaker is for, and then is killed and started
// again.
func TestBreakerOfL2(t *testing.T) {
	t.Parallel()
	env := containerstest.Own(t)
	c := openCache(t, env.CacheURL)
	defer c.Close()
	newKey := func() cache.Key { return itemKey(newID(), newID()) }
	state := func() string { l2, _ := c.BreakerStates(); return l2 }
	crowd(t, c, 8, newKey)
	if s := state(); s != "closed" {
		t.Fatalf("it is %s at first", s)
	}

	inject(t, env, containers.TargetCache, containers.ActionPause)
	eventually(t, "an open breaker", func() bool { crowd(t, c, 8, newKey); return state() == "open" })
	inject(t, env, containers.TargetCache, containers.ActionKill)
	inject(t, env, containers.TargetCache, containers.ActionRestart)
	joinCache(t, c)
	eventually(t, "a half-open breaker", func() bool { return state() == "half-open" })
	crowd(t, c, 1, newKey)
	eventually(t, "a closed breaker", func() bool { return state() == "closed" })

	key := newKey()
	keepInL2(t, c, redisClient(t, env.CacheURL), key, "kept")
	c.ForgetL1(key)
	expect(t, c, key, returning("no"), "kept", cache.L2)
}

// The primary is killed, and with it L3. Loads that do not need it go on.
func TestBreakerOfL3(t *testing.T) {
	t.Parallel()
	env := containerstest.Own(t)
	if err := store.Migrate(t.Context(), env.PostgresURL); err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), store.Options{URL: env.PostgresURL, MaxConns: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	c, err := cache.Open(cache.Options{
		L2URL: env.CacheURL, L1Bytes: 16 << 20, Store: s,
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	joinCache(t, c)
	newKey := func() cache.Key { return listKey(newID(), "limit=20") }
	state := func() string { _, l3 := c.BreakerStates(); return l3 }
	crowd(t, c, 8, newKey)
	if s := state(); s != "closed" {
		t.Fatalf("it is %s at first", s)
	}

	inject(t, env, containers.TargetPrimary, containers.ActionKill)
	crowd(t, c, 8, newKey)
	if s := state(); s != "open" {
		t.Fatalf("it is %s after eight failures", s)
	}
	eventually(t, "a half-open breaker", func() bool { return state() == "half-open" })
	crowd(t, c, 1, newKey)
	if s := state(); s != "open" {
		t.Errorf("it is %s after another failure", s)
	}
	inject(t, env, containers.TargetPrimary, containers.ActionRestart)
	eventually(t, "an answer of the primary", func() bool { return s.Ping(context.Background()) == nil })
	// On a busy machine the first probe may take too long, and then it is another one that succeeds.
	eventually(t, "a closed breaker after a success", func() bool {
		if state() == "half-open" {
			crowd(t, c, 1, newKey)
		}
		return state() == "closed"
	})
}
