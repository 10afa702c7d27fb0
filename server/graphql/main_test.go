package graphql_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/policycortex/headroom/containers/containerstest"
	"github.com/policycortex/headroom/server/api"
	"github.com/policycortex/headroom/server/cache"
	"github.com/policycortex/headroom/server/graphql"
	"github.com/policycortex/headroom/server/realtime"
	"github.com/policycortex/headroom/server/store"
)

func TestMain(m *testing.M) { containerstest.Main(m) }

// service is an API with GraphQL over a real database and cache.
type service struct {
	*api.API
	store *store.Store
	log   *bytes.Buffer
}

// shared is what all services are over. An invalidation waits until its cache is 1.25 s old.
var shared struct {
	once  sync.Once
	store *store.Store
	cache *cache.Cache
	err   error
}

func openShared(t testing.TB) {
	env := containerstest.Shared(t)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	shared.err = store.Migrate(ctx, env.PostgresURL)
	if shared.err != nil {
		return
	}
	quiet := slog.New(slog.DiscardHandler)
	shared.store, shared.err = store.Open(ctx, store.Options{URL: env.PostgresURL, MaxConns: 4, Logger: quiet})
	if shared.err != nil {
		return
	}
	shared.cache, shared.err = cache.Open(cache.Options{
		L2URL: env.CacheURL, L1Bytes: 16 << 20, Store: shared.store, Logger: quiet,
	})
	if shared.err == nil {
		shared.err = shared.cache.Join(ctx)
	}
}

func newService(t testing.TB) *service { return newServiceWith(t, graphql.Options{}, api.Options{}) }

// newServiceWith adds to the options.
func newServiceWith(t testing.TB, o graphql.Options, a api.Options) *service {
	t.Helper()
	shared.once.Do(func() { openShared(t) })
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return newServiceOver(t, shared.store, shared.cache, o, a)
}

// newOwnService has a store and a cache of its own, for tests that count what these do, or close them.
func newOwnService(t testing.TB) *service {
	t.Helper()
	newService(t) // migrates
	env := containerstest.Shared(t)
	quiet := slog.New(slog.DiscardHandler)
	db, err := store.Open(t.Context(), store.Options{URL: env.PostgresURL, MaxConns: 4, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	c, err := cache.Open(cache.Options{L2URL: env.CacheURL, L1Bytes: 16 << 20, Store: db, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	err = c.Join(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return newServiceOver(t, db, c, graphql.Options{}, api.Options{})
}

func newServiceOver(t testing.TB, db *store.Store, c *cache.Cache, o graphql.Options, a api.Options) *service {
	t.Helper()
	s := &service{store: db, log: new(bytes.Buffer)}
	quiet := slog.New(slog.DiscardHandler)
	hub := realtime.New(realtime.Options{Store: db, Logger: quiet})
	t.Cleanup(hub.Close)
	a.Store, a.Cache, a.Hub = db, c, hub
	a.Logger = slog.New(slog.NewTextHandler(&locked{to: s.log}, nil))
	s.API = api.New(a)
	o.API, o.Logger = s.API, a.Logger
	err := graphql.Mount(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// locked is written to by requests at the same time.
type locked struct {
	mu sync.Mutex
	to *bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.to.Write(p)
}

func newTenant() string { return uuid.NewString() }

// send sends a request with headers, which are names and values in turns.
func (s *service) send(t testing.TB, method, tenant, target string, body any, headers ...string,
) *httptest.ResponseRecorder {
	t.Helper()
	encoded, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	if body == nil {
		encoded = nil
	}
	r := httptest.NewRequestWithContext(t.Context(), method, target, bytes.NewReader(encoded))
	if tenant != "" {
		r.Header.Set("X-Tenant-ID", tenant)
	}
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

// rest sends a request to the API below /api/v1 and decodes its answer.
func (s *service) rest(t testing.TB, method, tenant, target string, body, into any) {
	t.Helper()
	w := s.send(t, method, tenant, "/api/v1"+target, body)
	if w.Code >= 300 {
		t.Fatalf("%s %s: status %d: %s", method, target, w.Code, w.Body)
	}
	if into == nil {
		return
	}
	err := json.Unmarshal(w.Body.Bytes(), into)
	if err != nil {
		t.Fatalf("%v in %s", err, w.Body)
	}
}

// response is an answer of GraphQL.
type response struct {
	Data   map[string]json.RawMessage
	Errors []struct {
		Message    string
		Path       []any
		Extensions struct {
			Code   string
			Errors []struct{ Field, Error string }
		}
	}
	Extensions map[string]any
}

// ask sends a query and returns its answer.
func (s *service) ask(t testing.TB, tenant, query string, variables map[string]any) (response, string) {
	t.Helper()
	w := s.send(t, http.MethodPost, tenant, graphql.Path, map[string]any{"query": query, "variables": variables})
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/json" {
		t.Fatalf("status %d, %s: %s\n%.3000s", w.Code, w.Header().Get("Content-Type"), w.Body, s.log)
	}
	var r response
	err := json.Unmarshal(w.Body.Bytes(), &r)
	if err != nil {
		t.Fatalf("%v in %s", err, w.Body)
	}
	return r, w.Body.String()
}

// data asks, and expects no errors.
func (s *service) data(t testing.TB, tenant, query string, variables map[string]any, into any) {
	t.Helper()
	r, text := s.ask(t, tenant, query, variables)
	if len(r.Errors) > 0 {
		t.Fatalf("%s: %s", query, text)
	}
	encoded, err := json.Marshal(r.Data)
	if err == nil {
		err = json.Unmarshal(encoded, into)
	}
	if err != nil {
		t.Fatalf("%v in %s", err, text)
	}
}

// estate is a tenant with resources, policies, evaluations and costs.
type estate struct {
	tenant              string
	resources, policies []string
}

// newEstate has n resources, of which each has been evaluated by three policies and has had costs on two days.
func newEstate(t testing.TB, s *service, n int) estate {
	t.Helper()
	e := estate{tenant: newTenant()}
	var resources, evaluations, costs []map[string]any
	for i := range n {
		resources = append(resources, map[string]any{
			"azure_resource_id": fmt.Sprint("/vm/", i), "subscription_id": "s1", "resource_group_name": "rg",
			"name": fmt.Sprintf("vm-%02d \"quoted\" \\ ü", i), "type": "vm", "location": "westeurope",
			"properties": map[string]any{"description": "a machine", "deep": map[string]any{"a]b": []int{1, 2}}},
			"tags":       map[string]string{"env": [2]string{"prod", "dev"}[i%2]},
		})
	}
	var created struct{ Created []string }
	s.rest(t, http.MethodPost, e.tenant, "/resources/batch", map[string]any{"resources": resources}, &created)
	e.resources = created.Created
	for i := range 3 {
		var p struct{ ID string }
		s.rest(t, http.MethodPost, e.tenant, "/policies", map[string]any{
			"name": fmt.Sprint("p", i), "type": "t", "category": "c", "severity": "low",
			"definition": map[string]any{"a": i},
		}, &p)
		e.policies = append(e.policies, p.ID)
	}
	day := time.Now().UTC().AddDate(0, 0, -1)
	for i, id := range e.resources {
		for j, p := range e.policies {
			evaluations = append(evaluations, map[string]any{
				"resource_id": id, "policy_id": p, "result": [2]string{"compliant", "non_compliant"}[(i+j)%2],
			})
		}
		for d := range 2 {
			costs = append(costs, map[string]any{
				"resource_id": id, "service_name": "compute", "date": day.AddDate(0, 0, -d).Format(time.DateOnly),
				"cost": float64(i) + 0.25, "currency": "EUR",
			})
		}
	}
	s.rest(t, http.MethodPost, e.tenant, "/evaluations", map[string]any{"evaluations": evaluations}, nil)
	s.rest(t, http.MethodPost, e.tenant, "/costs", map[string]any{"costs": costs}, nil)
	return e
}

// expect asks what is refused, and returns what was said.
func (s *service) expect(t testing.TB, tenant, query, code string) string {
	t.Helper()
	r, text := s.ask(t, tenant, query, nil)
	if len(r.Errors) != 1 || r.Errors[0].Extensions.Code != code || strings.TrimSpace(r.Errors[0].Message) == "" {
		t.Errorf("%.80s: want one error of code %s: %s", query, code, text)
		return ""
	}
	return r.Errors[0].Message
}
