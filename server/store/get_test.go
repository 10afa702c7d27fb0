package store_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/policycortex/headroom/server/store"
)

// fillResources inserts n resources and returns their ids.
func fillResources(t testing.TB, s *store.Store, tenant store.ID, n int) []store.ID {
	t.Helper()
	batch := make([]store.NewResource, n)
	for i := range batch {
		batch[i] = newResource(i)
	}
	inserted, _, err := s.InsertResources(t.Context(), tenant, batch)
	if err != nil || len(inserted.Created) != n {
		t.Fatalf("%d created, error %v", len(inserted.Created), err)
	}
	return inserted.Created
}

// Many callers get resources of two tenants, unknown ones among them, some with little patience: each must have its own
// answer, whoever else was in the same query.
func TestGetsTogether(t *testing.T) {
	s := openStore(t)
	tenants := []store.ID{newID(), newID()}
	ids := [][]store.ID{fillResources(t, s, tenants[0], 100), fillResources(t, s, tenants[1], 100)}
	before := s.QueryStats()["get_resource"]
	if before.Durations != nil {
		t.Fatal("there were gets before")
	}
	const callers, gets = 64, 200
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(c)))
			for range gets {
				own, other, n := c%2, (c+1)%2, random.IntN(100)
				switch random.IntN(10) {
				case 0:
					if body, err := s.AppendResource(t.Context(), nil, tenants[other], ids[own][n], 0); !errors.Is(err,
						store.ErrNotFound) || body != nil {
						t.Errorf("another tenant's: %s, error %v", body, err)
					}
				case 1:
					if body, err := s.AppendResource(t.Context(), nil, tenants[own], newID(), 0); !errors.Is(err,
						store.ErrNotFound) || body != nil {
						t.Errorf("an unknown one: %s, error %v", body, err)
					}
				case 2:
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(random.IntN(200))*time.Microsecond)
					if body, err := s.AppendResource(ctx, []byte("x"), tenants[own], ids[own][n], 0); err != nil &&
						(!errors.Is(err, context.DeadlineExceeded) || string(body) != "x") {
						t.Errorf("without patience: %s, error %v", body, err)
					}
					cancel()
				default:
					body, err := s.AppendResource(t.Context(), []byte("before"), tenants[own], ids[own][n], 0)
					if want := fmt.Sprintf(`"name":"vm-%d"`, n); err != nil ||
						!strings.HasPrefix(string(body), "before{") || !strings.Contains(string(body), want) {
						t.Errorf("got %s, error %v; want %s", body, err, want)
					}
				}
			}
		})
	}
	wg.Wait()
	if n := s.QueryStats()["get_resource"].Durations.TotalCount(); n >= callers*gets {
		t.Errorf("%d gets took %d queries: none went together", callers*gets, n)
	}
}

// A deleted resource is not there, by itself and in a group.
func TestGetsOfDeletedResources(t *testing.T) {
	s, tenant := openStore(t), newID()
	ids := fillResources(t, s, tenant, 50)
	mustExec(t, connect(t, postgresURL(t)),
		"UPDATE resources SET deleted_at = now() WHERE tenant_id = $1 AND name LIKE '%7'", tenant)
	var wg sync.WaitGroup
	for i, id := range ids {
		wg.Go(func() {
			for range 20 {
				_, err := s.AppendResource(t.Context(), nil, tenant, id, 0)
				if deleted := i%10 == 7; deleted != errors.Is(err, store.ErrNotFound) || !deleted && err != nil {
					t.Errorf("resource %d, deleted %t: error %v", i, deleted, err)
				}
			}
		})
	}
	wg.Wait()
}

// In a table that nobody has analyzed yet, and in one that the planner knows, the primary key serves.
func TestPlansOfGets(t *testing.T) {
	t.Parallel()
	url := newMigrated(t)
	s, conn := openStoreWith(t, store.Options{URL: url, MaxConns: 2}), connect(t, url)
	for _, state := range []string{fillTenant, "ANALYZE resources"} {
		var args []any
		if state == fillTenant {
			args = append(args, newID())
		}
		mustExec(t, conn, state, args...)
		for _, sql := range []string{store.GetSQL, store.GetGroupSQL} {
			plan, err := s.Explain(t.Context(), sql)
			if err != nil || !strings.Contains(plan, "resources_pkey") ||
				!strings.Contains(plan, "Index Cond: (id = ") {
				t.Errorf("after %.20q the plan of %.100q is (error %v)\n%s", state, sql, err, plan)
			}
		}
	}
}

// A group is small or large, and planned once: planning costs more than the query.
func TestGroupsAreNotPlannedAnew(t *testing.T) {
	s, tenant := openStoreWith(t, store.Options{MaxConns: 4}), newID()
	ids := fillResources(t, s, tenant, 100)
	conn := connect(t, postgresURL(t))
	mustExec(t, conn, fillTenant, newID()) // a table of a few pages is read whole
	mustExec(t, conn, "ANALYZE resources")
	for _, callers := range []int{6, 8, 12, 40} {
		var wg sync.WaitGroup
		for c := range callers {
			wg.Go(func() {
				for i := range 2000 / callers {
					if _, err := s.AppendResource(t.Context(), nil, tenant, ids[(c*31+i)%100], 0); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
	}
	var generic, custom int
	onEveryConnection(t, s, func(_ string, conn *pgx.Conn) {
		var g, c int
		err := conn.QueryRow(t.Context(),
			"SELECT generic_plans, custom_plans FROM pg_prepared_statements WHERE statement = $1",
			store.GetGroupSQL).Scan(&g, &c)
		if err != nil {
			t.Fatal(err)
		}
		generic, custom = generic+g, custom+c
	})
	if limit := 5 * 4; custom > limit || generic < 10*custom {
		t.Errorf("of the groups %d were planned for themselves, and %d had a plan; want at most five of the former "+
			"on each of 4 connections", custom, generic)
	}
}

// One who gives up does not keep others from their answer, nor is he kept himself.
func TestGetThatIsGivenUp(t *testing.T) {
	s, tenant := openStore(t), newID()
	ids := fillResources(t, s, tenant, 20)
	lock, err := connect(t, postgresURL(t)).Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Rollback(context.Background())
	if _, err := lock.Exec(t.Context(), "LOCK TABLE resources"); err != nil {
		t.Fatal(err)
	}
	impatient, giveUp := context.WithCancel(t.Context())
	results := make([]error, len(ids))
	var patients, impatients sync.WaitGroup
	for i, id := range ids {
		group, ctx := &patients, t.Context()
		if i%2 == 0 {
			group, ctx = &impatients, impatient
		}
		group.Go(func() { _, results[i] = s.AppendResource(ctx, nil, tenant, id, 0) })
	}
	time.Sleep(20 * time.Millisecond) // so that most have gone to the database, or wait for it
	giveUp()
	impatients.Wait() // which returns although the table is locked
	if err := lock.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	patients.Wait()
	for i, err := range results {
		if i%2 == 0 && !errors.Is(err, context.Canceled) {
			t.Errorf("get %d was given up and returned %v", i, err)
		}
		if i%2 == 1 && err != nil {
			t.Errorf("get %d was not given up and returned %v", i, err)
		}
	}
}

// A failure reaches everybody in the group, and the next group works.
func TestGetsFailTogether(t *testing.T) {
	s, tenant := openStore(t), newID()
	ids := fillResources(t, s, tenant, 30)
	conn := connect(t, postgresURL(t))
	lock, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Rollback(context.Background())
	if _, err := lock.Exec(t.Context(), "LOCK TABLE resources"); err != nil {
		t.Fatal(err)
	}
	results := make([]error, len(ids))
	var wg sync.WaitGroup
	for i, id := range ids {
		wg.Go(func() { _, results[i] = s.AppendResource(t.Context(), nil, tenant, id, 0) })
	}
	wg.Wait() // for lock_timeout, one second a group
	for i, err := range results {
		if err == nil || !strings.Contains(err.Error(), "lock timeout") {
			t.Errorf("get %d returned %v, want the lock timeout", i, err)
		}
	}
	if err := lock.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.AppendResource(t.Context(), nil, tenant, ids[0], 0); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

const bareSQL = "SELECT " + store.ResourceColumns +
	" FROM resources WHERE id = $1 AND tenant_id = $2 AND deleted_at IS NULL"

// bareGet is what a service by hand has: a query on a pgx pool, and the row's bytes appended as JSON.
func bareGet(ctx context.Context, s *store.Store, dst []byte, tenant, id store.ID) ([]byte, error) {
	rows, err := s.Pool().Query(ctx, bareSQL, store.ResourceFormats, id, tenant)
	if err != nil {
		return dst, err
	}
	defer rows.Close()
	if !rows.Next() {
		return dst, errors.Join(rows.Err(), store.ErrNotFound)
	}
	dst = store.AppendResourceJSON(dst, rows.RawValues())
	rows.Close()
	return dst, rows.Err()
}

// The same bytes, by one query a get as one writes it with pgx, and by this store. Compare them in one run.
func BenchmarkGet(b *testing.B) {
	s, tenant := openStoreWith(b, store.Options{MaxConns: 16}), newID()
	ids := fillResources(b, s, tenant, 1000)
	for name, get := range map[string]func(context.Context, []byte, store.ID) ([]byte, error){
		"bare": func(ctx context.Context, dst []byte, id store.ID) ([]byte, error) {
			return bareGet(ctx, s, dst, tenant, id)
		},
		"store": func(ctx context.Context, dst []byte, id store.ID) ([]byte, error) {
			return s.AppendResource(ctx, dst, tenant, id, 0)
		},
	} {
		for _, callers := range []int{1, 8, 32, 128} {
			b.Run(fmt.Sprintf("%s/callers=%d", name, callers), func(b *testing.B) {
				b.ReportAllocs()
				var wg sync.WaitGroup
				for c := range callers {
					wg.Go(func() {
						buffer := make([]byte, 0, 4096)
						for i := c; i < b.N; i += callers {
							if _, err := get(context.Background(), buffer, ids[i*7919%len(ids)]); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				wg.Wait()
			})
		}
	}
}
