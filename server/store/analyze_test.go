package store_test

import (
	"strings"
	"testing"

	"github.com/policycortex/headroom/server/store"
)

// A database that was empty when the connections prepared their statements has good plans soon after a bulk load.
func TestBulkLoadsAreAnalyzed(t *testing.T) {
	url := newDatabase(t)
	if err := store.Migrate(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	s, conn := openStoreWith(t, store.Options{URL: url, MaxConns: 2}), connect(t, url)
	analyzed := func() (n int) {
		t.Helper()
		if err := conn.QueryRow(t.Context(), "SELECT analyze_count FROM pg_stat_user_tables WHERE relname = 'resources'").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	tenant, next := newID(), 0
	load := func(n int) {
		t.Helper()
		batch := make([]store.NewResource, n)
		for i := range batch {
			batch[i] = newResource(next)
			next++
		}
		if _, _, err := s.InsertResources(t.Context(), tenant, batch); err != nil {
			t.Fatal(err)
		}
	}
	load(999)
	before := analyzed()
	load(1)
	await(t, "the first thousand is analyzed", func() bool { return analyzed() == before+1 })
	load(500)
	load(500)
	await(t, "the second thousand is analyzed", func() bool { return analyzed() == before+2 })
	plan, err := s.Explain(t.Context(), store.GetSQL)
	if err != nil || !strings.Contains(plan, "resources_pkey") {
		t.Errorf("a get has the plan %s (error %v), want the primary key", plan, err)
	}
}
