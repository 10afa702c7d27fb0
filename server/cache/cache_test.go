package cache_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/policycortex/headroom/server/cache"
	"github.com/policycortex/headroom/server/store"
)

func TestLevels(t *testing.T) {
	t.Parallel()
	key := itemKey(newID(), newID())
	first := openCache(t, l2URL(t))
	expect(t, first, key, returning("value"), "value", cache.Miss)
	expect(t, first, key, returning("other"), "value", cache.L1)
	first.Close() // which writes what is queued for L2
	second := openCache(t, l2URL(t))
	defer second.Close()
	expect(t, second, key, returning("other"), "value", cache.L2)
	expect(t, second, key, returning("other"), "value", cache.L1)

	checkStats(t, first, cache.Stats{
		L1: cache.LevelStats{Hits: 1, Misses: 1}, L2: cache.LevelStats{Misses: 1}, L3: cache.LevelStats{Misses: 1},
		Overall: cache.LevelStats{Hits: 1, Misses: 1},
	})
	checkStats(t, second, cache.Stats{
		L1: cache.LevelStats{Hits: 1, Misses: 1}, L2: cache.LevelStats{Hits: 1}, Overall: cache.LevelStats{Hits: 2},
	})
}

func checkStats(t *testing.T, c *cache.Cache, want cache.Stats) {
	t.Helper()
	if got := c.Stats(); got != want {
		t.Errorf("stats are %+v, want %+v", got, want)
	}
}

func TestConcurrentMissesLoadOnce(t *testing.T) {
	t.Parallel()
	c := openCache(t, l2URL(t))
	defer c.Close()
	const requests = 100
	var loads atomic.Int32
	load := func(context.Context, cache.Key, store.LSN) ([]byte, error) {
		// Nobody can be served before everybody has missed.
		for c.Stats().L1.Misses < requests {
			time.Sleep(time.Millisecond)
		}
		loads.Add(1)
		return []byte("value"), nil
	}
	key := itemKey(newID(), newID())
	var wg sync.WaitGroup
	for range requests {
		wg.Go(func() { expect(t, c, key, load, "value", cache.Miss) })
	}
	wg.Wait()
	if n := loads.Load(); n != 1 {
		t.Errorf("loaded %d times, want once", n)
	}
	checkStats(t, c, cache.Stats{
		L1: cache.LevelStats{Misses: requests}, L2: cache.LevelStats{Misses: requests},
		L3: cache.LevelStats{Misses: requests}, Overall: cache.LevelStats{Misses: requests},
	})
}

func TestLoadGoesOnWhenItsRequestLeaves(t *testing.T) {
	t.Parallel()
	c := openCache(t, l2URL(t))
	defer c.Close()
	key := itemKey(newID(), newID())
	loading, release := make(chan struct{}), make(chan struct{})
	load := func(ctx context.Context, _ cache.Key, _ store.LSN) ([]byte, error) {
		close(loading)
		<-release
		return []byte("value"), ctx.Err()
	}
	impatient, leave := context.WithCancel(t.Context())
	left := make(chan error)
	go func() {
		_, _, err := c.Get(impatient, key, load)
		left <- err
	}()
	<-loading
	leave()
	if err := <-left; !errors.Is(err, context.Canceled) { // while the load is still held
		t.Errorf("the request that left got %v, want its own end", err)
	}
	patient := make(chan struct{})
	go func() {
		defer close(patient)
		expect(t, c, key, returning("a second load"), "value", cache.Miss)
	}()
	for c.Stats().L1.Misses < 2 {
		time.Sleep(time.Millisecond)
	}
	close(release)
	<-patient
	checkStats(t, c, cache.Stats{
		L1: cache.LevelStats{Misses: 2}, L2: cache.LevelStats{Misses: 2}, L3: cache.LevelStats{Misses: 2},
		Overall: cache.LevelStats{Misses: 2},
	})
}

func TestNotFoundIsRememberedInL1Only(t *testing.T) {
	t.Parallel()
	first := openCache(t, l2URL(t))
	key := itemKey(newID(), newID())
	missing := func(context.Context, cache.Key, store.LSN) ([]byte, error) {
		return nil, fmt.Errorf("row: %w", cache.ErrNotFound)
	}
	for _, want := range []cache.Level{cache.Miss, cache.L1} {
		if value, level, err := first.Get(t.Context(), key, missing); !errors.Is(err, cache.ErrNotFound) ||
			level != want || value != nil {
			t.Errorf("got %+v from %s, error %v; want ErrNotFound from %s", value, level, err, want)
		}
	}
	first.Close()
	second := openCache(t, l2URL(t))
	defer second.Close()
	expect(t, second, key, returning("made since"), "made since", cache.Miss)
}

func TestFailedLoadsAreNotKept(t *testing.T) {
	t.Parallel()
	c := openCache(t, l2URL(t))
	defer c.Close()
	key := itemKey(newID(), newID())
	broken := errors.New("broken")
	failing := func(context.Context, cache.Key, store.LSN) ([]byte, error) { return []byte("half"), broken }
	if value, _, err := c.Get(t.Context(), key, failing); !errors.Is(err, broken) || value != nil {
		t.Errorf("got %+v, error %v; want the error of the load", value, err)
	}
	panicking := func(context.Context, cache.Key, store.LSN) ([]byte, error) { panic("at the disco") }
	if _, _, err := c.Get(t.Context(), key, panicking); err == nil {
		t.Error("a load that panics returned no error")
	}
	expect(t, c, key, returning("value"), "value", cache.Miss)
}

func TestListsAreNotServedAfterTheirInvalidation(t *testing.T) {
	t.Parallel()
	c := openCache(t, l2URL(t))
	defer c.Close()
	tenant, other := newID(), newID()
	other[14], other[15] = tenant[14]^1, tenant[15] // one that does not share the tenant's generation
	expect(t, c, listKey(tenant, "limit=20"), returning("before"), "before", cache.Miss)
	expect(t, c, listKey(other, "limit=20"), returning("theirs"), "theirs", cache.Miss)
	invalidateLists(t, c, tenant)
	expect(t, c, listKey(tenant, "limit=20"), returning("after"), "after", cache.Miss)
	expect(t, c, listKey(other, "limit=20"), returning("no"), "theirs", cache.L1)

	// A list that was read before the change and arrives after it.
	slow := listKey(tenant, "limit=1")
	_, _, err := c.Get(t.Context(), slow, func(context.Context, cache.Key, store.LSN) ([]byte, error) {
		invalidateLists(t, c, tenant)
		return []byte("stale"), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	expect(t, c, listKey(tenant, "limit=1"), returning("fresh"), "fresh", cache.Miss)
}

func TestKeysOfTenantsAndKindsDiffer(t *testing.T) {
	t.Parallel()
	c := openCache(t, l2URL(t))
	defer c.Close()
	tenants, ids := [][16]byte{newID(), newID(), {}}, [][16]byte{newID(), newID(), {}}
	var keys []cache.Key
	for _, tenant := range tenants {
		for _, id := range ids {
			keys = append(keys, itemKey(tenant, id))
		}
		for _, query := range []string{"limit=20", "limit=20&type=a", "limit=20&type=a:l:b", ""} {
			keys = append(keys, listKey(tenant, query))
		}
	}
	names := map[string]bool{}
	for i, key := range keys {
		names[key.Name()] = true
		value := fmt.Sprint(i)
		expect(t, c, key, returning(value), value, cache.Miss)
	}
	if len(names) != len(keys) {
		t.Errorf("%d keys have %d names", len(keys), len(names))
	}
	for i, key := range keys {
		expect(t, c, key, returning("no"), fmt.Sprint(i), cache.L1)
	}
}

func TestL1IsBoundByBytes(t *testing.T) {
	t.Parallel()
	const bound = 16 << 20
	c := openCache(t, l2URL(t))
	defer c.Close()
	big := make([]byte, 64<<10)
	for range 2 * bound / len(big) {
		_, _, err := c.Get(t.Context(), itemKey(newID(), newID()),
			func(context.Context, cache.Key, store.LSN) ([]byte, error) { return big, nil })
		if err != nil {
			t.Fatal(err)
		}
	}
	if weight := c.L1Weight(); weight > bound || weight < bound/2 {
		t.Errorf("L1 holds %d bytes, want it nearly full and at most %d", weight, bound)
	}
}

func TestLifetimesAreSpread(t *testing.T) {
	t.Parallel()
	seen := map[time.Duration]bool{}
	for range 1000 {
		d := cache.Jitter(time.Minute)
		if d < 54*time.Second || d > 66*time.Second {
			t.Fatalf("a minute became %s", d)
		}
		seen[d] = true
	}
	if len(seen) < 900 {
		t.Errorf("1000 lifetimes had only %d values", len(seen))
	}
	c := openCache(t, l2URL(t))
	key := itemKey(newID(), newID())
	expect(t, c, key, returning("value"), "value", cache.Miss)
	c.Close()
	client := redisClient(t, l2URL(t))
	ttl, err := client.PTTL(t.Context(), cache.L2Name(key)).Result()
	if err != nil || ttl < 26*time.Minute || ttl > 33*time.Minute {
		t.Errorf("L2 keeps the value for %s (error %v), want 30 minutes and a tenth at most to either side", ttl, err)
	}
}

func TestOpenRefuses(t *testing.T) {
	for name, o := range map[string]cache.Options{
		"no URL": {L1Bytes: 1 << 20}, "an http URL": {L2URL: "http://127.0.0.1", L1Bytes: 1 << 20},
		"no L1": {L2URL: "redis://127.0.0.1:1"},
	} {
		if c, err := cache.Open(o); err == nil {
			c.Close()
			t.Errorf("%s was accepted", name)
		}
	}
}
