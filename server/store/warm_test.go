package store_test

import (
	"slices"
	"testing"
	"time"

	"github.com/policycortex/headroom/server/store"
)

const addResources = `
INSERT INTO resources (id, tenant_id, azure_resource_id, subscription_id, resource_group_name, name, type, location, updated_at, deleted_at)
SELECT gen_random_uuid(), $1, $4 || i, 's', 'g', 'n', 't', 'l', $3::timestamptz - i * interval '1 minute', CASE WHEN i % 5 = 0 THEN now() END
  FROM generate_series(1, $2) AS i`

func TestWhatToWarm(t *testing.T) {
	t.Parallel()
	url := newMigrated(t)
	s, err := store.Open(t.Context(), store.Options{URL: url, MaxConns: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if tenants, err := s.LargestTenants(t.Context(), 3, 0); err != nil || len(tenants) != 0 {
		t.Errorf("an empty database has the tenants %v, error %v", tenants, err)
	}
	conn := connect(t, url)
	at := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	small, large, busy := newID(), newID(), newID()
	mustExec(t, conn, addResources, small, 10, at, "r")
	mustExec(t, conn, addResources, large, 100, at.Add(-time.Hour), "r")
	for _, prefix := range []string{"a", "b", "c"} {
		mustExec(t, conn, addResources, busy, 5, at.Add(-time.Hour), prefix)
	}
	expect := func(n int, want ...store.ID) {
		t.Helper()
		if got, err := s.LargestTenants(t.Context(), n, 0); err != nil || !slices.Equal(got, want) {
			t.Errorf("got %v, error %v; want %v", got, err, want)
		}
	}
	expect(1, busy) // which changed most; sizes are not known yet
	if _, _, err := s.RefreshComplianceSummary(t.Context()); err != nil {
		t.Fatal(err)
	}
	expect(2, large, busy)
	expect(10, large, busy, small)

	recent, err := s.RecentResources(t.Context(), []store.ID{small, large}, 20, 0)
	if err != nil || len(recent) != 20 {
		t.Fatalf("got %d resources, error %v; want 20", len(recent), err)
	}
	for i, r := range recent {
		if want := i < 8; (r.Tenant == small) != want { // small's eight are newer than all of large's
			t.Errorf("resource %d is of the wrong tenant", i)
		}
		if _, err := s.AppendResource(t.Context(), nil, r.Tenant, r.Resource, 0); err != nil {
			t.Errorf("resource %d: %v", i, err)
		}
	}
	if none, err := s.RecentResources(t.Context(), nil, 20, 0); err != nil || len(none) != 0 {
		t.Errorf("no tenants have %v, error %v", none, err)
	}
}
