package store_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/policycortex/headroom/server/store"
)

// months returns the names of the partitions of n months from that which is so many months ago.
func months(ago, n int) (names []string) {
	year, month, _ := time.Now().UTC().Date()
	for i := range n {
		names = append(names, "cost_data_"+time.Date(year, month+time.Month(i-ago), 1, 0, 0, 0, 0,
			time.UTC).Format("200601"))
	}
	return names
}

func openWith(t *testing.T, url string, costMonths int) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{URL: url, MaxConns: 2, CostMonths: costMonths})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func TestPartitionsOfCosts(t *testing.T) {
	t.Parallel()
	url := newMigrated(t)
	conn := connect(t, url)
	partitions := func() (names []string) {
		err := conn.QueryRow(t.Context(), `SELECT array_agg(inhrelid::regclass::text ORDER BY 1) FROM pg_inherits
			WHERE inhparent = 'cost_data'::regclass AND inhrelid <> 'cost_data_default'::regclass`).Scan(&names)
		if err != nil {
			t.Fatal(err)
		}
		return names
	}
	count := func(sql string) (n int) {
		if err := conn.QueryRow(t.Context(), sql).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	maintain := func(s *store.Store) store.CostPartitions {
		done, err := s.MaintainCosts(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return done
	}
	// Before there is any partition: one row for today, and one that no month is kept for.
	mustExec(t, conn, `INSERT INTO cost_data (tenant_id, resource_id, service_name, date, cost)
		SELECT gen_random_uuid(), gen_random_uuid(), 's', d, 1 FROM unnest(ARRAY[current_date, '2001-01-01']) AS d`)

	long := openWith(t, url, 5)
	done := maintain(long)
	if want := months(5, 8); done.Made != 8 || len(done.Detached) != 0 || done.Misplaced != 1 ||
		!slices.Equal(partitions(), want) {
		t.Errorf("first: %+v, partitions %v; want 8 made, %v, and the old row reported", done, partitions(), want)
	}
	if n := count("SELECT count(*) FROM " + months(0, 1)[0]); n != 1 {
		t.Errorf("the row of today is not in its month, which has %d", n)
	}
	done = maintain(long)
	if done.Made != 0 || len(done.Detached) != 0 || done.Misplaced != 1 {
		t.Errorf("again: %+v, want nothing to be done", done)
	}

	// The attached tables are complete partitions: with the indexes and constraints of the parent, all valid.
	if n := count(`SELECT count(*) FROM pg_index WHERE indrelid = '` + months(0, 1)[0] +
		`'::regclass AND indisvalid`); n != 2 {
		t.Errorf("a partition has %d valid indexes, want 2", n)
	}
	mustExec(t, conn, `INSERT INTO cost_data (tenant_id, resource_id, service_name, date, cost)
		SELECT gen_random_uuid(), gen_random_uuid(), 's', current_date - interval '5 months', 1`)

	short := openWith(t, url, 2)
	done = maintain(short)
	if done.Made != 0 || !slices.Equal(done.Detached, months(5, 3)) || !slices.Equal(partitions(), months(2, 5)) {
		t.Errorf("with a shorter retention: %+v, partitions %v; want the three oldest detached", done, partitions())
	}
	if n := count("SELECT count(*) FROM " + months(5, 1)[0]); n != 1 {
		t.Errorf("the detached table has %d rows, want its row to be kept", n)
	}
	if n := count("SELECT count(*) FROM cost_data"); n != 2 {
		t.Errorf("%d rows are left in cost_data, want 2", n)
	}
}

func TestMaintenanceOnSeveralInstancesAtOnce(t *testing.T) {
	t.Parallel()
	url := newMigrated(t)
	var wait sync.WaitGroup
	var made [3]int
	for i := range made {
		s := openWith(t, url, 6)
		wait.Go(func() {
			done, err := s.MaintainCosts(t.Context())
			if err != nil {
				t.Error(err)
			}
			made[i] = done.Made
		})
	}
	wait.Wait()
	if made[0]+made[1]+made[2] != 9 {
		t.Errorf("%v partitions were made, want 9 in all", made)
	}
}

func TestExpiredCacheEntriesAreDeleted(t *testing.T) {
	s, tenant := openStore(t), newID()
	conn := connect(t, postgresURL(t))
	mustExec(t, conn, `INSERT INTO cache_entries (key, tenant_id, version, value, expires_at)
		SELECT $1::uuid::text || i, $1::uuid, 1, '', now() + (i - 2) * interval '1 hour' FROM generate_series(1, 5) i`, tenant)
	for {
		n, err := s.ExpireCacheEntries(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if n < store.MaxBatch {
			break
		}
	}
	var left int
	if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM cache_entries WHERE tenant_id = $1",
		tenant).Scan(&left); err != nil || left != 3 {
		t.Errorf("%d entries are left (error %v), want the 3 that have not expired", left, err)
	}
}
