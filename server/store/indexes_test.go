package store_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/policycortex/headroom/server/store"
)

// The twelve indexes that the design names, each with the table that it is on here.
var designIndexes = map[string]string{
	"idx_resources_subscription_covering": "resources", "idx_resources_multi_filter": "resources",
	"idx_resources_tags_gin": "resources", "idx_resources_hot_queries": "resources",
	"idx_resources_tag_count": "resources",
	"idx_resources_fulltext":  "resources", "idx_compliance_current_status": "resources",
	"idx_policies_active":           "policies",
	"idx_policy_evaluations_latest": "policy_evaluations", "idx_cost_data_time_partition": "cost_data",
	"idx_metrics_time_series": "cost_data", "idx_mv_compliance_summary_pk": "mv_compliance_summary",
}

// An index whose building failed stays, is invalid, and serves nobody; IF NOT EXISTS would pass over it.
func TestIndexesOfTheDesignAreValid(t *testing.T) {
	t.Parallel()
	url := newMigrated(t)
	// so that there are partitions, with their indexes
	if _, err := openWith(t, url, 2).MaintainCosts(t.Context()); err != nil {
		t.Fatal(err)
	}
	conn := connect(t, url)
	rows, _ := conn.Query(t.Context(), `SELECT indexrelid::regclass::text, indrelid::regclass::text FROM pg_index
		WHERE indisvalid AND indisready AND indrelid::regclass::text !~ '^pg_'`)
	valid := map[string]string{}
	var index, table string
	if _, err := pgx.ForEachRow(rows, []any{&index, &table},
		func() error { valid[index] = table; return nil }); err != nil {
		t.Fatal(err)
	}
	if len(designIndexes) != 12 {
		t.Errorf("the design has 12 indexes, and this test %d", len(designIndexes))
	}
	for index, table := range designIndexes {
		if valid[index] != table {
			t.Errorf("%s is on %q, want it valid and on %s", index, valid[index], table)
		}
	}
	var invalid int
	if err := conn.QueryRow(t.Context(),
		"SELECT count(*) FROM pg_index WHERE NOT indisvalid").Scan(&invalid); err != nil || invalid > 0 {
		t.Errorf("%d indexes are not valid (error %v)", invalid, err)
	}
}

// summaryDatabase has 50 tenants with 100 rows each in the view, which is refreshed and analyzed.
func summaryDatabase(t *testing.T) (url string, tenant store.ID) {
	t.Helper()
	url = newMigrated(t)
	conn := connect(t, url)
	mustExec(t, conn, `INSERT INTO resources (id, tenant_id, azure_resource_id, subscription_id, resource_group_name, name, type, location)
		SELECT gen_random_uuid(), md5((i % 50)::text)::uuid, 'r' || i, 's' || i / 50 % 10, 'g', 'n', 't' || i / 500, 'l' FROM generate_series(0, 4999) i`)
	mustExec(t, conn, "SELECT refresh_compliance_summary()")
	mustExec(t, conn, "VACUUM ANALYZE mv_compliance_summary")
	if err := conn.QueryRow(t.Context(), "SELECT md5('7')::uuid").Scan(&tenant); err != nil {
		t.Fatal(err)
	}
	return url, tenant
}

func TestSummaryIsReadByItsKey(t *testing.T) {
	t.Parallel()
	url, tenant := summaryDatabase(t)
	conn := connect(t, url)
	for _, q := range []store.ComplianceQuery{
		{Tenant: tenant},
		{Tenant: tenant, SubscriptionID: "s3"},
		{Tenant: tenant, SubscriptionID: "s3", Type: "t4"},
	} {
		sql, args := store.ComplianceStatement(&q)
		for kind, plan := range plansOf(t, conn, sql, args) {
			if !strings.Contains(plan, `"idx_mv_compliance_summary_pk"`) {
				t.Errorf("%+v: the %s plan is not by the key:\n%s", q, kind, plan)
			}
		}
	}
}

// Readers do not wait for a refresh, however long it takes, and see what the view showed before it.
func TestSummaryIsReadDuringARefresh(t *testing.T) {
	t.Parallel()
	url, tenant := summaryDatabase(t)
	s, conn := openWith(t, url, 0), connect(t, url)
	before := readSummary(t, s, store.ComplianceQuery{Tenant: tenant})
	mustExec(t, conn, "UPDATE resources SET deleted_at = now() WHERE tenant_id = $1 AND subscription_id = 's3'", tenant)
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.Background())
	var refreshed bool
	if err := tx.QueryRow(t.Context(), "SELECT refresh_compliance_summary()").Scan(&refreshed); err != nil ||
		!refreshed {
		t.Fatalf("refreshed %t, error %v", refreshed, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second) // a reader that waited would wait for ever
	defer cancel()
	if _, err := s.AppendComplianceSummary(ctx, nil, store.ComplianceQuery{Tenant: tenant}, 0); err != nil {
		t.Fatalf("a read during the refresh: %v", err)
	}
	during := readSummary(t, s, store.ComplianceQuery{Tenant: tenant})
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	after := readSummary(t, s, store.ComplianceQuery{Tenant: tenant})
	got := fmt.Sprint(before.Total.Total, during.Total.Total, after.Total.Total)
	if got != "100 100 90" {
		t.Errorf("before, during and after the refresh there are %s resources, want 100 100 90", got)
	}
}
