package graphql_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql/introspection"

	"github.com/policycortex/headroom/server/api"
	"github.com/policycortex/headroom/server/auth"
	"github.com/policycortex/headroom/server/graphql"
)

func TestPersistedQueries(t *testing.T) {
	t.Parallel()
	s, tenant := newService(t), newTenant()
	const query, hash = "{__typename}", "ecf4edb46db40b5132295c0291d62fb65d6759a9eedfa4d5d612dd5ec54a6b38"
	persisted := func(hash string) string {
		return `{"persistedQuery":{"version":1,"sha256Hash":"` + hash + `"}}`
	}
	get := func(query, hash string) string {
		values := url.Values{"extensions": {persisted(hash)}}
		if query != "" {
			values.Set("query", query)
		}
		return s.send(t, http.MethodGet, tenant, graphql.Path+"?"+values.Encode(), nil).Body.String()
	}
	for _, test := range []struct{ query, hash, want string }{
		{"", hash, "PERSISTED_QUERY_NOT_FOUND"},
		{query, strings.Repeat("0", 64), "PERSISTED_QUERY_HASH_MISMATCH"},
		{query, hash, `{"data":{"__typename":"Query"}}`},
		{"", strings.ToUpper(hash), `{"data":{"__typename":"Query"}}`},
	} {
		if got := get(test.query, test.hash); !strings.Contains(got, test.want) {
			t.Errorf("query %q with hash %.8s: %s, want %s", test.query, test.hash, got, test.want)
		}
	}
	// Only what is registered.
	file := filepath.Join(t.TempDir(), "queries.json")
	for content, want := range map[string]string{
		`{"` + hash + `":"{__typename }"}`: "is not the SHA-256", "[]": "must be a JSON object",
		`{"` + hash + `":"` + query + `"}`: "",
	} {
		err := os.WriteFile(file, []byte(content), 0o600)
		if err != nil {
			t.Fatal(err)
		}
		_, err = graphql.ReadRegistered(file)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: error %v, want %q", content, err, want)
		}
	}
	s = newServiceWith(t, graphql.Options{Registered: map[string]string{hash: query}}, api.Options{})
	for _, test := range []struct{ query, hash, want string }{
		{"", hash, `{"data":`},
		{query, hash, `{"data":`},
		{"{a: __typename}", hash, "PERSISTED_QUERY_ONLY"},
		{"", strings.Repeat("0", 64), "PERSISTED_QUERY_ONLY"},
	} {
		if got := get(test.query, test.hash); !strings.Contains(got, test.want) {
			t.Errorf("registered: query %q with hash %.8s: %s, want %s", test.query, test.hash, got, test.want)
		}
	}
	s.data(t, tenant, query, nil, &struct{}{})
	s.expect(t, tenant, "{a: __typename}", "PERSISTED_QUERY_ONLY")
	_, err := graphql.New(graphql.Options{API: s.API, Registered: map[string]string{hash: "{nothing}"}})
	if err == nil || !strings.Contains(err.Error(), "nothing") {
		t.Errorf("a registered query of a field that does not exist: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	s, tenant := newService(t), newTenant()
	for _, test := range [][3]string{
		{"{", "GRAPHQL_PARSE_FAILED", "Name"},
		{"{resourses {nodes {id}}}", "GRAPHQL_VALIDATION_FAILED", `"resources"`},
		{"{resource {id}}", "GRAPHQL_VALIDATION_FAILED", "id"},
		{`{resource(id: "x") {id}}`, "BAD_USER_INPUT", `argument id: "x" is not a UUID`},
		{
			"{resources(first: 101) {nodes {id}}}", "BAD_USER_INPUT",
			`argument first is "101"; it must be a number from 1 to 100`,
		},
		{`{resources(tags: [""]) {nodes {id}}}`, "BAD_USER_INPUT", "argument tags is empty"},
		{`{resources(updatedSince: "now") {nodes {id}}}`, "BAD_USER_INPUT", "argument updatedSince"},
		{
			`{resources(after: "x") {nodes {id}}}`, "BAD_USER_INPUT",
			"argument after: not a cursor from this server; use endCursor",
		},
		{
			"{evaluations(latest: true) {nodes {id}}}", "BAD_USER_INPUT",
			"argument latest needs a resourceId, a policyId or both",
		},
		{`{costTotals(from: "2026-02-30") {from}}`, "BAD_USER_INPUT", "argument from"},
		{`{costs(resourceId: "00000000-0000-0000-0000-000000000000") {from}}`, "BAD_USER_INPUT", "the zero UUID"},
		{`{events(after: "x") {nodes {type}}}`, "BAD_USER_INPUT", "argument after"},
		{"subscription {events {type}}", "TRANSPORT_NOT_SUPPORTED", "text/event-stream"},
		{"query A {__typename} query B {__typename}", "GRAPHQL_VALIDATION_FAILED", "operation"},
		{"{resources(first: 1) @defer {nodes {id}}}", "GRAPHQL_VALIDATION_FAILED", "@defer"},
		{`{__typename resources(first: 0) {nodes {id}}}`, "BAD_USER_INPUT", "argument first"},
		{
			"{resources(updatedSince: 99999999999999999999) {nodes {id}}}", "GRAPHQL_VALIDATION_FAILED",
			"A number of 99999999999999999999 is out of range.",
		},
		{"{__typename costTotals(from: 1e999) {from}}", "GRAPHQL_VALIDATION_FAILED", "1e999"},
		{"{" + strings.Repeat("a", 101) + ": __typename}", "GRAPHQL_VALIDATION_FAILED", "has 101 bytes"},
		{
			`mutation {deleteResource(id: "` + tenant + `", version: 2147483648)}`, "BAD_USER_INPUT",
			"argument version must be a number from 1 to 2147483647",
		},
	} {
		said := s.expect(t, tenant, test[0], test[1])
		if !strings.Contains(said, test[2]) {
			t.Errorf("%s: it is said %q, want %q", test[0], said, test[2])
		}
	}
	// What is no request of GraphQL is a problem, as everywhere else.
	typename := map[string]any{"query": "{__typename}"}
	for _, test := range []struct {
		method, tenant, target string
		body                   any
		header                 string
		status                 int
	}{
		{http.MethodPost, "", "", typename, "application/json", 400},
		{http.MethodPost, tenant, "", typename, "text/plain", 415},
		{http.MethodPost, tenant, "", []any{typename}, "application/json", 400},
		{http.MethodPost, tenant, "", map[string]any{"query": ""}, "application/json", 400},
		{http.MethodPost, tenant, "", map[string]any{"query": "{a}", "variables": []int{1}}, "application/json", 400},
		{http.MethodPost, tenant, "", map[string]any{"query": strings.Repeat("x", 1<<20)}, "application/json", 413},
		{http.MethodGet, tenant, "", nil, "application/json", 400},
		{http.MethodGet, tenant, "?query=%zz", nil, "application/json", 400},
		{http.MethodGet, tenant, "?query=" + url.QueryEscape(`mutation {deleteResource(id: "x")}`), nil, "", 405},
		{http.MethodPut, tenant, "", typename, "application/json", 405},
	} {
		w := s.send(t, test.method, test.tenant, graphql.Path+test.target, test.body, "Content-Type", test.header)
		if w.Code != test.status || w.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s %.60s %.60v: %d %s, want the problem %d", test.method, test.target, test.body, w.Code, w.Body,
				test.status)
		}
	}
	w := s.send(t, http.MethodPost, tenant, graphql.Path, map[string]any{"query": "{"}, "Accept",
		"application/graphql-response+json")
	if w.Code != http.StatusBadRequest || w.Header().Get("Content-Type") != "application/graphql-response+json" {
		t.Errorf("a client of the newer media type is told %d, %s", w.Code, w.Header().Get("Content-Type"))
	}
}

func TestIntrospection(t *testing.T) {
	t.Parallel()
	const query = `{__type(name: "Resource") {fields {name}}}`
	s, tenant := newService(t), newTenant()
	if _, text := s.ask(t, tenant, query, nil); !strings.Contains(text, `{"name":"azureResourceId"}`) {
		t.Errorf("introspection answers %s", text)
	}
	r, text := s.ask(t, tenant, introspection.Query, nil)
	if len(r.Errors) > 0 {
		t.Errorf("the query of tools: %.300s", text)
	}
	s.expect(t, tenant, schemaBomb(), "QUERY_TOO_EXPENSIVE")
	s = newServiceWith(t, graphql.Options{NoIntrospection: true}, api.Options{})
	s.expect(t, tenant, query, "INTROSPECTION_DISABLED")
	if said := s.expect(t, tenant, "{resourses {nodes {id}}}", "GRAPHQL_VALIDATION_FAILED"); strings.Contains(said,
		`"resources"`) {
		t.Errorf("without introspection a name is suggested: %s", said)
	}
}

// schemaBomb asks for the same of the schema by ten names at each level, which would be some 10^10 values.
func schemaBomb() string {
	query, levels := "", []string{"types", "fields", "type", "ofType", "ofType", "ofType", "fields"}
	for i, level := range levels {
		of := "__Type"
		switch level {
		case "types":
			of = "__Schema"
		case "type":
			of = "__Field"
		}
		var aliases strings.Builder
		for alias := range 10 {
			fmt.Fprintf(&aliases, "a%d: %s {...F%d} ", alias, level, i+1)
		}
		query += fmt.Sprintf(" fragment F%d on %s {%s}", i, of, &aliases)
	}
	return "{__schema {...F0}}" + query + fmt.Sprintf(" fragment F%d on __Field {name}", len(levels))
}

// TestHeaders: what a GET gets is stored and asked for again as the answers of REST are.
func TestHeaders(t *testing.T) {
	t.Parallel()
	s := newServiceWith(t, graphql.Options{}, api.Options{EdgeTTL: time.Minute})
	e := newEstate(t, s, 3)
	target := graphql.Path + "?query=" +
		url.QueryEscape(fmt.Sprintf("{resource(id: %q) {%s}}", e.resources[0], resourceFields))
	first := s.send(t, http.MethodGet, e.tenant, target, nil)
	second := s.send(t, http.MethodGet, e.tenant, target, nil)
	for name, want := range map[string]string{
		"X-Cache": "l1", "Surrogate-Key": e.tenant + ":resource:" + e.resources[0],
		"Vary":          "X-Tenant-ID, Accept, Accept-Encoding",
		"Cache-Control": s.send(t, http.MethodGet, e.tenant, "/api/v1/resources", nil).Header().Get("Cache-Control"),
		"ETag":          first.Header().Get("ETag"), "Content-Type": "application/json",
	} {
		if got := second.Header().Get(name); got != want || got == "" {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if first.Header().Get("Server-Timing") == "" || first.Body.String() != second.Body.String() {
		t.Errorf("headers %v and %v", first.Header(), second.Header())
	}
	again := s.send(t, http.MethodGet, e.tenant, target, nil, "If-None-Match", first.Header().Get("ETag"))
	if again.Code != http.StatusNotModified || again.Body.Len() > 0 {
		t.Errorf("what has not changed is answered with %d", again.Code)
	}
	if head := s.send(t, http.MethodHead, e.tenant, target, nil); head.Code != 200 || head.Header().Get("Etag") == "" {
		t.Errorf("HEAD: %d %v", head.Code, head.Header())
	}
	packed := s.send(t, http.MethodGet, e.tenant, target, nil, "Accept-Encoding", "gzip")
	if packed.Header().Get("Content-Encoding") != "" { // it is small
		t.Errorf("a small answer is compressed")
	}
	query := map[string]any{"query": fmt.Sprintf("{resource(id: %q) {name}}", e.resources[0])}
	for _, prefer := range []string{"", "performance"} {
		w := s.send(t, http.MethodPost, e.tenant, graphql.Path, query, "Prefer", prefer)
		var r response
		err := json.Unmarshal(w.Body.Bytes(), &r)
		if err != nil || w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("X-Cache") != "l1" {
			t.Errorf("POST: %v, %v", err, w.Header())
		}
		if _, timed := r.Extensions["performance"]; timed != (prefer != "") {
			t.Errorf("Prefer: %q gets %s", prefer, w.Body)
		}
	}
}

// TestFailuresTellNothing: what fails inside has the status of REST, and a message that does not name anything inside.
func TestFailuresTellNothing(t *testing.T) {
	t.Parallel()
	s := newOwnService(t)
	s.store.Close()
	for _, query := range []string{
		"{resources {nodes {id}}}", "{a: policies {nodes {id}} b: policies {nodes {name}}}", "{events {nodes {type}}}",
		`mutation {deleteResource(id: "0190a6f4-3c1e-7d2b-9a10-5f3e8c7b6a51")}`,
	} {
		w := s.send(t, http.MethodPost, newTenant(), graphql.Path, map[string]any{"query": query})
		var r response
		err := json.Unmarshal(w.Body.Bytes(), &r)
		if err != nil || w.Code < 500 || len(r.Errors) == 0 {
			t.Errorf("%s: status %d: %s", query, w.Code, w.Body)
			continue
		}
		for _, fault := range r.Errors {
			code := fault.Extensions.Code
			if code != "INTERNAL" && code != "UNAVAILABLE" || strings.Contains(fault.Message, "pool") {
				t.Errorf("%s: %+v", query, fault)
			}
		}
	}
	if !strings.Contains(s.log.String(), "closed pool") {
		t.Errorf("the log does not have the cause: %s", s.log)
	}
}

func TestGraphQLNeedsAToken(t *testing.T) {
	t.Parallel()
	verifier, err := auth.New(auth.Options{SharedKey: bytes.Repeat([]byte("k"), 32), TenantClaim: "tenant_id"})
	if err != nil {
		t.Fatal(err)
	}
	s := newServiceWith(t, graphql.Options{}, api.Options{Verifier: verifier})
	w := s.send(t, http.MethodPost, newTenant(), graphql.Path, map[string]any{"query": "{__typename}"})
	if w.Code != http.StatusUnauthorized || w.Header().Get("WWW-Authenticate") == "" {
		t.Errorf("without a token: %d, %s", w.Code, w.Body)
	}
}

// TestSubscription: over a real connection, a change is an event, and a client that comes again continues.
func TestSubscription(t *testing.T) {
	t.Parallel()
	s := newService(t)
	e := newEstate(t, s, 1)
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	subscribe := func(query, last string) *bufio.Scanner {
		t.Helper()
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL+graphql.Path,
			strings.NewReader(fmt.Sprintf(`{"query":%q}`, query)))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Accept", "text/event-stream")
		r.Header.Set("X-Tenant-ID", e.tenant)
		r.Header.Set("Last-Event-ID", last)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { answer.Body.Close() })
		if answer.StatusCode != http.StatusOK || answer.Header.Get("Content-Type") != "text/event-stream" {
			text, _ := io.ReadAll(answer.Body)
			t.Fatalf("%s: %s %s", query, answer.Status, text)
		}
		return bufio.NewScanner(answer.Body)
	}
	next := func(lines *bufio.Scanner) (id, event, data string) {
		for lines.Scan() {
			line := lines.Text()
			field, value, _ := strings.Cut(line, ": ")
			switch field {
			case "id":
				id = value
			case "event":
				event = value
			case "data":
				data = value
			}
			if line == "" && event != "" {
				return id, event, data
			}
		}
		t.Fatalf("the stream ended: %v", lines.Err())
		return
	}
	live := subscribe("subscription {events {kind: type ...F}} fragment F on Event {version streamId}", "")
	if !live.Scan() || live.Text() != ":" {
		t.Fatalf("a stream begins with %q", live.Text())
	}
	s.rest(t, http.MethodDelete, e.tenant, "/resources/"+e.resources[0], nil, nil)
	want := `{"data":{"events":{"kind":"resource.deleted","version":2,"streamId":"` + e.resources[0] + `"}}}`
	id, event, data := next(live)
	for !strings.Contains(data, "resource.deleted") { // a few from just before
		id, event, data = next(live)
	}
	if event != "next" || data != want {
		t.Errorf("the change is the event %q with %s, want %s", event, data, want)
	}
	first := subscribe(`subscription {events(after: "0-0") {place}}`, "")
	place, _, data := next(first)
	if data != `{"data":{"events":{"place":"`+place+`"}}}` {
		t.Errorf("the first event has the id %s and is %s", place, data)
	}
	second, _, _ := next(first)
	if continued, _, _ := next(subscribe(`subscription {events {place}}`, place)); continued != second || id == place {
		t.Errorf("after %s follows %s, want %s", place, continued, second)
	}
	// Queries, and what is refused, are one event and the end.
	for query, want := range map[string]string{
		"{__typename}": `{"data":{"__typename":"Query"}}`, "subscription {nothing}": "GRAPHQL_VALIDATION_FAILED",
		`subscription {events(after: "x") {place}}`: "BAD_USER_INPUT",
	} {
		lines := subscribe(query, "")
		_, event, data := next(lines)
		_, last, _ := next(lines)
		if event != "next" || !strings.Contains(data, want) || last != "complete" {
			t.Errorf("%s: events %q with %s and %q", query, event, data, last)
		}
	}
}
