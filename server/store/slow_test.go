package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/policycortex/headroom/server/store"
)

// Every query is slow to a threshold of a nanosecond. Their parameters are not in their texts.
func TestSlowQueriesKeepShapes(t *testing.T) {
	s, tenant := openStoreWith(t, store.Options{MaxConns: 2, SlowQuery: time.Nanosecond}), newID()
	const secret = "what-texts-do-not-have"
	id := fillResources(t, s, tenant, 1)[0]
	for range 3 {
		if _, err := s.AppendResource(t.Context(), nil, tenant, id, 0); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := s.AppendResources(t.Context(), nil,
		store.ListQuery{Tenant: tenant, Filter: store.Filter{Location: secret}, Limit: 5}, 0); err != nil {
		t.Fatal(err)
	}
	counts := map[string]int64{}
	for _, q := range s.SlowQueries() {
		counts[q.Name] += q.Count
		if q.Slowest <= 0 || q.Replica != 0 || time.Since(q.Last) > time.Minute ||
			!strings.HasPrefix(q.SQL, "-- name: "+q.Name+"\n") {
			t.Errorf("kept %+v", q)
		}
		if strings.Contains(q.SQL, secret) {
			t.Errorf("a parameter is in %+v", q)
		}
		if q.Parameters == nil || q.NotKept != "" ||
			q.Name == "list_resources" && !slices.Contains(q.Parameters, secret) {
			t.Errorf("the parameters of %s are %v (%s)", q.Name, q.Parameters, q.NotKept)
		}
		plan, err := s.Explain(t.Context(), q.SQL)
		if err != nil || !strings.Contains(plan, "resources") || strings.Contains(plan, "actual time") {
			t.Errorf("the plan of %s is %s (error %v)", q.Name, plan, err)
		}
	}
	if want := (map[string]int64{
		"insert_resources": 1, "get_resource": 3,
		"list_resources": 1,
	}); fmt.Sprint(counts) != fmt.Sprint(want) {
		t.Errorf("slow were %v, want %v", counts, want)
	}
	if page, _, err := s.AppendResources(t.Context(), nil, store.ListQuery{Tenant: tenant, Limit: 5}, 0); err != nil ||
		strings.Count(string(page), `"id"`) != 1 {
		t.Errorf("after explaining the insert there are %s (error %v), want the one resource", page, err)
	}
}

func TestFastQueriesAreNotKept(t *testing.T) {
	s := openStoreWith(t, store.Options{MaxConns: 2, SlowQuery: time.Hour})
	s.AppendResource(t.Context(), nil, newID(), newID(), 0)
	if slow := s.SlowQueries(); len(slow) != 0 {
		t.Errorf("kept %+v", slow)
	}
}

// Of more shapes than there is room for, the slowest stay.
func TestSlowestShapesStay(t *testing.T) {
	slow := store.NewSlowQueries()
	now := time.Now()
	for i := range 100 {
		slow.Note(fmt.Sprintf("-- name: q%d\nSELECT", i*37%100), time.Duration(i*37%100)*time.Millisecond,
			i%2 == 0, now)
	}
	slow.Note("-- name: q99\nSELECT", time.Millisecond, true, now.Add(time.Second))
	kept := slow.List()
	if len(kept) != 32 {
		t.Fatalf("%d shapes are kept, want 32", len(kept))
	}
	for i, q := range kept {
		if want := fmt.Sprintf("q%d", 99-i); q.Name != want || q.Slowest != time.Duration(99-i)*time.Millisecond {
			t.Errorf("place %d has %s, %s; want %s", i, q.Name, q.Slowest, want)
		}
	}
	if q := kept[0]; q.Count != 2 || q.Replica != 1 || !q.Last.Equal(now.Add(time.Second)) {
		t.Errorf("the slowest is %+v, want it counted twice", q)
	}
}

// The months of costs decide which partitions are read: a plan for certain days names only theirs.
func TestPlansOfSlowQueriesAreForTheirParameters(t *testing.T) {
	s := openStoreWith(t, store.Options{MaxConns: 2, SlowQuery: time.Nanosecond})
	_, err := s.MaintainCosts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	month := time.Now().UTC().AddDate(0, -3, 0)
	q := store.CostQuery{Tenant: newID(), From: month, To: month}
	if _, err := s.AppendCostTotals(t.Context(), nil, q, 0); err != nil {
		t.Fatal(err)
	}
	slow := s.SlowQueries()
	i := slices.IndexFunc(slow, func(q store.SlowQuery) bool { return q.Name == "cost_totals" })
	if i < 0 {
		t.Fatalf("slow were %+v", slow)
	}
	plan, err := s.ExplainWith(t.Context(), slow[i].SQL, slow[i].Parameters)
	if err != nil {
		t.Fatal(err)
	}
	generic, err := s.Explain(t.Context(), slow[i].SQL)
	if err != nil {
		t.Fatal(err)
	}
	its, other := month.Format("cost_data_200601"), month.AddDate(0, -2, 0).Format("cost_data_200601")
	if !strings.Contains(plan, its) || strings.Contains(plan, other) || strings.Contains(plan, "$1") ||
		strings.Contains(plan, "actual") {
		t.Errorf("for the parameters: %s", plan)
	}
	if !strings.Contains(generic, "Subplans Removed") { // when it begins, and knows the parameters
		t.Errorf("for any: %s", generic)
	}
}

// The slowest execution's parameters are kept, as they were, if they are not too many.
func TestParametersOfTheSlowest(t *testing.T) {
	slow, now, names := store.NewSlowQueries(), time.Now(), []string{"a", "b"}
	const sql = "-- name: q\nSELECT"
	execute := func(ms int, args ...any) store.SlowQuery {
		took := time.Duration(ms) * time.Millisecond
		slow.Note(sql, took, false, now)
		slow.Keep(sql, took, args...)
		return slow.List()[0]
	}
	execute(20, pgx.QueryExecModeCacheDescribe, names, 7)
	names[0] = "changed"
	if q := execute(10, "faster"); fmt.Sprint(q.Parameters) != "[[a b] 7]" || q.NotKept != "" {
		t.Errorf("kept %v, %q", q.Parameters, q.NotKept)
	}
	if q := execute(30, []string{strings.Repeat("x", 40<<10)}, strings.Repeat("y", 30<<10)); q.Parameters != nil ||
		!strings.Contains(q.NotKept, "65536 bytes") {
		t.Errorf("kept %d parameters, %q", len(q.Parameters), q.NotKept)
	}
	if q := execute(40, struct{}{}); q.Parameters != nil || !strings.Contains(q.NotKept, "struct {}") {
		t.Errorf("kept %v, %q", q.Parameters, q.NotKept)
	}
	if q := execute(50); q.Parameters == nil || len(q.Parameters) != 0 {
		t.Errorf("without any, kept %v, %q", q.Parameters, q.NotKept)
	}
}

func TestStatementsAreThoseOfPostgres(t *testing.T) {
	s, tenant := openStore(t), newID()
	id := fillResources(t, s, tenant, 1)[0]
	for range 3 {
		if _, err := s.AppendResource(t.Context(), nil, tenant, id, 0); err != nil {
			t.Fatal(err)
		}
	}
	all, err := s.Statements(t.Context(), 1000)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(all, func(st store.Statement) bool { return strings.Contains(st.SQL, store.GetSQL) })
	if i < 0 {
		t.Fatalf("the get is not among %d statements", len(all))
	}
	if st := all[i]; st.Calls < 3 || st.Rows < 3 || st.Total <= 0 || st.Mean <= 0 || st.BlocksHit <= 0 {
		t.Errorf("the get is %+v", st)
	}
	if few, err := s.Statements(t.Context(), 2); err != nil || len(few) != 2 || few[0].Total < few[1].Total {
		t.Errorf("two statements are %+v (error %v), want the most expensive one first", few, err)
	}
}

func TestStatementsWithoutTheExtension(t *testing.T) {
	url := newMigrated(t)
	mustExec(t, connect(t, url), "DROP EXTENSION pg_stat_statements")
	s := openStoreWith(t, store.Options{URL: url, MaxConns: 2})
	if all, err := s.Statements(t.Context(), 10); !errors.Is(err, store.ErrNoStatements) {
		t.Errorf("got %v, error %v; want to hear that there are none", all, err)
	}
}

func BenchmarkTracer(b *testing.B) {
	s := openStoreWith(b, store.Options{MaxConns: 2})
	conn, err := s.Pool().Acquire(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Release()
	tracer := s.Pool().Config().ConnConfig.Tracer
	ctx, data := context.Background(), pgx.TraceQueryStartData{SQL: store.GetSQL}
	b.ReportAllocs()
	for b.Loop() {
		tracer.TraceQueryEnd(tracer.TraceQueryStart(ctx, conn.Conn(), data), conn.Conn(), pgx.TraceQueryEndData{})
	}
}
