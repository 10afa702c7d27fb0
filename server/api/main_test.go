package api_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/policycortex/headroom/containers"
	"github.com/policycortex/headroom/containers/containerstest"
	"github.com/policycortex/headroom/server/api"
	"github.com/policycortex/headroom/server/cache"
	"github.com/policycortex/headroom/server/realtime"
	"github.com/policycortex/headroom/server/store"
)

func TestMain(m *testing.M) { containerstest.Main(m) }

var migrated sync.Once

// servers returns the servers that the tests share, each with tenants of its own.
func servers(t testing.TB) *containers.Environment {
	t.Helper()
	env := containerstest.Shared(t)
	migrated.Do(func() {
		if err := store.Migrate(context.Background(), env.PostgresURL); err != nil {
			t.Fatal(err)
		}
	})
	return env
}

// service is an API with what is beneath it.
type service struct {
	*api.API
	store *store.Store
	cache *cache.Cache
	hub   *realtime.Hub
	log   *logBuffer
}

// logBuffer takes what is logged by the test's requests and, at any time, by the cache's background work.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func (b *logBuffer) Reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.text.Reset()
}

// shared is the store and the cache of newService. An invalidation waits until its cache is 1.25 s old (see package
// coherence), which the tests that share this one wait for only once.
var shared struct {
	once  sync.Once
	store *store.Store
	cache *cache.Cache
	err   error
}

func openShared(env *containers.Environment) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	quiet := slog.New(slog.DiscardHandler) // the servers stop before the store does
	shared.store, shared.err = store.Open(ctx, store.Options{URL: env.PostgresURL, MaxConns: 4, Logger: quiet})
	if shared.err != nil {
		return
	}
	shared.cache, shared.err = cache.Open(cache.Options{
		L2URL: env.CacheURL, L1Bytes: 16 << 20, Store: shared.store,
		Logger: quiet,
	})
	if shared.err == nil {
		shared.err = shared.cache.Join(ctx)
	}
}

// newService is an API of its own over the store and the cache that the tests share.
func newService(t testing.TB) *service {
	t.Helper()
	env := servers(t)
	shared.once.Do(func() { openShared(env) })
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	s := &service{log: new(logBuffer), store: shared.store, cache: shared.cache}
	s.hub = newHub(t, realtime.Options{Store: s.store})
	s.API = api.New(api.Options{
		Store: s.store, Cache: s.cache, Hub: s.hub, Logger: slog.New(slog.NewTextHandler(s.log, nil)),
	})
	return s
}

func newHub(t testing.TB, o realtime.Options) *realtime.Hub {
	t.Helper()
	o.Logger = slog.New(slog.DiscardHandler)
	hub := realtime.New(o)
	t.Cleanup(hub.Close)
	return hub
}

// newOwnService has a store and a cache of its own: for tests that count what these do, or close them.
func newOwnService(t testing.TB) *service {
	t.Helper()
	env := servers(t)
	return newServiceOn(t, env.PostgresURL, env.CacheURL)
}

func newServiceOn(t testing.TB, postgresURL, cacheURL string) *service {
	t.Helper()
	return newServiceWith(t, store.Options{URL: postgresURL}, cache.Options{L2URL: cacheURL})
}

// newServiceWith adds to the options. An L1Bytes of 0 is 16 MiB.
func newServiceWith(t testing.TB, o store.Options, levels cache.Options) *service {
	t.Helper()
	s := &service{log: new(logBuffer)}
	logger := slog.New(slog.NewTextHandler(s.log, nil))
	o.MaxConns = 4
	var err error
	s.store, err = store.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.store.Close)
	levels.Store, levels.Logger, levels.L1Bytes = s.store, logger, cmp.Or(levels.L1Bytes, 16<<20)
	s.cache, err = cache.Open(levels)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.cache.Close)
	joining, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := s.cache.Join(joining); err != nil {
		t.Fatal(err)
	}
	s.hub = newHub(t, realtime.Options{Store: s.store})
	s.API = api.New(api.Options{Store: s.store, Cache: s.cache, Hub: s.hub, Logger: logger})
	return s
}

// newReplicatedService reads from a streaming replica, however far behind that is.
func newReplicatedService(t testing.TB) *service { return newReplicatedServiceWith(t, cache.Options{}) }

func newReplicatedServiceWith(t testing.TB, levels cache.Options) *service {
	t.Helper()
	env := containerstest.SharedWithReplica(t)
	if err := store.Migrate(t.Context(), env.PostgresURL); err != nil {
		t.Fatal(err)
	}
	levels.L2URL = env.CacheURL
	s := newServiceWith(t, store.Options{URL: env.PostgresURL, ReplicaURL: env.ReplicaURL, ReplicaMaxLag: time.Hour},
		levels)
	primary, replica, position := connectTo(t, env.PostgresURL), connectTo(t, env.ReplicaURL), ""
	if err := primary.QueryRow(t.Context(), "SELECT pg_current_wal_insert_lsn()::text").Scan(&position); err != nil {
		t.Fatal(err)
	}
	// it is not before it has got to where the primary was when the store was opened
	eventually(t, "the replica in use", func() bool {
		var there bool
		err := replica.QueryRow(t.Context(), "SELECT pg_last_wal_replay_lsn() >= $1::text::pg_lsn",
			position).Scan(&there)
		return err == nil && there && s.store.ReplicaStats().Healthy
	})
	return s
}

func connect(t testing.TB) *pgx.Conn {
	t.Helper()
	return connectTo(t, servers(t).PostgresURL)
}

func connectTo(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func newTenant() string { return uuid.NewString() }

// call sends one request; tenant may be empty, and body may be nil, a reader or anything that JSON can express.
func (s *service) call(t testing.TB, method, tenant, target string, body any) *httptest.ResponseRecorder {
	t.Helper()
	reader, ok := body.(io.Reader)
	if !ok && body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		reader = bytes.NewReader(encoded)
	}
	r := httptest.NewRequestWithContext(t.Context(), method, target, reader)
	if tenant != "" {
		r.Header.Set("X-Tenant-ID", tenant)
	}
	return s.answer(t, r)
}

// answer has the API answer a request, and holds the answer against its description.
func (s *service) answer(t testing.TB, r *http.Request) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	describe(t).check(t, r, w)
	return w
}

func (s *service) get(t testing.TB, tenant, target string) *httptest.ResponseRecorder {
	t.Helper()
	return s.call(t, http.MethodGet, tenant, target, nil)
}

type batch struct {
	Resources []store.NewResource `json:"resources"`
}

// insert creates n resources, numbered from first, and returns their ids.
func (s *service) insert(t testing.TB, tenant string, first, n int) []uuid.UUID {
	t.Helper()
	var b batch
	for i := first; i < first+n; i++ {
		b.Resources = append(b.Resources, newResource(i))
	}
	w := s.call(t, http.MethodPost, tenant, "/api/v1/resources/batch", b)
	var answer struct{ Created []uuid.UUID }
	decode(t, w, http.StatusCreated, &answer)
	if len(answer.Created) != n {
		t.Fatalf("%d created, want %d", len(answer.Created), n)
	}
	return answer.Created
}

// newResource is valid; odd ones have another type and another environment.
func newResource(n int) store.NewResource {
	return store.NewResource{
		AzureResourceID: fmt.Sprintf("/subscriptions/s1/vm-%d", n), SubscriptionID: "s1", ResourceGroupName: "rg1",
		Name:       fmt.Sprintf("vm-%d", n),
		Type:       [2]string{"Microsoft.Compute/virtualMachines", "Microsoft.Storage/storageAccounts"}[n%2],
		Location:   "westeurope",
		Properties: json.RawMessage(`{"description": "` + string(bytes.Repeat([]byte("x"), 600)) + `"}`),
		Tags:       map[string]string{"env": [2]string{"prod", "dev"}[n%2]},
	}
}

// decode checks the status and that the body is what its headers say, and decodes it.
func decode(t testing.TB, w *httptest.ResponseRecorder, status int, into any) {
	t.Helper()
	if w.Code != status {
		t.Fatalf("status %d, want %d: %s", w.Code, status, w.Body)
	}
	want := "application/json"
	if status >= 400 {
		want = "application/problem+json"
	}
	if got := w.Header().Get("Content-Type"); got != want {
		t.Errorf("Content-Type %s, want %s", got, want)
	}
	// net/http adds the length of short answers.
	if got := w.Header().Get("Content-Length"); got != fmt.Sprint(w.Body.Len()) && (got != "" || w.Body.Len() >= 2048) {
		t.Errorf("Content-Length %s for %d bytes", got, w.Body.Len())
	}
	if err := json.Unmarshal(w.Body.Bytes(), into); err != nil {
		t.Fatalf("%v in %s", err, w.Body)
	}
}

// problem is an error answer.
type problem struct {
	Title, Detail string
	Status        int
	Errors        []store.Fault
}

func expectProblem(t testing.TB, w *httptest.ResponseRecorder, status int) problem {
	t.Helper()
	var p problem
	decode(t, w, status, &p)
	if p.Status != status || p.Title == "" || p.Detail == "" {
		t.Errorf("incomplete problem %+v for status %d", p, status)
	}
	return p
}

// getUntil is get for a client that leaves when ctx is done.
func (s *service) getUntil(ctx context.Context, tenant, target string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	r.Header.Set("X-Tenant-ID", tenant)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

// eventually waits for what has to happen some time.
func eventually(t testing.TB, what string, happened func() bool) {
	t.Helper()
	for range 2000 {
		if happened() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("waited in vain for %s", what)
}
