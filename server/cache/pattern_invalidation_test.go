package cache_test

import (
	"context"
	"testing"
	"time"

	"github.com/policycortex/headroom/server/cache"
	"github.com/policycortex/headroom/server/store"
)

func TestPatternsAreInvalidatedEverywhere(t *testing.T) {
	t.Parallel()
	first, second := openCache(t, l2URL(t)), openCache(t, l2URL(t))
	defer first.Close()
	defer second.Close()
	client := redisClient(t, l2URL(t))
	tenant, other := newID(), newID()
	list, item, theirs := listKey(tenant, "tag=a/b:c&limit=20"), itemKey(tenant, newID()), listKey(other, "limit=20")
	for _, key := range []cache.Key{list, item, theirs} {
		keepInL2(t, first, client, key, "old")
		expect(t, second, key, returning("no"), "old", cache.L2)
	}
	removed, err := first.InvalidatePattern(t.Context(), 0, uuidString(tenant)+":resources:*a/b*")
	if err != nil || removed != 2 { // in the first's L1 and in L2
		t.Errorf("removed %d, error %v; want 2", removed, err)
	}
	expect(t, second, list, returning("new"), "new", cache.Miss)
	expect(t, second, item, returning("no"), "old", cache.L1)
	expect(t, second, theirs, returning("no"), "old", cache.L1)
	if _, err := first.InvalidatePattern(t.Context(), 0, "[a"); err == nil {
		t.Error("a class without an end was accepted")
	}
}

// A load that began before the pattern was invalidated and ends after it leaves nothing behind.
func TestSlowLoadDoesNotOutliveItsPattern(t *testing.T) {
	t.Parallel()
	first, second := openCache(t, l2URL(t)), openCache(t, l2URL(t))
	defer first.Close()
	defer second.Close()
	key := listKey(newID(), "limit=20")
	loading, release := make(chan struct{}), make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		expect(t, second, key, func(context.Context, cache.Key, store.LSN) ([]byte, error) {
			close(loading)
			<-release
			return []byte("old"), nil
		}, "old", cache.Miss)
	}()
	<-loading
	if _, err := first.InvalidatePattern(t.Context(), 0, "*:resources:*"); err != nil {
		t.Fatal(err)
	}
	close(release)
	<-done
	time.Sleep(300 * time.Millisecond) // what would be written to L2 has been, and the new generation is known
	keepInL2(t, second, redisClient(t, l2URL(t)), key, "new")
	expect(t, first, key, returning("newer"), "new", cache.L2)
}
