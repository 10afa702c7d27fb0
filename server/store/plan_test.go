package store_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/policycortex/headroom/server/store"
)

// 16,000 resources of the tenant, 4,000 of others; 16 of the tenant's bear the tag "rare".
const fillForPlans = `
INSERT INTO resources (id, tenant_id, azure_resource_id, subscription_id, resource_group_name, name, type, location,
                       properties, tags, compliance_status, updated_at)
SELECT gen_random_uuid(), CASE WHEN i % 5 = 0 THEN md5((i % 9)::text)::uuid ELSE $1 END, 'r' || i,
       's' || i % 20, 'rg' || i % 200, 'n' || i, 't' || i % 31, 'l' || i % 12,
       jsonb_build_object('description', repeat('x', 400)),
       jsonb_build_object('env', 'e' || i % 3, 'team', 'team' || i % 40)
         || CASE WHEN i % 1000 = 1 THEN '{"rare":"yes"}'::jsonb ELSE '{}' END,
       (ARRAY['unknown','compliant','non_compliant','exempt'])[1 + i % 4],
       timestamptz '2026-01-01' + (i % 9000) * interval '10 minutes'
  FROM generate_series(1, 20000) AS i`

// Every shape of the list is held to the index that was made for it, both as it is planned for given values and as the
// generic plan, which Postgres may turn to after five executions.
func TestListPlans(t *testing.T) {
	url := newDatabase(t)
	if err := store.Migrate(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	conn, tenant := connect(t, url), newID()
	mustExec(t, conn, fillForPlans, tenant)
	mustExec(t, conn, "VACUUM ANALYZE resources")
	rare := []store.Tag{{Key: "rare", Value: "yes", HasValue: true}}

	for _, c := range []struct {
		name, index string
		filter      store.Filter
	}{
		{"all", "idx_resources_tenant_keyset", store.Filter{}},
		{"location", "idx_resources_location", store.Filter{Location: "l3"}},
		{"subscription", "idx_resources_subscription_covering", store.Filter{SubscriptionID: "s3"}},
		{"type", "idx_resources_hot_queries", store.Filter{Type: "t3"}},
		{"status", "idx_compliance_current_status", store.Filter{ComplianceStatus: "exempt"}},
		{"three", "idx_resources_multi_filter", store.Filter{SubscriptionID: "s3", Type: "t3", Location: "l3"}},
		{"rare tag", "idx_resources_tags_gin", store.Filter{Tags: rare}},
		{"rare tag key", "idx_resources_tags_gin", store.Filter{Tags: []store.Tag{{Key: "rare"}}}},
	} {
		for _, after := range []*store.Position{nil, {UpdatedAt: 1_769_000_000_000_000, ID: newID()}} {
			q := store.ListQuery{Tenant: tenant, Filter: c.filter, After: after, Limit: 20}
			t.Run(fmt.Sprintf("%s, cursor %t", c.name, after != nil), func(t *testing.T) {
				checkPlan(t, "custom", customPlan(t, conn, &q), c.index, after != nil)
				if c.filter.Tags == nil { // a generic plan cannot know that a tag is rare
					checkPlan(t, "generic", genericPlan(t, conn, &q), c.index, after != nil)
				}
			})
		}
	}
}

// indexStart matches a condition that the index itself resolves to the place where the page begins.
var indexStart = regexp.MustCompile(`"Index Cond": ".*ROW\(updated_at, id\) <`)

// checkPlan: the index gives the rows in order, from the cursor on. Matches of the tag index, which has no order, are
// sorted; they are few.
func checkPlan(t *testing.T, kind, plan, index string, cursor bool) {
	t.Helper()
	if !strings.Contains(plan, `"`+index+`"`) || strings.Contains(plan, "Seq Scan") {
		t.Errorf("the %s plan does not use %s:\n%s", kind, index, plan)
	}
	if index == "idx_resources_tags_gin" {
		return
	}
	if strings.Contains(plan, `Sort"`) { // Sort or Incremental Sort
		t.Errorf("the %s plan sorts:\n%s", kind, plan)
	}
	if cursor && !indexStart.MatchString(plan) {
		t.Errorf("the %s plan does not begin at the cursor:\n%s", kind, plan)
	}
}

func customPlan(t *testing.T, conn *pgx.Conn, q *store.ListQuery) string {
	t.Helper()
	sql, params, _ := store.ListStatement(q)
	return explain(t, conn, "EXPLAIN (FORMAT JSON) "+sql, params...)
}

func genericPlan(t *testing.T, conn *pgx.Conn, q *store.ListQuery) string {
	t.Helper()
	sql, params, _ := store.ListStatement(q)
	mustExec(t, conn, "SET plan_cache_mode = force_generic_plan")
	mustExec(t, conn, "PREPARE list AS "+sql)
	defer mustExec(t, conn, "DEALLOCATE list")
	nulls := strings.Join(slices.Repeat([]string{"NULL"}, len(params)), ", ")
	return explain(t, conn, "EXPLAIN (FORMAT JSON) EXECUTE list("+nulls+")")
}

func explain(t *testing.T, conn *pgx.Conn, sql string, args ...any) string {
	t.Helper()
	var plan json.RawMessage
	if err := conn.QueryRow(t.Context(), sql, args...).Scan(&plan); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return string(plan)
}
