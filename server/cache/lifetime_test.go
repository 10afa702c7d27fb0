package cache_test

import (
	"context"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/policycortex/headroom/server/cache"
	"github.com/policycortex/headroom/server/store"
)

func TestStaleIsServedWhileItIsRefreshedOnce(t *testing.T) {
	t.Parallel()
	c := openCache(t, l2URL(t))
	defer c.Close()
	client := redisClient(t, l2URL(t))
	key := itemKey(newID(), newID())
	keepInL2(t, c, client, key, "old")
	client.Del(t.Context(), cache.L2Name(key))
	c.Age(key)
	var loads atomic.Int32
	release := make(chan struct{})
	refresh := func(context.Context, cache.Key, store.LSN) ([]byte, error) {
		loads.Add(1)
		<-release
		return []byte("new"), nil
	}
	for range 10 {
		expect(t, c, key, refresh, "old", cache.L1)
	}
	close(release)
	eventually(t, "the refreshed value", func() bool { return string(c.L1Entry(key).Body) == "new" })
	if n := loads.Load(); n != 1 {
		t.Errorf("it was refreshed %d times", n)
	}
	if s := c.Stats(); s.Stale != 10 || s.Refreshes != 1 {
		t.Errorf("stats are %+v, want 10 stale and one refresh", s)
	}
	c.Age(key)
	if err := c.Invalidate(t.Context(), 0, cache.Scope{Tenant: key.Tenant, Kind: key.Kind, ID: key.ID}); err != nil {
		t.Fatal(err)
	}
	expect(t, c, key, returning("newest"), "newest", cache.Miss)
}

func TestCloseTwice(t *testing.T) {
	t.Parallel()
	c := openCache(t, l2URL(t))
	for range 2 {
		c.Close()
	}
}

func TestCloseLeavesNoGoroutine(t *testing.T) {
	mine := func() string {
		buffer := make([]byte, 4<<20)
		buffer = buffer[:runtime.Stack(buffer, true)]
		var found []string
		for stack := range strings.SplitSeq(string(buffer), "\n\n") {
			if strings.Contains(stack, "server/cache.(") || strings.Contains(stack, "otter") {
				found = append(found, stack)
			}
		}
		return strings.Join(found, "\n\n")
	}
	before := mine()
	c := openCache(t, l2URL(t))
	for range 100 {
		key := itemKey(newID(), newID())
		body := strings.Repeat("ab", 2000)
		expect(t, c, key, returning(body), body, cache.Miss)
		expect(t, c, key, returning("no"), body, cache.L1)
	}
	c.Close()
	after := mine()
	for range 100 {
		if len(after) <= len(before) {
			return
		}
		time.Sleep(10 * time.Millisecond)
		after = mine()
	}
	t.Errorf("these are left:\n%s", after)
}
