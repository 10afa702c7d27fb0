package store_test

import (
	"encoding/json"
	"errors"
	"maps"
	"reflect"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/policycortex/headroom/server/store"
)

// TestFieldsAreThoseOfTheWhole: each field of a resource, and some together, are the same as in the whole resource: of
// a single one, and of lists by each kind of statement.
func TestFieldsAreThoseOfTheWhole(t *testing.T) {
	s, tenant := openStore(t), newID()
	all := []store.NewResource{newResource(0), newResource(1), newResource(2)}
	for i := range all {
		all[i].Tags, all[i].Properties = map[string]string{"env": "test"}, json.RawMessage(`{"description":"a disk"}`)
	}
	inserted, _, err := s.InsertResources(t.Context(), tenant, all)
	if err != nil {
		t.Fatal(err)
	}
	id := inserted.Created[1]
	body, err := s.AppendResource(t.Context(), nil, tenant, id, 0)
	if err != nil {
		t.Fatal(err)
	}
	var whole map[string]any
	if err := json.Unmarshal(body, &whole); err != nil {
		t.Fatal(err)
	}
	names := store.FieldNames()
	if !slices.Equal(slices.Sorted(slices.Values(names)), slices.Sorted(maps.Keys(whole))) {
		t.Fatalf("the fields are %v, and a resource has %v", names, whole)
	}
	sets := [][]string{names, {"tags", "id"}, {"properties", "version", "name"}}
	for _, name := range names {
		sets = append(sets, []string{name})
	}
	queries := []store.ListQuery{
		{},
		{Order: store.NameDescending},
		{Skip: 1},
		{Filter: store.Filter{SubscriptionID: whole["subscription_id"].(string)}},
		{Filter: store.Filter{Tags: []store.Tag{{Key: "env"}}}},
		{Filter: store.Filter{Search: "disk"}, Order: store.UpdatedAscending},
	}
	for _, set := range sets {
		fields, want := fieldsOf(t, set...), map[string]any{}
		for _, name := range set {
			want[name] = whole[name]
		}
		body, err := s.AppendResourceFields(t.Context(), nil, tenant, id, fields, 0)
		var one map[string]any
		if err := errors.Join(err, json.Unmarshal(body, &one)); err != nil || !reflect.DeepEqual(one, want) {
			t.Errorf("%v: %s, error %v; want %v", set, body, err, want)
		}
		for _, q := range queries {
			q.Tenant, q.Limit, q.Fields = tenant, 2, fields
			compareWithWhole(t, s, q, set)
		}
	}
	for _, missing := range []store.ID{newID(), id} {
		other := tenant
		if missing == id {
			other = newID()
		}
		if _, err := s.AppendResourceFields(t.Context(), nil, other, missing, fieldsOf(t, "name"), 0); !errors.Is(err,
			store.ErrNotFound) {
			t.Errorf("error %v, want none found", err)
		}
	}
	if _, err := s.DeleteResource(t.Context(), tenant, id, store.AnyVersion); err != nil {
		t.Fatal(err)
	}
	if body, err := s.AppendResourceFields(t.Context(), nil, tenant, id, fieldsOf(t, "name"), 0); !errors.Is(err,
		store.ErrNotFound) || len(body) != 0 {
		t.Errorf("of a deleted one: %s, error %v", body, err)
	}
}

// compareWithWhole compares a page, and the place after it, with those of the whole resources.
func compareWithWhole(t *testing.T, s *store.Store, q store.ListQuery, set []string) {
	t.Helper()
	body, next, err := s.AppendResources(t.Context(), nil, q, 0)
	if err != nil {
		t.Fatal(err)
	}
	q.Fields = 0
	wholeBody, wholeNext, err := s.AppendResources(t.Context(), nil, q, 0)
	if err != nil {
		t.Fatal(err)
	}
	var some, all []map[string]any
	if err := errors.Join(json.Unmarshal(body, &some), json.Unmarshal(wholeBody, &all)); err != nil {
		t.Fatal(err)
	}
	for _, r := range all {
		maps.DeleteFunc(r, func(name string, _ any) bool { return !slices.Contains(set, name) })
	}
	if len(all) == 0 || !reflect.DeepEqual(some, all) || !reflect.DeepEqual(next, wholeNext) {
		t.Errorf("%v of %+v: %s and %+v, want %v and %+v", set, q, body, next, all, wholeNext)
	}
}

// BenchmarkListFields is a page of 20 of a subscription: whole, a summary from the index alone, and without the two
// documents, which are most of a resource.
func BenchmarkListFields(b *testing.B) {
	s, conn := loadMany(b, 100_000)
	b.Run("sizes", func(b *testing.B) { reportCoveringIndex(b, conn) })
	subscription := samples(b, s, 1)[0].Subscription
	for _, c := range []struct {
		name   string
		fields []string
	}{
		{"whole", nil},
		{"summary", summaryFields},
		{"without documents", []string{"id", "version", "name", "type", "compliance_status"}},
	} {
		b.Run(c.name, func(b *testing.B) {
			q := store.ListQuery{
				Tenant: scaleTenant, Limit: 20, Filter: store.Filter{SubscriptionID: subscription},
				Fields: fieldsOf(b, c.fields...),
			}
			var page []byte
			b.ReportAllocs()
			for b.Loop() {
				var err error
				page, _, err = s.AppendResources(b.Context(), page[:0], q, 0)
				if err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(page)), "bytes/page")
		})
	}
}

// reportCoveringIndex reports the sizes of the table of resources, of the index that has summaries, and of one without
// their columns. All were built of rows that were there, and have no room for more.
func reportCoveringIndex(b *testing.B, conn *pgx.Conn) {
	b.Helper()
	mustExec(b, conn, `CREATE INDEX narrow ON resources (tenant_id, subscription_id, updated_at DESC, id DESC)
		WHERE deleted_at IS NULL`)
	for b.Loop() { // there is nothing to time, and it forgets what was reported before
	}
	for name, size := range map[string]string{
		"table": "pg_table_size('resources')", "indexes": "pg_indexes_size('resources') - pg_relation_size('narrow')",
		"covering": "pg_relation_size('idx_resources_subscription_covering')", "narrow": "pg_relation_size('narrow')",
	} {
		var bytes float64
		err := conn.QueryRow(b.Context(), "SELECT ("+size+")::float8").Scan(&bytes)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(bytes/(1<<20), "MiB-"+name)
	}
	mustExec(b, conn, "DROP INDEX narrow")
}
