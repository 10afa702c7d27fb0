package store_test

import (
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/policycortex/headroom/server/store"
)

// onEveryConnection calls f with each connection of both pools. All are held until the end, so that each is another.
func onEveryConnection(t *testing.T, s *store.Store, f func(server string, conn *pgx.Conn)) {
	t.Helper()
	for server, pool := range s.Pools() {
		for range s.PoolStats().MaxConns {
			conn, err := pool.Acquire(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Release()
			f(server, conn.Conn())
		}
	}
}

func TestEveryConnectionHasTheSettings(t *testing.T) {
	want := map[string]string{
		"statement_timeout": "2500", "lock_timeout": "300", "idle_in_transaction_session_timeout": "10000",
		"application_name": "headroom", "jit": "off", "max_parallel_workers_per_gather": "0", "random_page_cost": "1.1",
	}
	s, connections := openReplicated(t, store.Options{
		StatementTimeout: 2500 * time.Millisecond, LockTimeout: 300 * time.Millisecond,
	}), 0
	onEveryConnection(t, s, func(server string, conn *pgx.Conn) {
		connections++
		rows, err := conn.Query(t.Context(), "SELECT name, setting, source FROM pg_settings WHERE source = 'client'")
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		var name, setting, source string
		if _, err := pgx.ForEachRow(rows, []any{&name, &setting, &source}, func() error {
			if _, ours := want[name]; ours {
				got[name] = setting
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("a connection to the %s has %v, want %v", server, got, want)
		}
	})
	if connections != 8 {
		t.Errorf("%d connections were looked at, want 4 to each server", connections)
	}
}

// No request finds a statement to be prepared: a connection has the hot ones before its first query.
func TestEveryConnectionHasTheHotStatements(t *testing.T) {
	s := openReplicated(t, store.Options{})
	onEveryConnection(t, s, func(server string, conn *pgx.Conn) {
		rows, err := conn.Query(t.Context(), "SELECT statement FROM pg_prepared_statements")
		if err != nil {
			t.Fatal(err)
		}
		prepared, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		for _, sql := range store.HotStatements() {
			if !strings.Contains(strings.Join(prepared, "\x00")+"\x00", sql+"\x00") {
				t.Errorf("a connection to the %s does not have %.60q", server, sql)
			}
		}
	})
}

// What is prepared must be what is run: a first get, list and insert prepare nothing.
func TestHotStatementsAreThoseThatAreRun(t *testing.T) {
	s, tenant := openStoreWith(t, store.Options{MaxConns: 1}), newID()
	count := func() (n int) {
		t.Helper()
		err := s.Read(t.Context(), 0, func(conn *pgx.Conn) error {
			return conn.QueryRow(t.Context(), "SELECT count(*) FROM pg_prepared_statements").Scan(&n)
		})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	count() // prepares itself
	before := count()
	id := fillResources(t, s, tenant, 1)[0]
	if _, err := s.AppendResource(t.Context(), nil, tenant, id, 0); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.AppendResources(t.Context(), nil, store.ListQuery{Tenant: tenant, Limit: 20}, 0); err != nil {
		t.Fatal(err)
	}
	if after := count(); after != before {
		t.Errorf("%d statements were prepared by the first requests", after-before)
	}
}

func TestPoolSize(t *testing.T) {
	for _, c := range []struct{ cpus, free, want int }{
		{1, 1000, 8}, {2, 1000, 8}, {4, 1000, 16}, {16, 1000, 64}, {128, 1000, 64}, // what the CPUs can use
		{16, 100, 50}, {16, 20, 10}, {2, 5, 2}, {2, 4, 2}, // half of what is free
		{2, 3, 0}, {2, 0, 0}, {2, -5, 0}, // nothing to begin with
	} {
		got, err := store.PoolSize(c.cpus, c.free)
		if got != c.want || (err != nil) != (c.want == 0) || err != nil &&
			!strings.Contains(err.Error(), "max_connections") {
			t.Errorf("%d CPUs, %d free: %d, error %v; want %d", c.cpus, c.free, got, err, c.want)
		}
	}
}

// A server with few connections left gets a small pool, and one with none an error that says what to do.
func TestPoolFitsTheServer(t *testing.T) {
	url := postgresURL(t)
	var free int
	conn := connect(t, url)
	freeSQL := `SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
		- (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')::int`
	if err := conn.QueryRow(t.Context(), freeSQL).Scan(&free); err != nil {
		t.Fatal(err)
	}
	s := openStoreWith(t, store.Options{})
	want, err := store.PoolSize(runtime.NumCPU(), free)
	if got := s.PoolStats().MaxConns; err != nil || got != want {
		t.Errorf("with %d connections free the pool has %d, want %d (error %v)", free, got, want, err)
	}
	s.Close()
	for range free - 5 {
		connect(t, url)
	}
	await(t, "a pool of two connections", func() bool { // those of other tests may still be on their way out
		s := openStoreWith(t, store.Options{})
		defer s.Close()
		return s.PoolStats().MaxConns == 2
	})
	for range 3 {
		connect(t, url)
	}
	if s, err := store.Open(t.Context(), store.Options{URL: url}); err == nil ||
		!strings.Contains(err.Error(), "max_connections") {
		t.Errorf("a full server: error %v, want to hear of max_connections", err)
		if err == nil {
			s.Close()
		}
	}
}

// The way to a connection and back: router, breaker, pool, measurement. It is what a read costs beside its query.
func BenchmarkRead(b *testing.B) {
	s := openStoreWith(b, store.Options{MaxConns: 2})
	query := func(*pgx.Conn) error { return nil }
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Read(b.Context(), 0, query); err != nil {
			b.Fatal(err)
		}
	}
}
