package cache_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/policycortex/headroom/containers"
	"github.com/policycortex/headroom/containers/containerstest"
	"github.com/policycortex/headroom/server/cache"
	"github.com/policycortex/headroom/server/store"
)

// A list that is read again and again is in the table of the database, and is served from there when L1 and L2 have
// lost it, by another instance too. It is not any more when the tenant's data have changed, also if nobody invalidated
// it.
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
	if _, err := conn.Exec(t.Context(),
		"UPDATE resources SET name = 'changed' WHERE tenant_id = $1 AND name = 'vm-3-1'", w.tenant); err != nil {
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
	_, committed, err := first.store.ReplaceResource(t.Context(), nil, w.tenant, r.id, store.AnyVersion,
		aResource(5, 77))
	if err != nil {
		t.Fatal(err)
	}
	if err := first.cache.Invalidate(t.Context(), committed,
		cache.Scope{Tenant: w.tenant, Kind: cache.Resources}); err != nil {
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

// inL3 is a list of a tenant that the table of the database has, read through one instance.
type inL3 struct {
	*world
	env     *containers.Environment
	key     cache.Key
	primary *pgx.Conn
}

func newInL3(t *testing.T) *inL3 {
	t.Helper()
	env := containerstest.SharedWithReplica(t)
	l := &inL3{world: newWorld(t, env, 10), env: env, primary: connectTo(t, env.PostgresURL)}
	l.key = listKey(l.tenant, "limit=100")
	l.store(t)
	return l
}

// store has the list loaded until the policy has put it into the table.
func (l *inL3) store(t *testing.T) {
	t.Helper()
	l2 := redisClient(t, l.env.CacheURL)
	eventually(t, "the list in L3", func() bool {
		l.instances[0].cache.ForgetL1(l.key)
		l2.Del(t.Context(), cache.L2Name(l.key))
		if _, _, err := l.instances[0].cache.Get(t.Context(), l.key, l.instances[0].loadList); err != nil {
			t.Fatal(err)
		}
		return l.valid(t, l.primary)
	})
}

// valid says whether a server of the database has the list under the version that its tenant has there.
func (l *inL3) valid(t *testing.T, server *pgx.Conn) (valid bool) {
	t.Helper()
	err := server.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM cache_entries JOIN tenant_versions USING (tenant_id, version)
		WHERE key = $1 AND expires_at > now())`, l.key.Name()).Scan(&valid)
	if err != nil {
		t.Fatal(err)
	}
	return valid
}

// freshInstance has never seen anything, and has an L2 without the list: another database of the same server, where
// nobody tells it anything either.
func (l *inL3) freshInstance(t *testing.T) *instance {
	t.Helper()
	return openInstance(t, &containers.Environment{
		PostgresURL: l.env.PostgresURL, ReplicaURL: l.env.ReplicaURL,
		CacheURL: l.emptyL2(t),
	})
}

func (l *inL3) emptyL2(t *testing.T) (url string) {
	t.Helper()
	url = strings.TrimSuffix(l.env.CacheURL, "/0") + "/9"
	if err := redisClient(t, url).Del(t.Context(), cache.L2Name(l.key)).Err(); err != nil {
		t.Fatal(err)
	}
	return url
}

// expectList reads the list and checks from where it comes and that it has a name.
func (l *inL3) expectList(t *testing.T, i *instance, name string, level cache.Level) {
	t.Helper()
	e, from, err := i.cache.Get(t.Context(), l.key, i.loadList)
	if err != nil {
		t.Fatal(err)
	}
	if from != level || !strings.Contains(string(e.Body), `"`+name+`"`) {
		t.Errorf("from %s: %.300s; want %s in it, from %s", from, e.Body, name, level)
	}
}

func (l *inL3) change(t *testing.T, n, version int) (committed store.LSN) {
	t.Helper()
	_, committed, err := l.instances[0].store.ReplaceResource(t.Context(), nil, l.tenant, l.resources[n].id,
		store.AnyVersion, aResource(n, version))
	if err != nil {
		t.Fatal(err)
	}
	return committed
}

func TestAFreshInstanceIsServedFromL3(t *testing.T) {
	l := newInL3(t)
	i := l.freshInstance(t)
	l.expectList(t, i, "vm-3-1", cache.L3)
	l.expectList(t, i, "vm-3-1", cache.L1)
}

// A write raises the tenant's version. That is enough: the row is still there, and nobody has invalidated anything.
func TestAWriteEndsWhatL3Has(t *testing.T) {
	l := newInL3(t)
	l.change(t, 3, 2)
	l.expectList(t, l.freshInstance(t), "vm-3-2", cache.Miss)
	var rows int
	err := l.primary.QueryRow(t.Context(), "SELECT count(*) FROM cache_entries WHERE key = $1",
		l.key.Name()).Scan(&rows)
	if err != nil || rows != 1 {
		t.Errorf("%d rows (error %v): this shows nothing of the version", rows, err)
	}
}

func TestL3ExpiresToo(t *testing.T) {
	l := newInL3(t)
	if _, err := l.primary.Exec(t.Context(),
		"UPDATE cache_entries SET expires_at = now() - interval '1 ms' WHERE key = $1", l.key.Name()); err != nil {
		t.Fatal(err)
	}
	l.expectList(t, l.freshInstance(t), "vm-3-1", cache.Miss)
}

// What is written together must not expire together. The rows are compared with each other and with the hour.
func TestLifetimesInL3AreSpread(t *testing.T) {
	l := newInL3(t)
	for limit := 90; limit < 98; limit++ {
		l.key = listKey(l.tenant, fmt.Sprintf("limit=%d", limit))
		l.store(t)
	}
	var rows, different int
	var shortest, longest float64 // seconds, from before the row was written and from after it
	err := l.primary.QueryRow(t.Context(), `SELECT count(*), count(DISTINCT expires_at - created_at),
		min(extract(epoch FROM expires_at - created_at)), max(extract(epoch FROM expires_at - created_at))
		FROM cache_entries WHERE tenant_id = $1`, l.tenant).Scan(&rows, &different, &shortest, &longest)
	if err != nil {
		t.Fatal(err)
	}
	if rows != 9 || different != rows || shortest < 0.9*3600 || longest > 1.1*3600 || longest-shortest < 60 {
		t.Errorf("%d rows with %d lifetimes from %.0f to %.0f s", rows, different, shortest, longest)
	}
}

// The replica has the old list, and by its own table that is valid: it has not replayed the write yet.
func TestALaggingReplicaDoesNotServeL3(t *testing.T) {
	l := newInL3(t)
	first, second, replica := l.instances[0], l.instances[1], connectTo(t, l.env.ReplicaURL)
	eventually(t, "the list at the replica", func() bool { return l.valid(t, replica) })
	containerstest.PauseReplay(t, l.env.ReplicaURL)

	committed := l.change(t, 3, 2)
	if err := first.cache.Invalidate(t.Context(), committed,
		cache.Scope{Tenant: l.tenant, Kind: cache.Resources}); err != nil {
		t.Fatal(err)
	}
	l.expectList(t, second, "vm-3-2", cache.Miss)
	l.store(t) // the new list, in the primary's table
	l.expectList(t, l.freshInstance(t), "vm-3-2", cache.L3)
	if !l.valid(t, replica) {
		t.Error("the old list is not valid at the replica: this shows nothing of the position")
	}
}
