package store_test

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/policycortex/headroom/containers/containerstest"
	"github.com/policycortex/headroom/server/store"
)

// A pool of one connection under queries at once: they wait, then the pool grows, and they wait less. None fails,
// neither meanwhile nor when it becomes smaller again, and no count is lost.
func TestPoolsAreReplacedUnderLoad(t *testing.T) {
	t.Parallel()
	env := containerstest.SharedWithReplica(t)
	for name, o := range map[string]store.Options{
		"alone":          {MaxConns: 1},
		"with a replica": {URL: env.PostgresURL, ReplicaURL: env.ReplicaURL, MaxConns: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if o.ReplicaURL != "" {
				if err := store.Migrate(t.Context(), o.URL); err != nil {
					t.Fatal(err)
				}
			}
			s := openStoreWith(t, o)
			ctx, stop := context.WithCancel(t.Context())
			var load sync.WaitGroup
			var done atomic.Int64
			for range 4 {
				load.Go(func() {
					for ctx.Err() == nil {
						err := s.Read(context.Background(), 0, func(conn *pgx.Conn) error {
							_, err := conn.Exec(context.Background(), "SELECT pg_sleep(0.002)")
							return err
						})
						if err == nil {
							err = s.Ping(context.Background())
						}
						if err != nil {
							t.Error(err)
							return
						}
						done.Add(1)
					}
				})
			}
			wait := func() time.Duration { // in the mean of some hundred queries
				before := s.Load()
				from := done.Load()
				await(t, "queries", func() bool { return done.Load() > from+200 })
				after := s.Load()
				return (after.Waited - before.Waited) / time.Duration(after.Acquires-before.Acquires)
			}
			alone := wait()
			if err := s.ResizePool(ctx, 4); err != nil {
				t.Fatal(err)
			}
			if got := s.PoolStats().MaxConns; got != 4 {
				t.Errorf("the pool has %d connections, want 4", got)
			}
			if four := wait(); four > alone/2 {
				t.Errorf("a query waits %s with four connections, and %s with one", four, alone)
			}
			acquires := s.Load().Acquires
			if err := s.ResizePool(ctx, 1); err != nil {
				t.Fatal(err)
			}
			stop()
			load.Wait()
			if l := s.Load(); l.Acquires < acquires || l.Acquires < done.Load() || s.PoolStats().MaxConns != 1 {
				t.Errorf("%d acquires of %d queries, %d before", l.Acquires, done.Load(), acquires)
			}
			await(t, "the end of the former pools", func() bool { return s.PoolStats().InUse == 0 })
		})
	}
}

// What only the URL of one server sets outlives a change of both pools, and plan_cache_mode is set for both.
func TestPoolsKeepTheirParameters(t *testing.T) {
	t.Parallel()
	env := replicated(t)
	s := openStoreWith(t, store.Options{
		URL: env.PostgresURL + "&work_mem=5MB", ReplicaURL: env.ReplicaURL + "&work_mem=7MB", MaxConns: 1,
	})
	settings := func(change string, err error, planMode string) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		for role, memory := range map[string]string{store.RolePrimary: "5MB", store.RoleReplica: "7MB"} {
			var got, mode string
			err := s.Pools()[role].QueryRow(t.Context(),
				"SELECT current_setting('work_mem'), current_setting('plan_cache_mode')").Scan(&got, &mode)
			if err != nil || got != memory || mode != planMode {
				t.Errorf("after %s, the %s has work_mem %s and plan_cache_mode %s, error %v", change, role, got, mode,
					err)
			}
		}
	}
	settings("another size", s.ResizePool(t.Context(), 2), "auto")
	before, err := s.SetPlanMode(t.Context(), "force_custom_plan")
	settings("another mode", err, "force_custom_plan")
	_, err = s.SetPlanMode(t.Context(), before)
	settings("the former mode", err, "auto")
}

// A pool for which Postgres has too few connections is refused, and the present one goes on.
func TestPoolThatPostgresHasNoRoomFor(t *testing.T) {
	t.Parallel()
	s := openStoreWith(t, store.Options{MaxConns: 2})
	err := s.ResizePool(t.Context(), 10_000)
	if err == nil || !strings.Contains(err.Error(), "are needed beside those in use") {
		t.Errorf("got %v", err)
	}
	if err := s.Ping(t.Context()); err != nil || s.PoolStats().MaxConns != 2 {
		t.Errorf("%v, %d connections", err, s.PoolStats().MaxConns)
	}
}

func TestPlanModeOfAllConnections(t *testing.T) {
	t.Parallel()
	s := openStoreWith(t, store.Options{URL: postgresURL(t) + "&plan_cache_mode=force_generic_plan", MaxConns: 2})
	of := func() (mode string) {
		t.Helper()
		if err := s.Pool().QueryRow(t.Context(), "SHOW plan_cache_mode").Scan(&mode); err != nil {
			t.Fatal(err)
		}
		asked, err := s.PlanMode(t.Context())
		if err != nil || asked != mode {
			t.Errorf("asked, it says %q (error %v), and has %q", asked, err, mode)
		}
		return mode
	}
	before, err := s.SetPlanMode(t.Context(), "auto")
	if err != nil || before != "force_generic_plan" || of() != "auto" {
		t.Errorf("before it was %q, error %v, now %q", before, err, of())
	}
	_, err = s.SetPlanMode(t.Context(), before)
	if err != nil || of() != before {
		t.Errorf("error %v, now %q", err, of())
	}
	_, err = s.SetPlanMode(t.Context(), "")
	if err != nil || of() != "auto" {
		t.Errorf("error %v, now %q: without a parameter it is that of the server", err, of())
	}
}
