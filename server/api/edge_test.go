package api_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/policycortex/headroom/server/api"
	"github.com/policycortex/headroom/server/edge"
)

// edgeStandIn is an edge that notes what it is told to forget.
type edgeStandIn struct {
	mu     sync.Mutex
	bans   []*regexp.Regexp
	fetch  func() *httptest.ResponseRecorder // what it fetches when it has forgotten; nil for nothing
	during *httptest.ResponseRecorder        // the last that it fetched
}

func (e *edgeStandIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.fetch != nil {
		e.during = e.fetch()
	}
	pattern, err := regexp.Compile(r.Header.Get("Surrogate-Key"))
	if err != nil || r.Method != "BAN" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	e.bans = append(e.bans, pattern)
	w.WriteHeader(http.StatusNoContent)
}

// forgot reports whether it was told to forget a key since the last call of begin.
func (e *edgeStandIn) forgot(key string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.ContainsFunc(e.bans, func(p *regexp.Regexp) bool { return p.MatchString(key) })
}

// begin begins anew, with what is fetched during a ban.
func (e *edgeStandIn) begin(fetch func() *httptest.ResponseRecorder) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.bans, e.fetch, e.during = nil, fetch, nil
}

// end returns how often it was told something, and what it fetched last.
func (e *edgeStandIn) end() (bans int, during *httptest.ResponseRecorder) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.bans), e.during
}

// behindEdge is a service that tells an edge what changes.
func behindEdge(t *testing.T) (*service, *edgeStandIn) {
	t.Helper()
	s, e := newService(t), &edgeStandIn{}
	server := httptest.NewServer(e)
	t.Cleanup(server.Close)
	edges, err := edge.Open(edge.Options{URLs: []string{server.URL}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(edges.Close)
	s.API = api.New(api.Options{
		Store: s.store, Cache: s.cache, Hub: s.hub, Logger: slog.New(slog.NewTextHandler(s.log, nil)),
		EdgeTTL: time.Minute, Edges: edges,
	})
	return s, e
}

// TestSurrogateKeys: what an edge may keep has the name of the scope that changes of it invalidate, also when it has
// not changed and in answers to HEAD; nothing else has one.
func TestSurrogateKeys(t *testing.T) {
	s, _ := behindEdge(t)
	tenant := newTenant()
	id := s.insert(t, tenant, 0, 1)[0].String()
	p := s.createPolicy(t, tenant, "p").ID.String()
	for target, name := range map[string]string{
		resourcesPath + "/" + id:                               "resource:" + id,
		resourcesPath + "/" + strings.ToUpper(id):              "resource:" + id,
		resourcesPath:                                          "resources:",
		resourcesPath + "?limit=1&total=exact":                 "resources:",
		"/api/v1/policies/" + p:                                "policy:" + p,
		"/api/v1/policies":                                     "policies:",
		"/api/v1/evaluations?resource_id=" + id:                "evaluations:",
		"/api/v1/compliance/summary":                           "compliance:",
		"/api/v1/costs/totals":                                 "costs:",
		"/api/v1/costs?service_name=compute&resource_id=" + id: "costs:" + id,
		"/api/v1/costs?resource_id=" + strings.ToUpper(id):     "costs:" + id,
		resourcesPath + "/" + uuid.NewString():                 "",
		resourcesPath + "?limit=0":                             "",
		resourcesPath + "/" + id + "?performance=true":         "",
		"/api/v1/events?stream=" + id:                          "",
		"/api/v1/compliance/summary?subscription_id=s1&type=t": "compliance:",
	} {
		want := ""
		if name != "" {
			want = tenant + ":" + name
		}
		got := s.ask(t, tenant, target)
		again := s.ask(t, tenant, target, "If-None-Match", got.Header().Get("ETag"))
		head := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodHead, target, nil)
		r.Header.Set("X-Tenant-ID", strings.ToUpper(tenant))
		s.ServeHTTP(head, r)
		for _, w := range []*httptest.ResponseRecorder{got, again, head} {
			if w.Header().Get("Surrogate-Key") != want {
				t.Errorf("%s: status %d, key %q, want %q", target, w.Code, w.Header().Get("Surrogate-Key"), want)
			}
		}
		if want != "" && again.Code != http.StatusNotModified {
			t.Errorf("%s: status %d, want 304", target, again.Code)
		}
	}
	if got := newService(t).ask(t, tenant, resourcesPath).Header()["Surrogate-Key"]; got != nil {
		t.Errorf("without an edge there is a key: %q", got)
	}
}

// TestEdgesForgetWhatChanged: when a change is answered, the edges have forgotten what it makes worthless, and the
// caches behind them had before.
func TestEdgesForgetWhatChanged(t *testing.T) {
	s, e := behindEdge(t)
	tenant, other := newTenant(), newTenant()
	if _, err := s.store.MaintainCosts(t.Context()); err != nil {
		t.Fatal(err)
	}
	id := s.insert(t, tenant, 0, 1)[0]
	p, q := s.createPolicy(t, tenant, "p"), s.createPolicy(t, tenant, "q")
	path := resourcesPath + "/" + id.String()
	day := time.Now().UTC().Format(time.DateOnly)
	for _, c := range []struct {
		method, target, body string
		status               int
		keys                 []string
	}{
		{"POST", resourcesPath, resourceJSON("a", "new"), http.StatusCreated, []string{"resources:"}},
		{
			"PUT", path, resourceJSON("b", "changed"), http.StatusOK,
			[]string{"resource:" + id.String(), "resources:"},
		},
		{
			"POST", "/api/v1/evaluations",
			fmt.Sprintf(`{"evaluations":[{"resource_id":"%s","policy_id":"%s","result":"compliant"}]}`, id, p.ID),
			http.StatusCreated,
			[]string{"evaluations:", "resources:", "resource:" + id.String()},
		},
		{
			"POST", "/api/v1/costs",
			fmt.Sprintf(`{"costs":[{"resource_id":"%s","service_name":"s","date":"%s","cost":1}]}`, id, day),
			http.StatusOK,
			[]string{"costs:", "costs:" + id.String()},
		},
		{"POST", "/api/v1/compliance/refresh", "", http.StatusOK, []string{"compliance:"}},
		{
			"PUT", "/api/v1/policies/" + p.ID.String(), policyJSON("p2"), http.StatusOK,
			[]string{"policy:" + p.ID.String(), "policies:"},
		},
		{
			"DELETE", "/api/v1/policies/" + q.ID.String(), "", http.StatusNoContent,
			[]string{"policy:" + q.ID.String(), "policies:"},
		},
		{"DELETE", path, "", http.StatusNoContent, []string{"resource:" + id.String(), "resources:"}},
	} {
		before := s.ask(t, tenant, path)
		e.begin(func() *httptest.ResponseRecorder { return s.ask(t, tenant, path) })
		w := s.send(t, c.method, tenant, c.target, c.body)
		after := s.ask(t, tenant, path)
		_, during := e.end()
		if w.Code != c.status {
			t.Fatalf("%s %s: status %d, %s", c.method, c.target, w.Code, w.Body)
		}
		for _, key := range c.keys {
			if !e.forgot(tenant + ":" + key) {
				t.Errorf("%s %s: the edge has not forgotten %s", c.method, c.target, key)
			}
		}
		if e.forgot(other+":resource:"+id.String()) || e.forgot(tenant+":resource:"+p.ID.String()) {
			t.Errorf("%s %s: the edge has forgotten what has not changed", c.method, c.target)
		}
		if during == nil || during.Code != after.Code || during.Body.String() != after.Body.String() {
			t.Errorf("%s %s: what the edge would have fetched is %v, later %d %s, before %s", c.method,
				c.target, during,
				after.Code, after.Body, before.Body)
		}
	}
	e.begin(nil)
	s.insert(t, tenant, 10, 2)
	if !e.forgot(tenant + ":resources:") {
		t.Error("after a batch, the edge has not forgotten the lists")
	}
	e.begin(nil)
	expectProblem(t, s.send(t, http.MethodPost, tenant, resourcesPath, "{}"), http.StatusUnprocessableEntity)
	s.ask(t, tenant, resourcesPath)
	if bans, _ := e.end(); bans > 0 {
		t.Errorf("a refused change and a read had %d bans sent", bans)
	}
	metrics := s.ask(t, tenant, "/metrics").Body.String()
	for _, name := range []string{"bans_total", "ban_failures_total", "pending_keys"} {
		if !strings.Contains(metrics, "\nheadroom_edge_"+name+`{edge="http://127.0.0.1:`) {
			t.Errorf("the metrics are without headroom_edge_%s", name)
		}
	}
}
