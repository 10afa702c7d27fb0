package store_test

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/pressly/goose/v3/lock"

	"github.com/policycortex/headroom/server/store"
)

func TestServersThatStartTogetherMigrateOnce(t *testing.T) {
	t.Parallel()
	url := newDatabase(t)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if err := store.Migrate(t.Context(), url); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	var applied int
	err := connect(t, url).QueryRow(t.Context(),
		"SELECT count(*) FROM goose_db_version WHERE version_id = 1").Scan(&applied)
	if err != nil || applied != 1 {
		t.Errorf("the first migration was applied %d times (error %v), want once", applied, err)
	}
}

func TestMigrationWaitsForTheOneUnderWay(t *testing.T) {
	t.Parallel()
	url := newDatabase(t)
	other := connect(t, url)
	mustExec(t, other, "SELECT pg_advisory_lock($1)", lock.DefaultLockID)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := store.Migrate(ctx, url); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Migrate returned %v, want it to wait for the lock until its time was up", err)
	}
	mustExec(t, other, "SELECT pg_advisory_unlock($1)", lock.DefaultLockID)
	if err := store.Migrate(t.Context(), url); err != nil {
		t.Error(err)
	}
}

func TestOpenWithoutPostgres(t *testing.T) {
	for _, url := range []string{"postgres://nobody@127.0.0.1:1/none", "not a URL"} {
		if s, err := store.Open(t.Context(), store.Options{URL: url}); err == nil {
			s.Close()
			t.Errorf("%s was opened", url)
		}
	}
}

func TestGetReturnsWhatWasInserted(t *testing.T) {
	s, tenant := openStore(t), newID()
	in := store.NewResource{
		AzureResourceID: "/subscriptions/\"quoted\"\\back\n\t\x01slash", SubscriptionID: "sub", ResourceGroupName: "rg",
		Name: "na\u2028me \u00e9 \U0001f600", Type: "t", Location: "l",
		Properties: json.RawMessage(
			`{"size": 3, "text": "a\"b\ud83d\ude00 \u20ac \\u0000", "deep": [{"x": null}], "n": 1.50}`),
		Tags: map[string]string{"env": "prod", "we\"ird": "\\"},
	}
	inserted, _, err := s.InsertResources(t.Context(), tenant, []store.NewResource{in})
	if err != nil || len(inserted.Created) != 1 {
		t.Fatalf("inserted %v, error %v", inserted, err)
	}
	body, err := s.AppendResource(t.Context(), []byte("before"), tenant, inserted.Created[0], 0)
	if err != nil {
		t.Fatal(err)
	}
	var out struct {
		store.NewResource
		ID               uuid.UUID
		ComplianceStatus string    `json:"compliance_status"`
		CreatedAt        time.Time `json:"created_at"`
		UpdatedAt        time.Time `json:"updated_at"`
	}
	if err := json.Unmarshal(body[len("before"):], &out); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	if out.ID != uuid.UUID(inserted.Created[0]) || out.ComplianceStatus != "unknown" || out.CreatedAt.IsZero() ||
		!out.UpdatedAt.Equal(out.CreatedAt) {
		t.Errorf("got %s", body)
	}
	if !sameJSON(t, out.Properties, in.Properties) {
		t.Errorf("properties are %s, want %s", out.Properties, in.Properties)
	}
	out.Properties, in.Properties = nil, nil
	if !reflect.DeepEqual(out.NewResource, in) {
		t.Errorf("got %+v, want %+v", out.NewResource, in)
	}
	var stored time.Time
	err = connect(t, postgresURL(t)).QueryRow(t.Context(), "SELECT updated_at FROM resources WHERE id = $1",
		inserted.Created[0]).Scan(&stored)
	if err != nil || !stored.Equal(out.UpdatedAt) {
		t.Errorf("updated_at is %s, stored %s (error %v)", out.UpdatedAt, stored, err)
	}
}

func sameJSON(t *testing.T, a, b []byte) bool {
	t.Helper()
	var x, y any
	if err := errors.Join(json.Unmarshal(a, &x), json.Unmarshal(b, &y)); err != nil {
		t.Fatal(err)
	}
	return reflect.DeepEqual(x, y)
}

func TestGetFindsNothing(t *testing.T) {
	s, tenant := openStore(t), newID()
	inserted, _, err := s.InsertResources(t.Context(), tenant, []store.NewResource{newResource(1), newResource(2)})
	if err != nil {
		t.Fatal(err)
	}
	alive, deleted := inserted.Created[0], inserted.Created[1]
	mustExec(t, connect(t, postgresURL(t)), "UPDATE resources SET deleted_at = now() WHERE id = $1", deleted)
	if _, err := s.AppendResource(t.Context(), nil, tenant, alive, 0); err != nil {
		t.Errorf("the one that is there: %v", err)
	}
	for name, key := range map[string][2]store.ID{
		"another tenant's": {newID(), alive}, "a deleted one": {tenant, deleted}, "an unknown one": {tenant, newID()},
	} {
		if body, err := s.AppendResource(t.Context(), nil, key[0], key[1], 0); !errors.Is(err, store.ErrNotFound) ||
			len(body) > 0 {
			t.Errorf("%s: %s, error %v, want ErrNotFound", name, body, err)
		}
	}
}

func TestQueryStatsCountNamedQueriesOnly(t *testing.T) {
	s, tenant := openStore(t), newID()
	for range 3 {
		s.AppendResource(t.Context(), nil, tenant, newID(), 0)
	}
	for range 2 {
		if _, _, err := s.AppendResources(t.Context(), nil, store.ListQuery{Tenant: tenant, Limit: 1}, 0); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := s.InsertResources(t.Context(), tenant, []store.NewResource{newResource(1)}); err != nil {
		t.Fatal(err)
	}
	if err := s.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	checkCounts(t, s, map[string][2]int64{"get_resource": {3, 0}, "list_resources": {2, 0}, "insert_resources": {1, 0}})

	// A query that waits for a table lock until its caller gives up has failed, and has taken some time.
	tx, err := connect(t, postgresURL(t)).Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.Background())
	if _, err := tx.Exec(t.Context(), "LOCK TABLE resources"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond) // long enough for the query to be sent
	defer cancel()
	if _, err := s.AppendResource(ctx, nil, tenant, newID(), 0); err == nil || errors.Is(err, store.ErrNotFound) {
		t.Fatalf("reading a locked table: %v, want a failure", err)
	}
	checkCounts(t, s, map[string][2]int64{"get_resource": {4, 1}, "list_resources": {2, 0}, "insert_resources": {1, 0}})
	if longest := s.QueryStats()["get_resource"].Durations.Max(); longest < 40_000 {
		t.Errorf("the longest query took %d µs, want most of the 300 ms that it waited", longest)
	}
}

func checkCounts(t *testing.T, s *store.Store, want map[string][2]int64) {
	t.Helper()
	got := map[string][2]int64{}
	for name, q := range s.QueryStats() {
		got[name] = [2]int64{q.Durations.TotalCount(), q.Errors}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("counts and errors are %v, want %v", got, want)
	}
}

func TestPoolStatsCountWaits(t *testing.T) {
	s, err := store.Open(t.Context(), store.Options{URL: postgresURL(t), MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	before, rounds := s.PoolStats(), int64(0)
	// Nothing tells when the second one has begun to wait, so it is given another chance until it has.
	for s.PoolStats().Waits == before.Waits {
		rounds++
		if rounds > 1000 {
			t.Fatal("no acquire of 1000 has waited for the only connection, which was taken")
		}
		conn, err := s.Pool().Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error)
		go func() { done <- s.Ping(t.Context()) }()
		time.Sleep(5 * time.Millisecond)
		conn.Release()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	after := s.PoolStats()
	if after.Acquires-before.Acquires != 2*rounds || after.Waits != before.Waits+1 || after.Waited <= before.Waited ||
		after.MaxConns != 1 {
		t.Errorf("pool went from %+v to %+v in %d rounds, want two acquires a round and one wait", before,
			after, rounds)
	}
}

func BenchmarkAppendResource(b *testing.B) {
	s, tenant := openStore(b), newID()
	inserted, _, err := s.InsertResources(b.Context(), tenant, []store.NewResource{newResource(1)})
	if err != nil {
		b.Fatal(err)
	}
	buffer := make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.AppendResource(b.Context(), buffer, tenant, inserted.Created[0], 0); err != nil {
			b.Fatal(err)
		}
	}
}
