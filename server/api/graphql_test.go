package api_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/policycortex/headroom/server/api"
	"github.com/policycortex/headroom/server/graphql"
)

// newServiceWithGraphQL is one as a server has it.
func newServiceWithGraphQL(t testing.TB) *service {
	t.Helper()
	s := newService(t)
	mountGraphQL(t, s.API)
	return s
}

func mountGraphQL(t testing.TB, on *api.API) {
	t.Helper()
	err := graphql.Mount(graphql.Options{API: on, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
}

// TestGraphQLIsAsDescribed: the answers of GraphQL have the statuses, types and shapes of the description.
func TestGraphQLIsAsDescribed(t *testing.T) {
	s, tenant := newServiceWithGraphQL(t), newTenant()
	s.insert(t, tenant, 0, 2)
	const (
		newer, older    = "application/graphql-response+json", "application/json"
		events, problem = "text/event-stream", "application/problem+json"
	)
	for _, test := range []struct {
		method, tenant, query, body, accept, sent string

		status int
		kind   string
	}{
		{"GET", tenant, "{resources {nodes {id tags}}}", "", "", "", 200, older},
		{"GET", tenant, "{__typename resources {nodes {id}}}", "", newer, "", 200, newer},
		{"GET", tenant, "mutation {deleteResource(id: \"x\")}", "", "", "", 405, problem},
		{"GET", tenant, "{", "", newer, "", 400, newer},
		{"GET", tenant, "", "", newer, "", 400, problem},
		{"GET", "", "{__typename}", "", "", "", 400, problem},
		{"POST", tenant, "", `{"query":"{resources(first:0){nodes{id}}}"}`, "", older, 200, older},
		{"POST", tenant, "", `{"query":"{a:__typename b:resource(id:\"x\"){id}}"}`, newer, older, 200, newer},
		{"POST", tenant, "", `{"query":"mutation{createResource(input:{azureResourceId:\"\",subscriptionId:\"\",` +
			`resourceGroupName:\"\",name:\"\",type:\"\",location:\"\"}){id}}"}`, "", older, 200, older},
		{"POST", tenant, "", `{"query":"{__typename}"}`, events, older, 200, events},
		{"POST", tenant, "", `{"query":"{__typename}"}`, "", "text/plain", 415, problem},
		{"POST", tenant, "", strings.Repeat("x", 1<<20+1), "", older, 413, problem},
	} {
		target := graphql.Path
		if test.method == http.MethodGet {
			target += "?query=" + url.QueryEscape(test.query)
		}
		r := httptest.NewRequestWithContext(t.Context(), test.method, target, strings.NewReader(test.body))
		r.Header.Set("X-Tenant-ID", test.tenant)
		r.Header.Set("Accept", test.accept)
		r.Header.Set("Content-Type", test.sent)
		w := s.answer(t, r)
		if w.Code != test.status || w.Header().Get("Content-Type") != test.kind {
			t.Errorf("%s %s %.80s: %d, %s: %.300s, want %d, %s", test.method, test.query, test.body, w.Code,
				w.Header().Get("Content-Type"), w.Body, test.status, test.kind)
		}
	}
}
