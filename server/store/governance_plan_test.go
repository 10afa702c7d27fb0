package store_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/policycortex/headroom/server/store"
)

// Of one tenant: 8,000 policies, a quarter of them disabled; 400 resources evaluated by 20 policies five times; costs
// of 40 resources for 13 months; 20,000 events. Another tenant has as much, but for the policies.
const fillGovernance = `
WITH tenants AS (SELECT $1::uuid AS tenant UNION ALL SELECT $2::uuid),
p AS (INSERT INTO policies (id, tenant_id, name, type, category, severity, enabled, updated_at)
  SELECT md5('p' || i)::uuid, $1, 'p' || i, 't' || i % 40, 'c' || i % 9, (ARRAY['low','medium','high','critical'])[1 + i % 4], i % 4 <> 1,
         timestamptz '2026-01-01' + i * interval '1 minute' FROM generate_series(1, 8000) i),
r AS (INSERT INTO resources (id, tenant_id, azure_resource_id, subscription_id, resource_group_name, name, type, location)
  SELECT md5(tenant::text || i)::uuid, tenant, 'r' || i, 's', 'g', 'n', 't', 'l' FROM tenants, generate_series(1, 400) i),
c AS (INSERT INTO cost_data (tenant_id, resource_id, service_name, date, cost)
  SELECT tenant, md5(tenant::text || i)::uuid, 's' || s, current_date - d, 1
    FROM tenants, generate_series(1, 40) i, generate_series(1, 2) s, generate_series(0, 390) d)
INSERT INTO events (tenant_id, stream_id, version, type, payload)
SELECT tenant, md5(tenant::text || i % 50)::uuid, 1 + i / 50, 'test.happened', '{}' FROM tenants, generate_series(0, 19999) i`

const fillEvaluations = `
INSERT INTO policy_evaluations (tenant_id, resource_id, policy_id, result, evaluated_at)
SELECT tenant, md5(tenant::text || i)::uuid, md5('p' || p)::uuid, 'compliant', timestamptz '2026-01-01' + n * interval '1 day'
  FROM unnest(ARRAY[$1::uuid, $2::uuid]) tenant, generate_series(1, 400) i, generate_series(1, 20) p, generate_series(1, 5) n`

// governanceDatabase has the filled tables, with statistics.
func governanceDatabase(t *testing.T) (conn *pgx.Conn, tenant store.ID) {
	t.Helper()
	url := newMigrated(t)
	if _, err := openWith(t, url, 0).MaintainCosts(t.Context()); err != nil {
		t.Fatal(err)
	}
	conn, tenant = connect(t, url), newID()
	other := newID()
	mustExec(t, conn, fillGovernance, tenant, other)
	mustExec(t, conn, fillEvaluations, tenant, other)
	mustExec(t, conn, "VACUUM (ANALYZE)")
	return conn, tenant
}

// plansOf returns the plan for the given values and the generic one, which Postgres may turn to after five executions.
func plansOf(t *testing.T, conn *pgx.Conn, sql string, args []any) map[string]string {
	t.Helper()
	if _, formats := args[0].(pgx.QueryResultFormats); formats {
		args = args[1:]
	}
	plans := map[string]string{"custom": explain(t, conn, "EXPLAIN (FORMAT JSON) "+sql, args...)}
	mustExec(t, conn, "SET plan_cache_mode = force_generic_plan")
	defer mustExec(t, conn, "RESET plan_cache_mode")
	mustExec(t, conn, "PREPARE it AS "+sql)
	defer mustExec(t, conn, "DEALLOCATE it")
	literals := make([]string, len(args))
	for i, arg := range args {
		switch v := arg.(type) {
		case store.ID:
			literals[i] = "'" + uuid.UUID(v).String() + "'"
		case time.Time:
			literals[i] = "'" + v.Format(time.RFC3339Nano) + "'"
		default:
			literals[i] = fmt.Sprintf("'%v'", v)
		}
	}
	plans["generic"] = explain(t, conn, "EXPLAIN (FORMAT JSON) EXECUTE it("+strings.Join(literals, ", ")+")")
	return plans
}

func TestGovernancePlans(t *testing.T) {
	t.Parallel()
	conn, tenant := governanceDatabase(t)
	t.Run("indexes", func(t *testing.T) { plansAreByTheirIndexes(t, conn, tenant) })
	t.Run("partitions", func(t *testing.T) { costPlansPrunePartitions(t, conn, tenant) })
}

func plansAreByTheirIndexes(t *testing.T, conn *pgx.Conn, tenant store.ID) {
	id := func(text string) *store.ID {
		var id store.ID
		if err := conn.QueryRow(t.Context(), "SELECT md5($1)::uuid", text).Scan(&id); err != nil {
			t.Fatal(err)
		}
		return &id
	}
	resource, policy := id(uuid.UUID(tenant).String()+"7"), id("p7")
	on := true
	build := func(sql string, args []any) func() (string, []any) {
		return func() (string, []any) { return sql, args }
	}
	policies := func(f store.PolicyFilter, after *store.ListPosition) func() (string, []any) {
		return build(store.PolicyStatement(&store.PolicyQuery{Tenant: tenant, Filter: f, After: after, Limit: 20}))
	}
	evaluations := func(resource, policy *store.ID, after *store.EvaluationPosition) func() (string, []any) {
		return build(store.EvaluationStatement(&store.EvaluationQuery{
			Tenant: tenant, Resource: resource,
			Policy: policy, After: after, Limit: 20,
		}))
	}
	current := func(resource, policy, after *store.ID) func() (string, []any) {
		return build(store.CurrentStatement(&store.CurrentQuery{
			Tenant: tenant, Resource: resource, Policy: policy,
			After: after, Limit: 20,
		}))
	}
	position := &store.ListPosition{UpdatedAt: 1_767_300_000_000_000, ID: *policy}
	history := &store.EvaluationPosition{EvaluatedAt: 1_767_500_000_000_000, ID: 30_000}

	for name, c := range map[string]struct {
		index     string
		condition string // of the index, a regular expression
		statement func() (string, []any)
	}{
		"active policies": {
			"idx_policies_active", `type.*category.*severity`,
			policies(store.PolicyFilter{Type: "t3", Category: "c3", Severity: "critical", Enabled: &on}, nil),
		},
		"active policies of a type": {
			"idx_policies_active", `type`,
			policies(store.PolicyFilter{Type: "t3", Category: "c3", Enabled: &on}, nil),
		},
		"policies": {"idx_policies_tenant_keyset", `tenant_id`, policies(store.PolicyFilter{}, nil)},
		"policies after": {
			"idx_policies_tenant_keyset", `ROW\(updated_at, id\) <`,
			policies(store.PolicyFilter{}, position),
		},
		"a resource by a policy": {
			"idx_policy_evaluations_latest", `resource_id.*policy_id`,
			evaluations(resource, policy, nil),
		},
		"the same after": {
			"idx_policy_evaluations_latest", `ROW\(evaluated_at, id\) <`,
			evaluations(resource, policy, history),
		},
		"evaluations of a resource": {
			"idx_policy_evaluations_resource", `resource_id`,
			evaluations(resource, nil, nil),
		},
		"the same, later page": {
			"idx_policy_evaluations_resource", `ROW\(evaluated_at, id\) <`,
			evaluations(resource, nil, history),
		},
		"evaluations by a policy": {"idx_policy_evaluations_policy", `policy_id`, evaluations(nil, policy, nil)},
		"by a policy, later page": {
			"idx_policy_evaluations_policy", `ROW\(evaluated_at, id\) <`,
			evaluations(nil, policy, history),
		},
		"evaluations": {"idx_policy_evaluations_keyset", `tenant_id`, evaluations(nil, nil, nil)},
		"evaluations, later page": {
			"idx_policy_evaluations_keyset", `ROW\(evaluated_at, id\) <`,
			evaluations(nil, nil, history),
		},
		"latest of a resource": {"policy_evaluations_current_pkey", `resource_id`, current(resource, nil, nil)},
		"latest of a resource after": {
			"policy_evaluations_current_pkey", `ROW\(resource_id, policy_id\) >`,
			current(resource, nil, policy),
		},
		"latest by a policy": {"idx_policy_evaluations_current_policy", `policy_id`, current(nil, policy, nil)},
		"latest by a policy after": {
			"idx_policy_evaluations_current_policy", `ROW\(policy_id, resource_id\) >`,
			current(nil, policy, resource),
		},
		"following events": {
			"idx_events_tenant", `ROW\(transaction, \\"position\\"\) >`,
			build(store.FollowEventsSQL, []any{tenant, "700", 10_000, 20}),
		},
		"events of a stream": {
			"uq_events_stream", `version >`,
			build(store.ReadStreamSQL, []any{*resource, tenant, 7, 20}),
		},
	} {
		sql, args := c.statement()
		for kind, plan := range plansOf(t, conn, sql, args) {
			condition := regexp.MustCompile(`"Index Cond": "[^\n]*` + c.condition)
			if !strings.Contains(plan, `"`+c.index+`"`) || !condition.MatchString(plan) ||
				strings.Contains(plan, "Seq Scan") {
				t.Errorf("%s: the %s plan is not that of %s with %s:\n%s", name, kind, c.index, c.condition, plan)
			}
			// Few policies are of one type, category and severity, and few evaluations of one resource by one policy.
			few := c.index == "idx_policies_active" || c.index == "idx_policy_evaluations_latest"
			if !few && strings.Contains(plan, `Sort"`) {
				t.Errorf("%s: the %s plan sorts:\n%s", name, kind, plan)
			}
		}
	}
}

var relation = regexp.MustCompile(`"Relation Name": "(cost_data\w*)"`)

// Only the partitions of the months that are asked for are scanned, also by the generic plan.
func costPlansPrunePartitions(t *testing.T, conn *pgx.Conn, tenant store.ID) {
	var resource store.ID
	if err := conn.QueryRow(t.Context(), "SELECT md5($1 || '7')::uuid",
		uuid.UUID(tenant).String()).Scan(&resource); err != nil {
		t.Fatal(err)
	}
	// Half of the rows are the tenant's, who is alone in life only in the smallest of installations.
	mustExec(t, conn, "SET enable_seqscan = off")
	year, month, _ := time.Now().UTC().Date()
	q := store.CostQuery{
		Tenant: tenant, Resource: resource,
		From: time.Date(year, month-2, 5, 0, 0, 0, 0, time.UTC), To: time.Date(year, month-1, 20, 0, 0, 0, 0, time.UTC),
	}
	oneDay := q
	oneDay.From = q.To
	statement := func(sql string, args []any) func() (string, []any) {
		return func() (string, []any) { return sql, args }
	}
	for name, c := range map[string]struct {
		statement   func() (string, []any)
		months      []string
		index, node string
	}{
		"series": {
			statement(store.SeriesStatement(&q)), months(2, 2),
			"tenant_id_resource_id_date_service_name_co_idx", `"Index Only Scan"`,
		},
		"totals of a day": {statement(store.TotalsStatement(&oneDay)), months(1, 1), "pkey", `Index Scan"`},
		"totals of months": {
			statement(store.TotalsStatement(&q)), months(2, 2),
			"(pkey|tenant_id_resource_id_date_service_name_co_idx)", `"Index`,
		},
	} {
		sql, args := c.statement()
		for kind, plan := range plansOf(t, conn, sql, args) {
			var scanned []string
			for _, m := range relation.FindAllStringSubmatch(plan, -1) {
				scanned = append(scanned, m[1])
			}
			slices.Sort(scanned)
			if !slices.Equal(slices.Compact(scanned), c.months) {
				t.Errorf("the %s plan of %s scans %v, want %v:\n%s", kind, name, scanned, c.months, plan)
			}
			if !regexp.MustCompile(`"`+c.months[0]+"_"+c.index+`"`).MatchString(plan) ||
				!strings.Contains(plan, c.node) {
				t.Errorf("the %s plan of %s is not %s by %s:\n%s", kind, name, c.node, c.index, plan)
			}
		}
	}
	// A date that is known only at run time prunes as well, where the seed had CURRENT_DATE in its index.
	plan := explain(t, conn, "EXPLAIN (ANALYZE, FORMAT JSON) SELECT sum(cost) FROM cost_data WHERE tenant_id = $1 "+
		"AND date >= current_date - 20", tenant)
	if n := len(relation.FindAllString(plan, -1)); n > 5 { // at most two months, two ahead and the default
		t.Errorf("%d partitions are scanned:\n%s", n, plan)
	}
}
