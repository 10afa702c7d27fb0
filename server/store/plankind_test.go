package store_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/policycortex/headroom/server/store"
)

// A statement whose plan Postgres keeps is planned each time while PlanAnew says so, and kept again afterwards. The one
// connection of the pool knows how often it has run the statement by which kind of plan.
func TestPlanAnew(t *testing.T) {
	t.Parallel()
	s := openStoreWith(t, store.Options{MaxConns: 1, SlowQuery: time.Nanosecond})
	list := func() {
		t.Helper()
		for range 8 {
			_, _, err := s.AppendPolicies(t.Context(), nil, store.PolicyQuery{Tenant: newID(), Limit: 10}, 0)
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	kinds := func() (generic, custom int) {
		t.Helper()
		err := s.Pool().QueryRow(t.Context(), "SELECT coalesce(sum(generic_plans), 0), coalesce(sum(custom_plans), 0) "+
			"FROM pg_prepared_statements WHERE statement LIKE '-- name: list_policies%'").Scan(&generic, &custom)
		if err != nil {
			t.Fatal(err)
		}
		return generic, custom
	}
	list()
	generic, custom := kinds()
	if generic != 3 || custom != 5 {
		t.Fatalf("Postgres has planned %d times for all parameters and %d times for these, want 3 and 5", generic,
			custom)
	}
	slow := s.SlowQueries()
	if len(slow) != 1 || !slow[0].Kept || slow[0].Total < slow[0].Slowest || !store.CanPlanAnew(slow[0].SQL) {
		t.Fatalf("the slow statements are %+v", slow)
	}
	s.PlanAnew(slow[0].SQL, true)
	list()
	if g, c := kinds(); g != generic || c != custom || !s.IsPlannedAnew(slow[0].SQL) || s.PlannedAnew() != 1 {
		t.Errorf("the kept plan was used %d times", g+c-generic-custom)
	}
	if now := s.SlowQueries(); len(now) != 1 || now[0].Kept || now[0].Count != 16 {
		t.Errorf("the slow statements are %+v", now)
	}
	s.PlanAnew(slow[0].SQL, false)
	list()
	if g, _ := kinds(); g != generic+8 || s.PlannedAnew() != 0 {
		t.Errorf("the kept plan was used %d times, want 8", g-generic)
	}
}

// The kind of plan is not offered for a statement that is run without asking for it.
func TestStatementsWithoutAChoiceOfPlan(t *testing.T) {
	t.Parallel()
	s := openStoreWith(t, store.Options{MaxConns: 1, SlowQuery: time.Nanosecond})
	_, _, err := s.AppendPolicies(t.Context(), nil, store.PolicyQuery{Tenant: newID(), Limit: 10}, 0)
	if err != nil {
		t.Fatal(err)
	}
	day := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	_, err = s.CostHistories(t.Context(), []store.CostHistoryQuery{{Tenant: newID(), From: day, To: day}}, 0)
	if err != nil {
		t.Fatal(err)
	}
	kept := map[string]bool{}
	for _, q := range s.SlowQueries() {
		kept[q.Name] = q.Kept
	}
	if !kept["list_policies"] || kept["cost_histories"] || len(kept) != 2 {
		t.Errorf("the plans that may be kept, unless PlanAnew forbids it: %v", kept)
	}
}

func TestHotStatementsAreNotPlannedAnew(t *testing.T) {
	for _, sql := range store.HotStatements() {
		if store.CanPlanAnew(sql) {
			t.Errorf("PlanAnew has no effect on %s", sql)
		}
	}
}

// Postgres takes a table that was never analyzed for another one, which AnalyzeTable ends. The statistics of partitions
// are told as those of their table.
func TestStatisticsOfTables(t *testing.T) {
	t.Parallel()
	url := newMigrated(t)
	s, conn := openStoreWith(t, store.Options{URL: url, MaxConns: 2}), connect(t, url)
	mustExec(t, conn, "ALTER TABLE policies SET (autovacuum_enabled = off)")
	mustExec(t, conn, "INSERT INTO policies (id, tenant_id, name, type, category, severity, definition) "+
		"SELECT gen_random_uuid(), gen_random_uuid(), 'p' || n, 't', 'c', 'high', '{}' FROM generate_series(1, 2000) n")
	statements := []string{"SELECT FROM policies p JOIN cost_data USING (tenant_id)"}
	of := func(table string) (found store.TableStatistics) {
		t.Helper()
		all, err := s.StatisticsOf(t.Context(), statements)
		if err != nil || len(all) != 2 {
			t.Fatalf("the statistics are %+v, error %v", all, err)
		}
		for _, one := range all {
			if one.Name == table {
				found = one
			}
		}
		return found
	}
	expected := func() (rows int) {
		t.Helper()
		lines, err := conn.Query(t.Context(), "EXPLAIN SELECT FROM policies WHERE tenant_id = gen_random_uuid()")
		if err != nil {
			t.Fatal(err)
		}
		plan, err := pgx.CollectRows(lines, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		_, after, _ := strings.Cut(plan[0], "rows=")
		if _, err := fmt.Sscan(after, &rows); err != nil {
			t.Fatal(err)
		}
		return rows
	}
	await(t, "Postgres knows of the rows", func() bool { return of("policies").Changed == 2000 })
	if p := of("policies"); p.Rows != 2000 || !p.Never || p.Analyzed != 0 || expected() == 1 {
		t.Errorf("before, the statistics are %+v, and %d rows of a tenant are expected", p, expected())
	}
	if err := s.AnalyzeTable(t.Context(), "policies"); err != nil {
		t.Fatal(err)
	}
	await(t, "Postgres knows of it", func() bool { return !of("policies").Never })
	if p := of("policies"); p.Changed != 0 || p.Analyzed != 1 || s.TablesAnalyzed() != 1 || expected() != 1 {
		t.Errorf("after it, the statistics are %+v, and %d rows of a tenant are expected, want 1", p, expected())
	}
	if err := s.AnalyzeTable(t.Context(), `policies"; DROP TABLE policies; --`); err == nil {
		t.Error("a table that does not exist was analyzed")
	}
}
