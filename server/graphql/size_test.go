package graphql_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/policycortex/headroom/server/api"
	"github.com/policycortex/headroom/server/graphql"
)

// TestAnswersAreBounded: aliases repeat what is long only so often, whatever answers: a plan, gqlgen, or a stream.
func TestAnswersAreBounded(t *testing.T) {
	t.Parallel()
	const most = 10_000
	s, tenant := newServiceWith(t, graphql.Options{MaxBytes: most}, api.Options{}), newTenant()
	input := map[string]any{
		"azureResourceId": "/a", "subscriptionId": "s", "resourceGroupName": "g", "name": "n", "type": "t",
		"location": "l", "properties": map[string]any{"d": strings.Repeat("x", 3000)},
	}
	var created struct{ CreateResource struct{ ID string } }
	s.data(t, tenant, `mutation ($input: NewResource!) {createResource(input: $input) {id}}`,
		map[string]any{"input": input}, &created)
	id := created.CreateResource.ID
	const three, four = "{a: properties b: properties c: properties}", "{a: properties ...F} " +
		"fragment F on Resource {b: properties c: properties d: properties}"
	for _, test := range []struct {
		query string
		fits  bool
	}{
		{`{resource(id: "` + id + `") ` + three + "}", true},
		{`{__typename resource(id: "` + id + `") ` + three + "}", true},
		{`{resource(id: "` + id + `") ` + inside(four, "}"), false},
		{`{__typename resource(id: "` + id + `") ` + inside(four, "}"), false},
		{"{resources {nodes " + inside(four, "}}"), false},
		{"{resources {edges {node " + inside(four, "}}}"), false},
		{"{__typename resources {edges {cursor node " + inside(four, "}}}"), false},
		{"{resources {nodes " + three + " edges {node " + three + "}}}", false},
		{`{a: resource(id: "` + id + `") ` + three + ` b: resource(id: "` + id + `") ` + three + "}", false},
	} {
		r, text := s.ask(t, tenant, test.query, nil)
		if test.fits {
			if len(r.Errors) > 0 || len(text) < 9000 {
				t.Errorf("%s: %.300s", test.query, text)
			}
			continue
		}
		if len(r.Errors) != 1 || r.Errors[0].Extensions.Code != "RESPONSE_TOO_LONG" || len(text) > most ||
			!strings.Contains(r.Errors[0].Message, "10000 bytes") {
			t.Errorf("%s: %.300s", test.query, text)
		}
	}
	// Changes are made, also those that come after what is too long.
	r, text := s.ask(t, tenant, `mutation ($id: ID!, $input: NewResource!) {
		a: replaceResource(id: $id, input: $input) `+strings.Replace(four, "}", `} b: replaceResource(id: $id,
		input: $input, version: 2) {version} c: deleteResource(id: $id, version: 7)}`, 1),
		map[string]any{"id": id, "input": input})
	if len(r.Errors) != 2 || r.Errors[0].Extensions.Code != "RESPONSE_TOO_LONG" ||
		!strings.Contains(r.Errors[0].Message, "The changes were made") ||
		r.Errors[1].Extensions.Code != "VERSION_MISMATCH" {
		t.Errorf("changes: %.500s", text)
	}
	var one struct{ Resource struct{ Version int } }
	s.data(t, tenant, `{resource(id: "`+id+`") {version}}`, nil, &one)
	if one.Resource.Version != 3 {
		t.Errorf("the version is %d, want 3", one.Resource.Version)
	}
	s.expectInStream(t, tenant, `subscription {events(after: "0-0") {a: payload b: payload c: payload d: payload}}`,
		`data: {"errors":[{"message":"The answer has more than the 10000 bytes that are allowed.`)
}

// inside puts what closes a query before the fragments that follow.
func inside(query, end string) string { return strings.Replace(query, "}", "}"+end, 1) }

// expectInStream subscribes until there is a line that begins like that.
func (s *service) expectInStream(t testing.TB, tenant, query, want string) {
	t.Helper()
	server := httptest.NewServer(s)
	defer server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL+graphql.Path,
		strings.NewReader(fmt.Sprintf(`{"query":%q}`, query)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "text/event-stream")
	r.Header.Set("X-Tenant-ID", tenant)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	lines := bufio.NewScanner(answer.Body)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), want) {
			cancel()
			return
		}
	}
	t.Errorf("%s: the stream ended without %s: %v", query, want, lines.Err())
}
