package store_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/policycortex/headroom/server/store"
)

// A database that was empty when the connections prepared their statements has good plans soon after a bulk load.
func TestBulkLoadsAreAnalyzed(t *testing.T) {
	url := newMigrated(t)
	s, conn := openStoreWith(t, store.Options{URL: url, MaxConns: 2}), connect(t, url)
	analyzed := func() (n int) {
		t.Helper()
		if err := conn.QueryRow(t.Context(),
			"SELECT analyze_count FROM pg_stat_user_tables WHERE relname = 'resources'").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	tenant, next := newID(), 0
	load := func(n int) {
		t.Helper()
		batch := make([]store.NewResource, n)
		for i := range batch {
			batch[i] = newResource(next)
			next++
		}
		if _, _, err := s.InsertResources(t.Context(), tenant, batch); err != nil {
			t.Fatal(err)
		}
	}
	due := func() bool {
		select {
		case <-s.BulkLoaded():
			return true
		default:
			return false
		}
	}
	for i, n := range []int{999, 1, 500, 500, 1000} {
		before := analyzed()
		load(n)
		if got, want := due(), i == 1 || i == 3; got != want {
			t.Errorf("load %d, of %d: analyzing is due: %v, want %v", i, n, got, want)
		} else if got {
			if err := s.Analyze(t.Context()); err != nil {
				t.Fatal(err)
			}
			await(t, "it is analyzed", func() bool { return analyzed() == before+1 })
		}
	}
	plan, err := s.Explain(t.Context(), store.GetSQL)
	if err != nil || !strings.Contains(plan, "resources_pkey") {
		t.Errorf("a get has the plan %s (error %v), want the primary key", plan, err)
	}
}

// TestMaintenanceMayTakeLonger than a statement for a request (statement_timeout: 5 s), and waits longer for its locks
// (lock_timeout: 1 s).
func TestMaintenanceMayTakeLonger(t *testing.T) {
	t.Parallel()
	url := newMigrated(t)
	s, conn := openStoreWith(t, store.Options{URL: url, MaxConns: 4}), connect(t, url)
	if _, _, err := s.InsertResources(t.Context(), newID(), []store.NewResource{newResource(0)}); err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{
		`CREATE FUNCTION slow(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS
			$$ BEGIN IF current_query() LIKE 'ANALYZE%' THEN PERFORM pg_sleep(5.2); END IF; RETURN $1; END $$`,
		"CREATE INDEX ON resources (slow(name))",
		"CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(5.2); RETURN OLD; END $$",
		"CREATE TRIGGER slow BEFORE DELETE ON cache_entries FOR EACH ROW EXECUTE FUNCTION slow()",
		"INSERT INTO cache_entries (key, tenant_id, version, value, expires_at) VALUES ('k', gen_random_uuid(), 1, " +
			"'', now() - interval '1 second')",
		"BEGIN", "ANALYZE mv_compliance_summary", // its lock is held until the transaction ends
	} {
		mustExec(t, conn, sql)
	}
	var all sync.WaitGroup
	defer all.Wait()
	for name, do := range map[string]func() error{
		"analyze": func() error { return s.Analyze(t.Context()) },
		"expire":  func() error { _, err := s.ExpireCacheEntries(t.Context()); return err },
		"refresh": func() error { _, _, err := s.RefreshComplianceSummary(t.Context()); return err },
	} {
		all.Go(func() {
			if err := do(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	time.Sleep(1500 * time.Millisecond)
	mustExec(t, conn, "COMMIT")
}
