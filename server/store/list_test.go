package store_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/policycortex/headroom/server/store"
)

// 7,000 resources of which 5,000 share one updated_at, and 70 deleted ones.
const fillTenant = `
INSERT INTO resources (id, tenant_id, azure_resource_id, subscription_id, resource_group_name, name, type, location,
                       tags, compliance_status, updated_at, deleted_at)
SELECT gen_random_uuid(), $1, 'r' || i, 's' || i % 3, 'rg' || i % 5, 'n' || i, 't' || i % 4, 'l' || i % 2,
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

	for name, c := range map[string]struct {
		filter store.Filter
		where  string
	}{
		"all":            {store.Filter{}, "true"},
		"subscription":   {store.Filter{SubscriptionID: "s1"}, "subscription_id = 's1'"},
		"type":           {store.Filter{Type: "t2"}, "type = 't2'"},
		"location":       {store.Filter{Location: "l1"}, "location = 'l1'"},
		"resource group": {store.Filter{ResourceGroup: "rg4"}, "resource_group_name = 'rg4'"},
		"status":         {store.Filter{ComplianceStatus: "exempt"}, "compliance_status = 'exempt'"},
		"tag":            {store.Filter{Tags: []store.Tag{{Key: "env", Value: "dev", HasValue: true}}}, "tags->>'env' = 'dev'"},
		"tag with colon": {store.Filter{Tags: []store.Tag{{Key: "team", Value: "a:b", HasValue: true}}}, "tags->>'team' = 'a:b'"},
		"tag key":        {store.Filter{Tags: []store.Tag{{Key: "env"}}}, "tags ? 'env'"},
		"tag and key": {
			store.Filter{Tags: []store.Tag{{Key: "env", Value: "prod", HasValue: true}, {Key: "team"}}},
			"tags @> '{\"env\":\"prod\"}' AND tags ? 'team'",
		},
		"one tag, two values": {
			store.Filter{Tags: []store.Tag{{Key: "env", Value: "dev", HasValue: true}, {Key: "env", Value: "prod", HasValue: true}}},
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
			rows, _ := conn.Query(t.Context(), "SELECT id FROM resources WHERE tenant_id = $1 AND deleted_at IS NULL AND "+
				c.where+" ORDER BY updated_at DESC, id DESC", tenant)
			want, err := pgx.CollectRows(rows, pgx.RowTo[store.ID])
			if err != nil {
				t.Fatal(err)
			}
			if len(want) == 0 && c.where != "false" {
				t.Fatal("no row matches: the test tests nothing")
			}
			if got := walk(t, s, tenant, c.filter, 97); !slices.Equal(got, want) {
				t.Errorf("walked %d resources, want %d in the database's order", len(got), len(want))
			}
		})
	}
}

func walk(t *testing.T, s *store.Store, tenant store.ID, filter store.Filter, limit int) []store.ID {
	t.Helper()
	var ids []store.ID
	q := store.ListQuery{Tenant: tenant, Filter: filter, Limit: limit}
	for {
		page, next, err := s.AppendResources(t.Context(), nil, q, 0)
		if err != nil {
			t.Fatal(err)
		}
		var resources []struct{ ID uuid.UUID }
		if err := json.Unmarshal(page, &resources); err != nil {
			t.Fatalf("%v in %.200s", err, page)
		}
		for _, r := range resources {
			ids = append(ids, r.ID)
		}
		if next == nil {
			return ids
		}
		if len(resources) != limit {
			t.Fatalf("a page of %d resources, want %d, as another follows", len(resources), limit)
		}
		q.After = next
	}
}

func TestLastPageThatIsFullHasNoNext(t *testing.T) {
	s, tenant := openStore(t), newID()
	if _, _, err := s.InsertResources(t.Context(), tenant, []store.NewResource{newResource(1), newResource(2)}); err != nil {
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
	mustExec(b, connect(b, postgresURL(b)), fillTenant, tenant)
	buffer := make([]byte, 0, 64<<10)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := s.AppendResources(b.Context(), buffer, store.ListQuery{Tenant: tenant, Limit: 20}, 0); err != nil {
			b.Fatal(err)
		}
	}
}
