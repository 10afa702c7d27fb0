package store_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/policycortex/headroom/containers"
	"github.com/policycortex/headroom/containers/containerstest"
	"github.com/policycortex/headroom/server/store"
)

var replicatedMigrated sync.Once

// replicated returns the primary and the replica that these tests share. Whoever breaks one mends it.
func replicated(t testing.TB) *containers.Environment {
	t.Helper()
	env := containerstest.SharedWithReplica(t)
	replicatedMigrated.Do(func() {
		if err := store.Migrate(context.Background(), env.PostgresURL); err != nil {
			t.Fatal(err)
		}
	})
	return env
}

// openReplicated waits until the replica is in use.
func openReplicated(t testing.TB, o store.Options) *store.Store {
	t.Helper()
	env := replicated(t)
	o.URL, o.ReplicaURL = env.PostgresURL, env.ReplicaURL
	if o.MaxConns == 0 {
		o.MaxConns = 4
	}
	s := openStoreWith(t, o)
	await(t, "the replica is in use", func() bool { return s.ReplicaStats().Healthy })
	return s
}

// await waits for what must come about, however long a busy machine takes.
func await(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited 30 s in vain until %s", what)
		}
	}
}

func fault(t testing.TB, target containers.Target, action containers.Action) {
	t.Helper()
	if err := replicated(t).Fault(context.Background(), target, action); err != nil {
		t.Fatal(err)
	}
}

// where returns "primary" or "replica", whoever answers a read.
func where(t testing.TB, s *store.Store, after store.LSN) string {
	t.Helper()
	var replica bool
	err := s.Read(t.Context(), after, func(conn *pgx.Conn) error {
		return conn.QueryRow(t.Context(), "SELECT pg_is_in_recovery()").Scan(&replica)
	})
	if err != nil {
		t.Fatal(err)
	}
	if replica {
		return "replica"
	}
	return "primary"
}

func insertOne(t testing.TB, s *store.Store, tenant store.ID, n int) (store.ID, store.LSN) {
	t.Helper()
	inserted, lsn, err := s.InsertResources(t.Context(), tenant, []store.NewResource{newResource(n)})
	if err != nil || len(inserted.Created) != 1 || lsn == 0 {
		t.Fatalf("inserted %v at %s, error %v", inserted, lsn, err)
	}
	return inserted.Created[0], lsn
}

func TestReadsGoToTheReplica(t *testing.T) {
	s, tenant := openReplicated(t, store.Options{}), newID()
	id, lsn := insertOne(t, s, tenant, 1)
	await(t, "the replica has it", func() bool { return where(t, s, lsn) == "replica" })
	before := s.QueryStats()
	for range 10 {
		if _, err := s.AppendResource(t.Context(), nil, tenant, id, lsn); err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.AppendResources(t.Context(), nil, store.ListQuery{Tenant: tenant, Limit: 5},
			lsn); err != nil {
			t.Fatal(err)
		}
	}
	after := s.QueryStats()
	for _, name := range []string{"get_resource", "list_resources"} {
		if n := after[name].Replica - before[name].Replica; n != 10 {
			t.Errorf("%d of 10 queries %s were done by the replica", n, name)
		}
	}
	if after["insert_resources"].Replica != 0 {
		t.Error("a write is counted as done by the replica")
	}
	stats := s.ReplicaStats()
	if !stats.Configured || !stats.Healthy || stats.Reason != "" || stats.Fallbacks != 0 || stats.Pool.MaxConns != 4 ||
		stats.Pool.Breaker != "closed" {
		t.Errorf("the replica is %+v", stats)
	}
	if times := s.AcquireTimes(); times["replica"].TotalCount() < 20 || times["primary"].TotalCount() < 1 {
		t.Errorf("acquires were measured for %v", times)
	}
}

// With a replica that replays nothing, who passes the position of his write sees it, and who does not may not.
func TestReadYourWrites(t *testing.T) {
	s, tenant := openReplicated(t, store.Options{ReplicaMaxLag: time.Hour}), newID()
	resume := containerstest.PauseReplay(t, replicated(t).ReplicaURL)
	id, lsn := insertOne(t, s, tenant, 1)
	if _, err := s.AppendResource(t.Context(), nil, tenant, id, 0); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a read that demands nothing: %v, want ErrNotFound from the replica", err)
	}
	if _, err := s.AppendResource(t.Context(), nil, tenant, id, lsn); err != nil {
		t.Errorf("a read of one's own write: %v", err)
	}
	page, _, err := s.AppendResources(t.Context(), nil, store.ListQuery{Tenant: tenant, Limit: 5}, lsn)
	if err != nil || !strings.Contains(string(page), `"vm-1"`) {
		t.Errorf("a list after one's own write: %s, error %v", page, err)
	}
	if now, err := s.CurrentLSN(t.Context()); err != nil || now < lsn {
		t.Errorf("the position is %s (error %v), and that of the write was %s", now, err, lsn)
	}
	await(t, "the lag is seen", func() bool { stats := s.ReplicaStats(); return stats.LagBytes > 0 && stats.Lag > 0 })
	resume()
	await(t, "the replica has replayed the write", func() bool { return where(t, s, lsn) == "replica" })
	if _, err := s.AppendResource(t.Context(), nil, tenant, id, 0); err != nil {
		t.Errorf("a read after the replica has caught up: %v", err)
	}
}

// Without a pause the race is real: each write is read back at once, by whichever server has it.
func TestReadYourWritesAtOnce(t *testing.T) {
	s := openReplicated(t, store.Options{MaxConns: 8})
	var wg sync.WaitGroup
	for range 4 {
		tenant := newID()
		wg.Go(func() {
			for n := range 100 {
				id, lsn := insertOne(t, s, tenant, n)
				for range 3 {
					if _, err := s.AppendResource(t.Context(), nil, tenant, id, lsn); err != nil {
						t.Errorf("write %d: %v", n, err)
					}
				}
			}
		})
	}
	wg.Wait()
	if n := s.ReplicaStats().Fallbacks; n > 0 {
		t.Errorf("%d reads had to be done twice", n)
	}
}

func TestReplicaThatLagsTooFarIsLeftOut(t *testing.T) {
	s, tenant := openReplicated(t, store.Options{ReplicaMaxLag: 200 * time.Millisecond}), newID()
	resume := containerstest.PauseReplay(t, replicated(t).ReplicaURL)
	id, _ := insertOne(t, s, tenant, 1)
	await(t, "the replica is left out", func() bool { return !s.ReplicaStats().Healthy })
	if _, err := s.AppendResource(t.Context(), nil, tenant, id, 0); err != nil {
		t.Errorf("a read that demands nothing: %v, want it from the primary", err)
	}
	if reason := s.ReplicaStats().Reason; !strings.Contains(reason, "behind, at most 200ms are allowed") {
		t.Errorf("the reason is %q", reason)
	}
	resume()
	await(t, "the replica is in use again", func() bool { return where(t, s, 0) == "replica" })
}

// load gets resources from many goroutines until it is stopped, and counts what failed.
type load struct {
	stop     chan struct{}
	wg       sync.WaitGroup
	done     atomic.Int64
	failures atomic.Int64
	failure  atomic.Value
}

func startLoad(s *store.Store, tenant store.ID, ids []store.ID) *load {
	l := &load{stop: make(chan struct{})}
	for c := range 16 {
		l.wg.Go(func() {
			for i := c; ; i++ {
				select {
				case <-l.stop:
					return
				default:
				}
				ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
				var err error
				if i%4 == 0 {
					_, _, err = s.AppendResources(ctx, nil, store.ListQuery{Tenant: tenant, Limit: 10}, 0)
				} else {
					_, err = s.AppendResource(ctx, nil, tenant, ids[i%len(ids)], 0)
				}
				cancel()
				l.done.Add(1)
				if err != nil {
					l.failures.Add(1)
					l.failure.Store(err.Error())
				}
			}
		})
	}
	return l
}

// goesOn waits until n more requests are done.
func (l *load) goesOn(t *testing.T, n int64) {
	t.Helper()
	from := l.done.Load()
	await(t, "the load goes on", func() bool { return l.done.Load() >= from+n })
}

func (l *load) end(t *testing.T) {
	t.Helper()
	close(l.stop)
	l.wg.Wait()
	if n := l.failures.Load(); n > 0 {
		t.Errorf("%d of %d requests failed, for example: %v", n, l.done.Load(), l.failure.Load())
	}
}

// A replica is killed and frozen in the middle of a load: nobody notices, and it is used again when it is back.
func TestReplicaThatFailsFailsNoRequest(t *testing.T) {
	for _, c := range []struct {
		harm, mend containers.Action
	}{{containers.ActionKill, containers.ActionRestart}, {containers.ActionPause, containers.ActionResume}} {
		t.Run(string(c.harm), func(t *testing.T) {
			s, tenant := openReplicated(t, store.Options{}), newID()
			ids := fillResources(t, s, tenant, 20)
			lsn, err := s.CurrentLSN(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			await(t, "the replica has them", func() bool { return where(t, s, lsn) == "replica" })
			l := startLoad(s, tenant, ids)
			l.goesOn(t, 500)
			fault(t, containers.TargetReplica, c.harm)
			await(t, "the failure is seen", func() bool { return !s.ReplicaStats().Healthy })
			l.goesOn(t, 500)
			if reason := s.ReplicaStats().Reason; reason == "" {
				t.Error("no reason is given")
			}
			fault(t, containers.TargetReplica, c.mend)
			await(t, "the replica is in use again",
				func() bool { return s.ReplicaStats().Healthy && where(t, s, 0) == "replica" })
			l.goesOn(t, 500)
			l.end(t)
		})
	}
}

func TestOpenWithoutTheReplica(t *testing.T) {
	env := replicated(t)
	fault(t, containers.TargetReplica, containers.ActionKill)
	restart := sync.OnceFunc(func() { fault(t, containers.TargetReplica, containers.ActionRestart) })
	defer restart()
	s, tenant := openStoreWith(t, store.Options{URL: env.PostgresURL, ReplicaURL: env.ReplicaURL, MaxConns: 2}), newID()
	id, lsn := insertOne(t, s, tenant, 1)
	if _, err := s.AppendResource(t.Context(), nil, tenant, id, lsn); err != nil {
		t.Error(err)
	}
	if stats := s.ReplicaStats(); !stats.Configured || stats.Healthy || stats.Reason == "" {
		t.Errorf("the replica is %+v", stats)
	}
	restart()
	await(t, "the replica is in use", func() bool { return where(t, s, lsn) == "replica" })
}

func TestServerThatIsNoReplica(t *testing.T) {
	env := replicated(t)
	for url, reason := range map[string]string{
		env.PostgresURL: "not in recovery",
		postgresURL(t):  "another cluster",
	} {
		s := openStoreWith(t, store.Options{URL: env.PostgresURL, ReplicaURL: url, MaxConns: 2})
		if got := s.ReplicaStats(); got.Healthy || !strings.Contains(got.Reason, reason) {
			t.Errorf("the replica is %+v, want to hear of %s", got, reason)
		}
		if where(t, s, 0) != "primary" {
			t.Error("a server that is no replica is read")
		}
	}
}

// What the replica replays may cancel a query there, which is then done by the primary.
func TestConflictWithRecovery(t *testing.T) {
	s := openReplicated(t, store.Options{})
	primary, replica := connect(t, replicated(t).PostgresURL), connect(t, replicated(t).ReplicaURL)
	mustExec(t, replica, "ALTER SYSTEM SET max_standby_streaming_delay = '50ms'")
	mustExec(t, replica, "SELECT pg_reload_conf()")
	defer func() {
		mustExec(t, replica, "ALTER SYSTEM RESET max_standby_streaming_delay")
		mustExec(t, replica, "SELECT pg_reload_conf()")
	}()
	mustExec(t, primary, "CREATE TABLE in_the_way AS SELECT 1 AS n")
	defer mustExec(t, primary, "DROP TABLE in_the_way")
	lsn, err := s.CurrentLSN(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	await(t, "the replica has the table", func() bool { return where(t, s, lsn) == "replica" })
	began, tries := make(chan struct{}), 0
	result := make(chan error, 1)
	go func() {
		result <- s.Read(t.Context(), lsn, func(conn *pgx.Conn) error {
			tries++
			if tries > 1 {
				_, err := conn.Exec(t.Context(), "SELECT n FROM in_the_way")
				return err
			}
			_, err := conn.Exec(t.Context(), "BEGIN; SELECT n FROM in_the_way")
			close(began)
			if err == nil {
				_, err = conn.Exec(t.Context(), "SELECT pg_sleep(4)")
			}
			return err
		})
	}()
	<-began
	mustExec(t, primary, "TRUNCATE in_the_way")
	if err := <-result; err != nil || tries != 2 {
		t.Errorf("after %d tries: %v, want success at the second one", tries, err)
	}
	if n := s.ReplicaStats().Fallbacks; n != 1 {
		t.Errorf("%d fallbacks are counted, want 1", n)
	}
}

// What is wrong with a query is no reason to ask somebody else.
func TestErrorsOfQueriesDoNotFallBack(t *testing.T) {
	s := openReplicated(t, store.Options{})
	_, lsn := insertOne(t, s, newID(), 1)
	await(t, "the replica has it", func() bool { return where(t, s, lsn) == "replica" })
	before := s.ReplicaStats()
	own := errors.New("of the caller")
	for name, query := range map[string]func(*pgx.Conn) error{
		"SQL": func(conn *pgx.Conn) error { _, err := conn.Exec(t.Context(), "SELECT 1/0"); return err },
		"a write": func(conn *pgx.Conn) error {
			_,
				err := conn.Exec(t.Context(), "CREATE TABLE nowhere ()")
			return err
		},
		"own": func(*pgx.Conn) error { return own },
	} {
		tries := 0
		err := s.Read(t.Context(), 0, func(conn *pgx.Conn) error { tries++; return query(conn) })
		if err == nil || tries != 1 || errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s: %d tries, error %v", name, tries, err)
		}
	}
	if stats := s.ReplicaStats(); stats.Fallbacks != before.Fallbacks || stats.Pool.Breaker != "closed" {
		t.Errorf("the replica is %+v", stats)
	}
}

// Without the primary the replica still answers, and who needs the primary hears at once that it is not there.
func TestPrimaryThatFails(t *testing.T) {
	t.Parallel() // beside TestMaintenanceMayTakeLonger, which waits for another server
	for _, c := range []struct {
		harm, mend containers.Action
	}{{containers.ActionKill, containers.ActionRestart}, {containers.ActionPause, containers.ActionResume}} {
		t.Run(string(c.harm), func(t *testing.T) {
			s, tenant := openReplicated(t, store.Options{}), newID()
			id, lsn := insertOne(t, s, tenant, 1)
			await(t, "the replica has it", func() bool { return where(t, s, lsn) == "replica" })
			fault(t, containers.TargetPrimary, c.harm)
			mend := sync.OnceFunc(func() { fault(t, containers.TargetPrimary, c.mend) })
			defer mend()
			write := func() error {
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				defer cancel()
				_, _, err := s.InsertResources(ctx, tenant, []store.NewResource{newResource(2)})
				return err
			}
			for range 4 { // the breaker opens at the third
				if err := write(); !errors.Is(err, store.ErrUnavailable) {
					t.Errorf("a write without the primary: %v, want ErrUnavailable", err)
				}
			}
			if state := s.PoolStats().Breaker; state == "closed" {
				t.Error("the breaker is closed")
			}
			if _, err := s.AppendResource(t.Context(), nil, tenant, id, lsn); err != nil {
				t.Errorf("a read without the primary: %v", err)
			}
			mend()
			await(t, "writes succeed again", func() bool { return write() == nil })
			if state := s.PoolStats().Breaker; state != "closed" {
				t.Errorf("the breaker is %s", state)
			}
		})
	}
}
