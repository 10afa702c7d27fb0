package graphql_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/policycortex/headroom/server/graphql"
)

// discard is a response writer without a network.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(status int)      { d.status = status }

// BenchmarkGraphQLBesideREST asks for the same content in both languages, from L1: a resource and a page of twenty.
// nested has no peer; it is executed by gqlgen.
func BenchmarkGraphQLBesideREST(b *testing.B) {
	s := newService(b)
	e := newEstate(b, s, 20)
	const one = "query ($id: ID!) {resource(id: $id) {" + resourceFields + "}}"
	const page = "{resources(first: 20) {nodes {" + resourceFields + "} pageInfo {hasNextPage endCursor}}}"
	id := map[string]any{"id": e.resources[0]}
	for _, of := range []struct{ name, method, target, body string }{
		{"one/rest", http.MethodGet, "/api/v1/resources/" + e.resources[0], ""},
		{"one/graphql", http.MethodPost, graphql.Path, bodyOf(one, id)},
		{"one/graphql-get", http.MethodGet, targetOf(one, id), ""},
		{"page/rest", http.MethodGet, "/api/v1/resources?limit=20", ""},
		{"page/graphql", http.MethodPost, graphql.Path, bodyOf(page, nil)},
		{"page/graphql-resolvers", http.MethodPost, graphql.Path, bodyOf("{__typename "+page[1:], nil)},
		{"nested", http.MethodPost, graphql.Path, bodyOf(
			"{resources(first: 20) {nodes {id latestEvaluations {result policy {name}}}}}", nil)},
	} {
		b.Run(of.name, func(b *testing.B) {
			w := &discard{header: http.Header{}}
			r := httptest.NewRequestWithContext(b.Context(), of.method, of.target, nil)
			r.Header.Set("X-Tenant-ID", e.tenant)
			r.Header.Set("Content-Type", "application/json")
			r.ContentLength = int64(len(of.body))
			query := r.URL.RawQuery
			b.ReportAllocs()
			for b.Loop() {
				clear(w.header)
				r.Body, r.URL.RawQuery = io.NopCloser(strings.NewReader(of.body)), query
				s.ServeHTTP(w, r)
				if w.status != http.StatusOK {
					b.Fatal(w.status)
				}
			}
		})
	}
}

func bodyOf(query string, variables map[string]any) string {
	body, _ := json.Marshal(map[string]any{"query": query, "variables": variables}) // of texts
	return string(body)
}

func targetOf(query string, variables map[string]any) string {
	encoded, _ := json.Marshal(variables) // of texts
	return graphql.Path + "?" + url.Values{"query": {query}, "variables": {string(encoded)}}.Encode()
}
