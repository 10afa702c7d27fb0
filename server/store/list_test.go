package store_test

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/policycortex/headroom/server/store"
)

// 7,000 resources of which 5,000 share one updated_at, and 70 deleted ones.
const fillTenant = `
INSERT INTO resources (id, tenant_id, azure_resource_id, subscription_id, resource_group_name, name, type, location,
                       properties, tags, compliance_status, updated_at, deleted_at)
SELECT gen_random_uuid(), $1, 'r' || i, 's' || i % 3, 'rg' || i % 5, 'n' || i / 3, 't' || i % 4, 'l' || i % 2,
       jsonb_build_object('description', CASE i % 7 WHEN 0 THEN 'nightly backups of invoices' WHEN 1 THEN 'a backup' ELSE 'gateway' END),
       CASE i % 3 WHEN 0 THEN '{"env":"prod","team":"a:b"}'::jsonb WHEN 1 THEN '{"env":"dev"}' ELSE '{}' END,
       (ARRAY['unknown','compliant','non_compliant','exempt'])[1 + i % 4],
       CASE WHEN i <= 5000 THEN timestamptz '2026-03-01' ELSE timestamptz '2026-01-01' + i * interval '17 minutes' END,
       CASE WHEN i % 100 = 0 THEN now() END
  FROM generate_series(1, 7000) AS i`

func TestWalkDeliversEveryMatchingResourceOnceAndInOrder(t *testing.T) {
	s, conn := openStore(t), connect(t, postgresURL(t))
	tenant := newID()
	mustExec(t, conn, fillTenant, tenant)
	mustExec(t, conn, fillTenant, newID()) // another tenant's resources, the same in every filtered column

	two := 2
	for name, c := range map[string]struct {
		filter store.Filter
		where  string
	}{
		"tag count": {store.Filter{TagCount: &two}, "(SELECT count(*) FROM jsonb_object_keys(tags)) = 2"},
		// singular and plural
		"text": {store.Filter{Search: "backup"}, "properties->>'description' LIKE '%backup%'"},
		"text, two": {
			store.Filter{Search: "invoice -gateway nightly"},
			"properties->>'description' LIKE 'nightly%'",
		},
		"text, phrase": {store.Filter{Search: `"backups nightly"`}, "false"},
		"since": {
			store.Filter{UpdatedSince: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC).UnixMicro()},
			"updated_at >= '2026-03-01'",
		},
		"all":            {store.Filter{}, "true"},
		"subscription":   {store.Filter{SubscriptionID: "s1"}, "subscription_id = 's1'"},
		"type":           {store.Filter{Type: "t2"}, "type = 't2'"},
		"location":       {store.Filter{Location: "l1"}, "location = 'l1'"},
		"resource group": {store.Filter{ResourceGroup: "rg4"}, "resource_group_name = 'rg4'"},
		"status":         {store.Filter{ComplianceStatus: "exempt"}, "compliance_status = 'exempt'"},
		"tag": {
			store.Filter{Tags: []store.Tag{{Key: "env", Value: "dev", HasValue: true}}},
			"tags->>'env' = 'dev'",
		},
		"tag with colon": {
			store.Filter{Tags: []store.Tag{{Key: "team", Value: "a:b", HasValue: true}}},
			"tags->>'team' = 'a:b'",
		},
		"tag key": {store.Filter{Tags: []store.Tag{{Key: "env"}}}, "tags ? 'env'"},
		"tag and key": {
			store.Filter{Tags: []store.Tag{{Key: "env", Value: "prod", HasValue: true}, {Key: "team"}}},
			"tags @> '{\"env\":\"prod\"}' AND tags ? 'team'",
		},
		"one tag, two values": {
			store.Filter{Tags: []store.Tag{
				{Key: "env", Value: "dev", HasValue: true},
				{Key: "env", Value: "prod", HasValue: true},
			}},
			"false",
		},
		"no such tag": {store.Filter{Tags: []store.Tag{{Key: `quote" \ and`, Value: "\n", HasValue: true}}}, "false"},
		"everything": {
			store.Filter{
				SubscriptionID: "s0", Type: "t0", Location: "l0", ResourceGroup: "rg2", ComplianceStatus: "unknown",
				Tags: []store.Tag{{Key: "env", Value: "prod", HasValue: true}},
			},
			"subscription_id = 's0' AND type = 't0' AND location = 'l0' AND resource_group_name = 'rg2' " +
				"AND compliance_status = 'unknown' AND tags->>'env' = 'prod'",
		},
	} {
		t.Run(name, func(t *testing.T) {
			for order, by := range map[store.Order]string{
				store.UpdatedDescending: "updated_at DESC, id DESC", store.UpdatedAscending: "updated_at, id",
				store.NameAscending: `name COLLATE "C", id`, store.NameDescending: `name COLLATE "C" DESC, id DESC`,
			} {
				rows, _ := conn.Query(t.Context(),
					"SELECT id FROM resources WHERE tenant_id = $1 AND deleted_at IS NULL AND "+
						c.where+" ORDER BY "+by, tenant)
				want, err := pgx.CollectRows(rows, pgx.RowTo[store.ID])
				if err != nil {
					t.Fatal(err)
				}
				if len(want) == 0 && c.where != "false" {
					t.Fatal("no row matches: the test tests nothing")
				}
				if got := walk(t, s, store.ListQuery{
					Tenant: tenant, Filter: c.filter, Order: order,
					Limit: 499,
				}); !slices.Equal(got, want) {
					t.Errorf("walked %d resources by %s, want %d in the database's order", len(got), by, len(want))
				}
				checkTotal(t, s, tenant, c.filter, len(want))
				checkSkip(t, s, store.ListQuery{
					Tenant: tenant, Filter: c.filter, Order: order, Limit: 10,
					Skip: 45,
				}, want)
			}
		})
	}
}

// checkTotal: what is counted is exact, up to a limit beyond which it is said not to be.
func checkTotal(t *testing.T, s *store.Store, tenant store.ID, f store.Filter, want int) {
	t.Helper()
	total, err := s.CountResources(t.Context(), tenant, f, 0)
	if err != nil || total.Exact && total.Resources != int64(want) || !total.Exact &&
		(want <= 1000 || total.Resources <= 1000) {
		t.Errorf("total is %+v (error %v) of %d", total, err, want)
	}
	if estimate, err := s.EstimateResources(t.Context(), tenant, f, 0); err != nil || estimate.Exact && want > 0 {
		t.Errorf("estimate is %+v, error %v", estimate, err)
	}
}

func checkSkip(t *testing.T, s *store.Store, q store.ListQuery, all []store.ID) {
	t.Helper()
	page, next, err := s.AppendResources(t.Context(), nil, q, 0)
	if err != nil {
		t.Fatal(err)
	}
	want := all[min(q.Skip, len(all)):min(q.Skip+q.Limit, len(all))]
	if got := idsOf(t, page); !slices.Equal(got, want) || (next != nil) != (len(all) > q.Skip+q.Limit) {
		t.Errorf("after %d of %d there are %d, next %v; want %d", q.Skip, len(all), len(got), next, len(want))
	}
}

// idsOf does not read all of the JSON: with the race detector that takes as long as everything else.
func idsOf(t testing.TB, page []byte) (ids []store.ID) {
	t.Helper()
	for rest := page; ; {
		_, after, found := bytes.Cut(rest, []byte(`{"id":"`))
		if !found {
			return ids
		}
		text, after, _ := bytes.Cut(after, []byte(`"`))
		id, err := uuid.ParseBytes(text)
		if err != nil {
			t.Fatalf("%v in %.200s", err, page)
		}
		ids, rest = append(ids, id), after
	}
}

func walk(t *testing.T, s *store.Store, q store.ListQuery) []store.ID {
	t.Helper()
	var all []store.ID
	for {
		page, next, err := s.AppendResources(t.Context(), nil, q, 0)
		if err != nil {
			t.Fatal(err)
		}
		ids := idsOf(t, page)
		all = append(all, ids...)
		if next == nil {
			return all
		}
		if len(ids) != q.Limit {
			t.Fatalf("a page of %d resources, want %d, as another follows", len(ids), q.Limit)
		}
		q.After = next
	}
}

func TestLastPageThatIsFullHasNoNext(t *testing.T) {
	s, tenant := openStore(t), newID()
	if _, _, err := s.InsertResources(t.Context(), tenant,
		[]store.NewResource{newResource(1), newResource(2)}); err != nil {
		t.Fatal(err)
	}
	for limit, wantNext := range map[int]bool{1: true, 2: false, 3: false} {
		_, next, err := s.AppendResources(t.Context(), nil, store.ListQuery{Tenant: tenant, Limit: limit}, 0)
		if err != nil || (next != nil) != wantNext {
			t.Errorf("limit %d: next is %v (error %v), want one: %v", limit, next, err, wantNext)
		}
	}
}

func BenchmarkAppendResources(b *testing.B) {
	s, tenant := openStore(b), newID()
	conn := connect(b, postgresURL(b))
	mustExec(b, conn, fillTenant, tenant)
	mustExec(b, conn, "ANALYZE resources") // until then the planner knows nothing of the tenant, and a page takes 3 ms
	buffer := make([]byte, 0, 64<<10)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := s.AppendResources(b.Context(), buffer, store.ListQuery{Tenant: tenant, Limit: 20},
			0); err != nil {
			b.Fatal(err)
		}
	}
}
