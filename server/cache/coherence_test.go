package cache_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/redis/go-redis/v9"

	"github.com/policycortex/headroom/containers"
	"github.com/policycortex/headroom/containers/containerstest"
	"github.com/policycortex/headroom/server/cache"
	"github.com/policycortex/headroom/server/store"
)

// instance is a cache and its store, as a server has them.
type instance struct {
	cache *cache.Cache
	store *store.Store
	slow  atomic.Bool // loads take a while after they have read
}

func openInstance(t testing.TB, env *containers.Environment) *instance {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{URL: env.PostgresURL, ReplicaURL: env.ReplicaURL, MaxConns: 4})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	c, err := cache.Open(cache.Options{
		L2URL: env.CacheURL, L1Bytes: 16 << 20, Store: s,
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	joinCache(t, c)
	return &instance{cache: c, store: s}
}

func (i *instance) dawdle() {
	if i.slow.Load() && rand.IntN(4) == 0 {
		time.Sleep(rand.N(20 * time.Millisecond))
	}
}

func (i *instance) loadResource(ctx context.Context, key cache.Key, after store.LSN) ([]byte, error) {
	defer i.dawdle()
	return i.store.AppendResource(ctx, nil, key.Tenant, key.ID, after)
}

func (i *instance) loadList(ctx context.Context, key cache.Key, after store.LSN) ([]byte, error) {
	defer i.dawdle()
	page, _, err := i.store.AppendResources(ctx, nil, store.ListQuery{Tenant: key.Tenant, Limit: 100}, after)
	return page, err
}

// world is some resources, and for each the last version whose invalidation was acknowledged.
type world struct {
	instances []*instance
	tenant    [16]byte
	resources []*changing
	levels    [cache.Miss + 1]atomic.Int64
	inDoubt   atomic.Int64 // invalidations that were not acknowledged
	reads     atomic.Int64
}

type changing struct {
	mu           sync.Mutex
	id           [16]byte
	version      int
	acknowledged atomic.Int64
}

func newWorld(t testing.TB, env *containers.Environment, resources int) *world {
	t.Helper()
	if err := store.Migrate(t.Context(), env.PostgresURL); err != nil {
		t.Fatal(err)
	}
	w := &world{tenant: newID(), instances: []*instance{openInstance(t, env), openInstance(t, env)}}
	for n := range resources {
		_, id, _, err := w.instances[0].store.CreateResource(t.Context(), nil, w.tenant, aResource(n, 1))
		if err != nil {
			t.Fatal(err)
		}
		r := &changing{id: id, version: 1}
		w.resources = append(w.resources, r)
	}
	return w
}

func aResource(n, version int) *store.NewResource {
	return &store.NewResource{
		AzureResourceID: fmt.Sprintf("/subscriptions/s1/vm-%d", n), SubscriptionID: "s1", ResourceGroupName: "rg1",
		Name: fmt.Sprintf("vm-%d-%d", n, version), Type: "Microsoft.Compute/virtualMachines", Location: "westeurope",
	}
}

func (w *world) anyone() *instance { return w.instances[rand.IntN(len(w.instances))] }

// write changes a resource through an instance, as a handler does.
func (w *world) write(ctx context.Context) error {
	n, i := rand.IntN(len(w.resources)), w.anyone()
	r := w.resources[n]
	r.mu.Lock()
	defer r.mu.Unlock()
	_, committed, err := i.store.ReplaceResource(ctx, nil, w.tenant, r.id, r.version, aResource(n, r.version+1))
	if pg := new(pgconn.PgError); errors.As(err, &pg) && pg.Code == "55P03" { // lock_timeout
		return nil // the machine stalled while another write had the lock, and nothing was changed
	}
	if err != nil {
		return err
	}
	r.version++
	err = i.cache.Invalidate(ctx, committed,
		cache.Scope{Tenant: w.tenant, Kind: cache.Resource, ID: r.id},
		cache.Scope{Tenant: w.tenant, Kind: cache.Resources})
	switch {
	case err == nil:
		r.acknowledged.Store(int64(r.version))
	case errors.Is(err, cache.ErrUnacknowledged):
		w.inDoubt.Add(1)
	default:
		return err
	}
	return nil
}

type seen struct {
	ID      string
	Version int64
}

// read reads a resource or the list, and returns an error when it is older than what was acknowledged before.
func (w *world) read(ctx context.Context) error {
	w.reads.Add(1)
	i := w.anyone()
	if rand.IntN(4) == 0 {
		return w.readList(ctx, i)
	}
	r := w.resources[rand.IntN(len(w.resources))]
	least := r.acknowledged.Load()
	e, level, err := i.cache.Get(ctx, itemKey(w.tenant, r.id), i.loadResource)
	if err != nil {
		return fmt.Errorf("read a resource: %w", err)
	}
	w.levels[level].Add(1)
	var got seen
	if err := json.Unmarshal(e.Body, &got); err != nil {
		return err
	}
	if got.Version < least {
		return fmt.Errorf("version %d from %s after %d was acknowledged", got.Version, level, least)
	}
	return nil
}

func (w *world) readList(ctx context.Context, i *instance) error {
	least := map[string]int64{}
	for _, r := range w.resources {
		least[uuidString(r.id)] = r.acknowledged.Load()
	}
	e, level, err := i.cache.Get(ctx, listKey(w.tenant, "limit=100"), i.loadList)
	if err != nil {
		return fmt.Errorf("read the list: %w", err)
	}
	w.levels[level].Add(1)
	var all []seen
	if err := json.Unmarshal(e.Body, &all); err != nil {
		return err
	}
	if len(all) != len(w.resources) {
		return fmt.Errorf("the list has %d resources, want %d", len(all), len(w.resources))
	}
	for _, got := range all {
		if got.Version < least[got.ID] {
			return fmt.Errorf("in a list: version %d from %s after %d was acknowledged", got.Version, level,
				least[got.ID])
		}
	}
	return nil
}

// bustle reads and writes from several goroutines until so many operations are done, or until stop is closed.
func (w *world) bustle(t *testing.T, operations int, writeOneIn int, stop <-chan struct{}) {
	var left atomic.Int64
	left.Store(int64(operations))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for left.Add(-1) >= 0 && !t.Failed() {
				select {
				case <-stop:
					return
				default:
				}
				act := w.read
				if rand.IntN(writeOneIn) == 0 {
					act = w.write
				}
				if err := act(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	t.Logf("%d reads: L1 %d, L2 %d, L3 %d, loads %d; %d invalidations unacknowledged", w.reads.Load(),
		w.levels[cache.L1].Load(), w.levels[cache.L2].Load(), w.levels[cache.L3].Load(), w.levels[cache.Miss].Load(),
		w.inDoubt.Load())
}

// hiccup stops the replica from replaying, again and again, so that it lags.
func hiccup(t *testing.T, env *containers.Environment) (stop func()) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), env.ReplicaURL)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer conn.Close(context.Background())
		for ctx.Err() == nil {
			conn.Exec(context.Background(), "SELECT pg_wal_replay_pause()")
			time.Sleep(rand.N(60 * time.Millisecond))
			conn.Exec(context.Background(), "SELECT pg_wal_replay_resume()")
			time.Sleep(rand.N(60 * time.Millisecond))
		}
	}()
	return func() { cancel(); <-done }
}

// Two instances, a replica that lags, loads that begin before a write and end after it, 10,000 random reads and writes:
// no read that began after an invalidation was acknowledged returns an older version.
func TestNothingStaleIsServed(t *testing.T) {
	env := containerstest.SharedWithReplica(t)
	w := newWorld(t, env, 10)
	for _, i := range w.instances {
		i.slow.Store(true)
	}
	defer hiccup(t, env)()
	w.bustle(t, 10_000, 10, nil)
	if n := w.inDoubt.Load(); n > 0 {
		t.Errorf("%d invalidations were not acknowledged", n)
	}
	for _, level := range []cache.Level{cache.L1, cache.L2, cache.Miss} {
		if w.levels[level].Load() < 100 {
			t.Errorf("only %d reads were answered by %s: this shows nothing of it", w.levels[level].Load(), level)
		}
	}
}

// The same while L2 is killed, started again, frozen, and subscriptions are cut. No read and no write fails.
func TestNothingStaleWhileL2Fails(t *testing.T) {
	env := containerstest.Own(t)
	if err := env.CheckFault(containers.TargetCache, containers.ActionKill); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, env, 10)
	stop := make(chan struct{})
	go func() {
		defer close(stop)
		fault := func(a containers.Action) {
			if err := env.Fault(t.Context(), containers.TargetCache, a); err != nil {
				t.Error(err)
			}
		}
		// serveAgain gives the loss of contact time to be noticed, and what follows the return of L2 time to go wrong.
		serveAgain := func() {
			time.Sleep(500 * time.Millisecond)
			for _, i := range w.instances {
				if err := i.cache.Join(t.Context()); err != nil {
					t.Error(err)
				}
			}
			time.Sleep(500 * time.Millisecond)
		}
		time.Sleep(time.Second)
		fault(containers.ActionKill)
		time.Sleep(2 * time.Second)
		fault(containers.ActionRestart)
		serveAgain()
		fault(containers.ActionPause)
		time.Sleep(2 * time.Second)
		fault(containers.ActionResume)
		serveAgain()
		killSubscriptions(t, redisClient(t, env.CacheURL))
		serveAgain()
	}()
	w.bustle(t, 1<<40, 50, stop)
	if w.inDoubt.Load() == 0 {
		t.Error("L2 was gone and every invalidation was acknowledged")
	}
	for _, i := range w.instances {
		joinCache(t, i.cache)
	}
	before := w.levels[cache.L1].Load()
	w.bustle(t, 1000, 50, nil)
	if w.levels[cache.L1].Load()-before < 100 {
		t.Error("L1 does not serve again")
	}
}

// killSubscriptions closes the connections on which somebody has subscribed, one by one: not every server knows
// CLIENT KILL TYPE.
func killSubscriptions(t *testing.T, client *redis.Client) {
	t.Helper()
	list, err := client.ClientList(t.Context()).Result()
	if err != nil {
		t.Error(err)
	}
	killed := 0
	for line := range strings.Lines(list) {
		values := map[string]string{}
		for _, field := range strings.Fields(line) {
			name, value, _ := strings.Cut(field, "=")
			values[name] = value
		}
		if !strings.Contains(values["flags"], "P") {
			continue
		}
		n, err := client.ClientKillByFilter(t.Context(), "ID", values["id"]).Result()
		if err != nil {
			t.Error(err)
		}
		killed += int(n)
	}
	if killed == 0 {
		t.Errorf("no connection was killed; they are\n%s", list)
	}
}
