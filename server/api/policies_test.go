package api_test

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"

	"github.com/google/uuid"

	"github.com/policycortex/headroom/server/store"
)

type policy struct {
	ID      uuid.UUID
	Version int
	store.NewPolicy
}

func policyJSON(name string) string {
	return `{"name":"` + name + `","type":"t","category":"c","severity":"low","definition":{"a":1}}`
}

func (s *service) createPolicy(t testing.TB, tenant, name string) policy {
	t.Helper()
	var p policy
	decode(t, s.send(t, http.MethodPost, tenant, "/api/v1/policies", policyJSON(name)), http.StatusCreated, &p)
	return p
}

func TestPolicyThroughTheAPI(t *testing.T) {
	s, tenant := newService(t), newTenant()
	w := s.send(t, http.MethodPost, tenant, "/api/v1/policies", policyJSON("one"))
	var created, read policy
	decode(t, w, http.StatusCreated, &created)
	path := "/api/v1/policies/" + created.ID.String()
	if w.Header().Get("Location") != path || created.Version != 1 {
		t.Errorf("Location %s, %s", w.Header().Get("Location"), w.Body)
	}
	first := s.get(t, tenant, path)
	decode(t, first, http.StatusOK, &read)
	if second := s.get(t, tenant, path); second.Header().Get("X-Cache") != "l1" ||
		second.Body.String() != w.Body.String() {
		t.Errorf("the second answer is from %s: %s", second.Header().Get("X-Cache"), second.Body)
	}
	if got := len(all[policy](t, s, tenant, "/api/v1/policies?limit=1")); got != 1 {
		t.Errorf("%d policies in the list", got)
	}
	// What was cached is gone when the change is acknowledged.
	etag := first.Header().Get("ETag")
	decode(t, s.send(t, http.MethodPut, tenant, path, policyJSON("two"), "If-Match", etag), http.StatusOK, &read)
	var again policy
	decode(t, s.get(t, tenant, path), http.StatusOK, &again)
	list := all[policy](t, s, tenant, "/api/v1/policies?limit=1")
	if read.Version != 2 || again.Name != "two" || again.Version != 2 || len(list) != 1 || list[0].Name != "two" {
		t.Errorf("after the change: %+v, %+v, list %+v", read, again, list)
	}
	expectProblem(t, s.send(t, http.MethodPut, tenant, path, policyJSON("three"), "If-Match", etag),
		http.StatusPreconditionFailed)
	expectProblem(t, s.send(t, http.MethodDelete, tenant, path, "", "If-Match", `"1"`), http.StatusPreconditionFailed)
	expectProblem(t, s.send(t, http.MethodPost, tenant, "/api/v1/policies", policyJSON("two")), http.StatusConflict)
	if w := s.send(t, http.MethodDelete, tenant, path, "", "If-Match", `"2"`); w.Code != http.StatusNoContent {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
	for _, method := range []string{http.MethodGet, http.MethodDelete} {
		expectProblem(t, s.call(t, method, tenant, path, nil), http.StatusNotFound)
	}
	if got := all[policy](t, s, tenant, "/api/v1/policies?limit=1"); len(got) != 0 {
		t.Errorf("after the deletion the list has %+v", got)
	}
}

func TestPolicyListThroughTheAPI(t *testing.T) {
	s, tenant := newService(t), newTenant()
	for i := range 7 {
		s.createPolicy(t, tenant, fmt.Sprint("p", i))
	}
	names := map[string]bool{}
	for _, p := range all[policy](t, s, tenant,
		"/api/v1/policies?enabled=true&severity=low&type=t&category=c&limit=3") {
		names[p.Name] = true
	}
	if len(names) != 7 {
		t.Errorf("%d policies by pages of 3, want 7", len(names))
	}
	if got := all[policy](t, s, tenant, "/api/v1/policies?enabled=false"); len(got) != 0 {
		t.Errorf("disabled ones: %+v", got)
	}
	var first page[policy]
	decode(t, s.get(t, tenant, "/api/v1/policies?limit=3"), http.StatusOK, &first)
	cursor := url.QueryEscape(*first.Pagination.NextCursor)
	for name, target := range map[string]string{
		"of another list": "/api/v1/policies?limit=2&cursor=" + cursor,
		"of another path": "/api/v1/evaluations?limit=3&cursor=" + cursor,
		"a changed one": "/api/v1/policies?limit=3&cursor=" + cursor[:20] + string('A'+(cursor[20]-'A'+1)%2) +
			cursor[21:],
		"no cursor":         "/api/v1/policies?limit=3&cursor=x",
		"another parameter": "/api/v1/policies?color=red",
		"a wrong severity":  "/api/v1/policies?severity=extreme",
		"a wrong enabled":   "/api/v1/policies?enabled=1",
		"a wrong limit":     "/api/v1/policies?limit=0",
		"one twice":         "/api/v1/policies?type=a&type=b",
		"a query for one":   "/api/v1/policies/" + uuid.NewString() + "?a=b",
		"no id":             "/api/v1/policies/x",
	} {
		t.Run(name, func(t *testing.T) { expectProblem(t, s.get(t, tenant, target), http.StatusBadRequest) })
	}
	expectProblem(t, s.get(t, newTenant(), "/api/v1/policies?limit=3&cursor="+cursor), http.StatusBadRequest)
}

func TestPolicyBodiesThroughTheAPI(t *testing.T) {
	s, tenant := newService(t), newTenant()
	p := expectProblem(t, s.send(t, http.MethodPost, tenant, "/api/v1/policies",
		`{"name":"","severity":"x","type":"t","definition":[]}`), http.StatusUnprocessableEntity)
	if len(p.Errors) != 4 {
		t.Errorf("errors %+v, want those of name, category, severity and definition", p.Errors)
	}
	expectProblem(t, s.send(t, http.MethodPost, tenant, "/api/v1/policies", `{"name":1}`),
		http.StatusUnprocessableEntity)
	expectProblem(t, s.send(t, http.MethodPost, tenant, "/api/v1/policies", `{"colour":1}`), http.StatusBadRequest)
	expectProblem(t, s.send(t, http.MethodPost, tenant, "/api/v1/policies", ``), http.StatusBadRequest)
	expectProblem(t, s.send(t, http.MethodPost, "", "/api/v1/policies", policyJSON("x")), http.StatusBadRequest)
	expectProblem(t, s.send(t, http.MethodPut, tenant, "/api/v1/policies/"+uuid.NewString(), policyJSON("x"),
		"If-Match", "x"), http.StatusBadRequest)
	expectProblem(t, s.send(t, http.MethodPut, tenant, "/api/v1/policies/"+uuid.NewString(), policyJSON("x"),
		"If-Match", `"1"`), http.StatusNotFound)
}
