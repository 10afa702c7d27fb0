package cache_test

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/policycortex/headroom/containers/containerstest"
	"github.com/policycortex/headroom/server/cache"
	"github.com/policycortex/headroom/server/store"
)

// A list that is read again and again is in the table of the database, and is served from there when L1 and L2 have lost
// it, by another instance too. It is not any more when the tenant's data have changed, also if nobody invalidated it.
func TestListsAreServedFromL3(t *testing.T) {
	env := containerstest.SharedWithReplica(t)
	w := newWorld(t, env, 10)
	first, second, key := w.instances[0], w.instances[1], listKey(w.tenant, "limit=100")
	l2, conn := redisClient(t, env.CacheURL), connectTo(t, env.PostgresURL)
	forget := func() {
		t.Helper()
		if err := l2.Del(t.Context(), cache.L2Name(key)).Err(); err != nil {
			t.Fatal(err)
		}
		for _, i := range w.instances {
			i.cache.ForgetL1(key)
		}
	}
	read := func(i *instance) (string, cache.Level) {
		t.Helper()
		e, level, err := i.cache.Get(t.Context(), key, i.loadList)
		if err != nil {
			t.Fatal(err)
		}
		return string(e.Body), level
	}
	untilFromL3 := func(i *instance) (body string) {
		t.Helper()
		eventually(t, "an answer from L3", func() bool {
			forget()
			var level cache.Level
			body, level = read(i)
			return level == cache.L3
		})
		return body
	}
	if body := untilFromL3(first); !strings.Contains(body, "vm-3-1") {
		t.Errorf("L3 has %.300s", body)
	}
	untilFromL3(second)
	if hits := second.cache.Stats().L3.Hits; hits == 0 {
		t.Error("the hit was not counted")
	}

	// A change that tells no cache of it.
	if _, err := conn.Exec(t.Context(), "UPDATE resources SET name = 'changed' WHERE tenant_id = $1 AND name = 'vm-3-1'", w.tenant); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the list as it is now", func() bool { // the replica may need a moment
		forget()
		body, level := read(first)
		changed := strings.Contains(body, "changed")
		if !changed && level != cache.L3 && level != cache.Miss {
			t.Errorf("an old list came from %s", level)
		}
		return changed
	})

	// A change with its invalidation: nothing older is served from that moment on.
	untilFromL3(second)
	r := w.resources[5]
	_, committed, err := first.store.ReplaceResource(t.Context(), nil, w.tenant, r.id, store.AnyVersion, aResource(5, 77))
	if err != nil {
		t.Fatal(err)
	}
	if err := first.cache.Invalidate(t.Context(), committed, cache.Scope{Tenant: w.tenant, Kind: cache.Resources}); err != nil {
		t.Fatal(err)
	}
	for _, i := range w.instances {
		if body, level := read(i); !strings.Contains(body, "vm-5-77") {
			t.Errorf("after the invalidation %s has %.300s", level, body)
		}
	}
}

func connectTo(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}
