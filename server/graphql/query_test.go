package graphql_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"
)

const (
	resourceFields = "id version azureResourceId subscriptionId resourceGroupName name type location properties tags " +
		"complianceStatus createdAt updatedAt"
	policyFields = "id name type category severity enabled definition version createdAt updatedAt " +
		"rule {kind expression}"
	evaluationFields = "id resourceId policyId result evaluatedAt"
	countFields      = "totalResources evaluatedResources compliantResources nonCompliantResources exemptResources " +
		"compliancePercentage"
)

// TestSameAsREST: everything that REST has is the same by GraphQL, by a plan as well as by gqlgen, which executes
// whatever asks for a second field of Query.
func TestSameAsREST(t *testing.T) {
	t.Parallel()
	s := newService(t)
	e := newEstate(t, s, 5)
	s.rest(t, http.MethodPost, e.tenant, "/compliance/refresh", nil, nil)
	s.rest(t, http.MethodPut, e.tenant, "/policies/"+e.policies[1]+"/expression", map[string]any{
		"expression": "resource.name != ''",
	}, nil)
	for _, test := range []struct{ field, rest, data string }{
		{"resource(id: $id) {" + resourceFields + "}", "/resources/" + e.resources[0], ""},
		{"resources(first: 3) {nodes {" + resourceFields + "}}", "/resources?limit=3", "nodes"},
		{
			`resources(tags: ["env:prod"], orderBy: NAME_ASC) {nodes {` + resourceFields + "}}",
			"/resources?tag=env:prod&order_by=name", "nodes",
		},
		{
			`resources(search: "quoted", tagCount: 1) {nodes {` + resourceFields + "}}",
			"/resources?q=quoted&tag_count=1", "nodes",
		},
		{
			`resources(complianceStatus: non_compliant, updatedSince: "2020-01-01T00:00:00Z") {nodes {` +
				resourceFields + "}}",
			"/resources?compliance_status=non_compliant&updated_since=2020-01-01T00:00:00Z", "nodes",
		},
		{"policy(id: $ruled) {" + policyFields + "}", "/policies/" + e.policies[1], ""},
		{"policy(id: $policy) {" + policyFields + "}", "/policies/" + e.policies[0], ""},
		{
			"policies(severity: low, enabled: true) {nodes {" + policyFields + "}}",
			"/policies?severity=low&enabled=true", "nodes",
		},
		{"evaluations(first: 4) {nodes {" + evaluationFields + "}}", "/evaluations?limit=4", "nodes"},
		{
			"evaluations(resourceId: $id, latest: true) {nodes {" + evaluationFields + "}}",
			"/evaluations?latest=true&resource_id=" + e.resources[0], "nodes",
		},
		{
			"costs(resourceId: $id) {data {date serviceName cost currency} from to}",
			"/costs?resource_id=" + e.resources[0], "",
		},
		{
			"costTotals(period: month) {data {period serviceName cost currency resources} from to}",
			"/costs/totals?period=month", "",
		},
		{
			"complianceSummary {data {subscriptionId resourceType " + countFields + "} total {" + countFields +
				"} refreshedAt}", "/compliance/summary", "",
		},
		{"events(first: 7) {nodes {place streamId version type payload occurredAt}}", "/events?limit=7", "nodes"},
		{
			"events(stream: $id) {nodes {place streamId version type payload occurredAt}}",
			"/events?stream=" + e.resources[0], "nodes",
		},
	} {
		var want any
		s.rest(t, http.MethodGet, e.tenant, test.rest, nil, &want)
		var plain, executed map[string]any
		query := strings.ReplaceAll(test.field, "$id", fmt.Sprintf("%q", e.resources[0]))
		query = strings.ReplaceAll(query, "$ruled", fmt.Sprintf("%q", e.policies[1]))
		query = strings.ReplaceAll(query, "$policy", fmt.Sprintf("%q", e.policies[0]))
		s.data(t, e.tenant, "{it: "+query+"}", nil, &plain)
		s.data(t, e.tenant, "{__typename it: "+query+"}", nil, &executed)
		if !reflect.DeepEqual(plain["it"], executed["it"]) {
			t.Errorf("%s: the plan answers\n%v\nand gqlgen\n%v", test.field, plain, executed)
		}
		wanted, got := inGraphQL(want), plain["it"]
		if test.data != "" {
			wanted, got = wanted.(map[string]any)["data"], got.(map[string]any)[test.data]
		}
		if !reflect.DeepEqual(wanted, got) {
			t.Errorf("%s: GraphQL answers\n%v\nand REST\n%v", test.field, got, wanted)
		}
	}
}

// inGraphQL writes the names of REST as GraphQL does, except within values that clients have sent; ids are texts.
func inGraphQL(value any) any {
	switch value := value.(type) {
	case []any:
		for i := range value {
			value[i] = inGraphQL(value[i])
		}
	case map[string]any:
		made := map[string]any{}
		for name, one := range value {
			if name != "properties" && name != "tags" && name != "definition" && name != "payload" {
				one = inGraphQL(one)
			}
			if number, ok := one.(float64); ok && name == "id" {
				one = fmt.Sprint(int64(number))
			}
			parts := strings.Split(name, "_")
			for i := 1; i < len(parts); i++ {
				parts[i] = strings.ToUpper(parts[i][:1]) + parts[i][1:]
			}
			made[strings.Join(parts, "")] = one
		}
		return made
	}
	return value
}

// connection is a page.
type connection struct {
	Edges []struct {
		Cursor string
		Node   struct{ ID, Place string }
	}
	PageInfo struct {
		HasNextPage, HasPreviousPage bool
		StartCursor, EndCursor       *string
	}
	TotalCount int
}

// TestPages: lists are walked by the cursors of REST, of edges and of pages, whoever executes the query.
func TestPages(t *testing.T) {
	t.Parallel()
	s := newService(t)
	e := newEstate(t, s, 7)
	const page = "edges {cursor node {%s}} pageInfo {hasNextPage hasPreviousPage startCursor endCursor}"
	for _, test := range []struct {
		field, id string
		arguments string
		rest      string
		n         int
	}{
		{"resources", "id", "", "/resources?", 7},
		{"resources", "id", ", orderBy: NAME_DESC", "/resources?order_by=-name&", 7},
		{"policies", "id", "", "/policies?", 3},
		{"evaluations", "id", "", "/evaluations?", 21},
		{
			"evaluations", "id", fmt.Sprintf(", resourceId: %q, latest: true", e.resources[1]),
			"/evaluations?latest=true&resource_id=" + e.resources[1] + "&", 3,
		},
		{
			"evaluations", "id", fmt.Sprintf(", policyId: %q, latest: true", e.policies[1]),
			"/evaluations?latest=true&policy_id=" + e.policies[1] + "&", 7,
		},
		{"events", "place", "", "", 12},
	} {
		for _, executor := range []string{"", "__typename "} {
			query := "query ($after: String) {" + executor + "it: " + test.field + "(first: 2, after: $after" +
				test.arguments + ") {" + fmt.Sprintf(page, test.id) + "}}"
			var ids []string
			var after *string
			for n := 0; ; n++ {
				var answer struct{ It connection }
				s.data(t, e.tenant, query, map[string]any{"after": after}, &answer)
				c := answer.It
				last := len(c.Edges) - 1
				if c.PageInfo.HasPreviousPage != (n > 0) || last < 0 || *c.PageInfo.StartCursor != c.Edges[0].Cursor ||
					*c.PageInfo.EndCursor != c.Edges[last].Cursor {
					t.Fatalf("%s: page %d is %+v", query, n, c)
				}
				for _, edge := range c.Edges {
					ids = append(ids, edge.Node.ID+edge.Node.Place)
				}
				if test.rest != "" && n == 0 && c.PageInfo.HasNextPage {
					var of struct {
						Pagination struct {
							NextCursor string `json:"next_cursor"`
						}
					}
					s.rest(t, http.MethodGet, e.tenant, test.rest+"limit=2", nil, &of)
					if of.Pagination.NextCursor != *c.PageInfo.EndCursor {
						t.Errorf("%s ends with another cursor than REST's %q", query, of.Pagination.NextCursor)
					}
				}
				after = c.PageInfo.EndCursor
				if !c.PageInfo.HasNextPage {
					break
				}
			}
			if test.n != len(unique(ids)) || len(ids) != test.n {
				t.Errorf("%s: %d elements, %d different ones; want %d", query, len(ids), len(unique(ids)), test.n)
			}
		}
	}
	// The cursor of any edge continues, and the number of all elements is that of REST.
	var first, second struct{ Resources connection }
	s.data(t, e.tenant, `{resources(first: 4) {totalCount edges {cursor node {id}}}}`, nil, &first)
	s.data(t, e.tenant, `query ($c: String) {resources(first: 4, after: $c) {totalCount edges {cursor node {id}}}}`,
		map[string]any{"c": first.Resources.Edges[1].Cursor}, &second)
	if first.Resources.TotalCount != 7 || len(second.Resources.Edges) != 4 ||
		second.Resources.Edges[0].Node.ID != first.Resources.Edges[2].Node.ID {
		t.Errorf("after the second edge of\n%+v\nfollows\n%+v", first, second)
	}
	s.expect(t, e.tenant, fmt.Sprintf(`{resources(orderBy: NAME_ASC, after: %q) {nodes {id}}}`,
		first.Resources.Edges[0].Cursor), "BAD_USER_INPUT")
	s.expect(t, newTenant(), fmt.Sprintf(`{resources(after: %q) {nodes {id}}}`, first.Resources.Edges[0].Cursor),
		"BAD_USER_INPUT")
}

func unique(ids []string) map[string]bool {
	all := map[string]bool{}
	for _, id := range ids {
		all[id] = true
	}
	return all
}

// TestSelections: aliases, fragments, directives and repeated fields mean what they mean, whoever executes the query.
func TestSelections(t *testing.T) {
	t.Parallel()
	s := newService(t)
	e := newEstate(t, s, 2)
	id := e.resources[0]
	for _, test := range [][2]string{
		{
			`{a: resource(id: $id) {__typename b: name c: name version}}`,
			`{"a":{"__typename":"Resource","b":NAME,"c":NAME,"version":1}}`,
		},
		{
			`{resource(id: $id) {...F version} __T} fragment F on Resource {type ... on Resource {type}}`,
			`{"resource":{"type":"vm","version":1}}`,
		},
		{
			`query ($yes: Boolean = true) {resource(id: $id) {type @skip(if: $yes) version @include(if: $yes)}}`,
			`{"resource":{"version":1}}`,
		},
		{
			`{resource(id: $id) {version} resource(id: $id) {type}}`,
			`{"resource":{"version":1,"type":"vm"}}`,
		},
		{
			`{resources(first: 1) {__typename edges {__typename} pageInfo {__typename} nodes {__typename}}}`,
			`{"resources":{"__typename":"ResourceConnection","edges":[{"__typename":"ResourceEdge"}],"pageInfo":{"__typename":"PageInfo"},"nodes":[{"__typename":"Resource"}]}}`,
		},
		{
			`{resource(id: "0190a6f4-3c1e-7d2b-9a10-5f3e8c7b6a51") {id}}`,
			`{"resource":null}`,
		},
		{
			`{resources(type: "none") {nodes {id} edges {cursor} totalCount pageInfo {hasNextPage startCursor endCursor}}}`,
			`{"resources":{"nodes":[],"edges":[],"totalCount":0,"pageInfo":{"hasNextPage":false,"startCursor":null,"endCursor":null}}}`,
		},
	} {
		query := strings.ReplaceAll(test[0], "$id", fmt.Sprintf("%q", id))
		want := strings.ReplaceAll(test[1], "NAME", `"vm-00 \"quoted\" \\ ü"`)
		for _, extra := range []string{"", " __typename"} {
			full, wanted := strings.ReplaceAll(query, " __T", extra), want
			if extra != "" && !strings.Contains(query, " __T") {
				at := strings.LastIndex(query, "}")
				full = query[:at] + extra + "}"
			}
			if extra != "" {
				wanted = want[:len(want)-1] + `,"__typename":"Query"}`
			}
			_, text := s.ask(t, e.tenant, full, nil)
			if text != `{"data":`+wanted+`}` {
				t.Errorf("%s\nanswers %s\nwant    %s", full, text, wanted)
			}
		}
	}
}

// TestNoStatementForEach: what belongs to the elements of a list is read by one statement a level, however many.
func TestNoStatementForEach(t *testing.T) {
	t.Parallel()
	s := newOwnService(t)
	want := map[string]int64{
		"list_resources": 1, "list_current_evaluations": 2, "get_policy": 1, "get_resource": 1, "cost_series": 1,
		"read_cache_entry": 1,
	}
	var got map[string]int64
	for range 3 { // reads that wait for each other for too long are not read together, which a busy machine may cause
		got = statementsOfNested(t, s)
		if reflect.DeepEqual(got, want) {
			return
		}
	}
	t.Errorf("the query took the statements %v, want %v", got, want)
}

// statementsOfNested counts the statements of a nested query for a tenant whose values no cache has.
func statementsOfNested(t *testing.T, s *service) map[string]int64 {
	t.Helper()
	e := newEstate(t, s, 20)
	today := time.Now().UTC()
	query := fmt.Sprintf(`{resources(first: 20) {nodes {id
		latestEvaluations(first: 5) {result policy {name} resource {name latestEvaluations {id}}}
		costs(from: %q, to: %q, serviceName: "compute") {date cost} }}}`, today.AddDate(0, 0, -7).Format(time.DateOnly),
		today.Format(time.DateOnly))
	before := s.statements()
	var answer struct {
		Resources struct {
			Nodes []struct {
				ID                string
				LatestEvaluations []struct {
					Policy   struct{ Name string }
					Resource struct {
						Name              string
						LatestEvaluations []struct{ ID string }
					}
				}
				Costs []struct{ Cost float64 }
			}
		}
	}
	s.data(t, e.tenant, query, nil, &answer)
	for _, r := range answer.Resources.Nodes {
		if len(r.LatestEvaluations) != 3 || len(r.Costs) != 2 || r.LatestEvaluations[0].Policy.Name == "" ||
			r.LatestEvaluations[2].Resource.Name == "" || len(r.LatestEvaluations[1].Resource.LatestEvaluations) != 3 {
			t.Fatalf("incomplete: %+v", r)
		}
	}
	if len(answer.Resources.Nodes) != 20 {
		t.Fatalf("%d resources", len(answer.Resources.Nodes))
	}
	got := map[string]int64{}
	for name, n := range s.statements() {
		if n > before[name] && name != "write_cache_entry" {
			got[name] = n - before[name]
		}
	}
	// The second time what is cached is not read again.
	before = s.statements()
	s.data(t, e.tenant, query, nil, &answer)
	after := s.statements()
	for _, name := range []string{"list_resources", "get_policy", "get_resource"} {
		if after[name] != before[name] {
			t.Errorf("%s was executed again", name)
		}
	}
	return got
}

// statements counts the statements of the store by name.
func (s *service) statements() map[string]int64 {
	counts := map[string]int64{}
	for name, stats := range s.store.QueryStats() {
		counts[name] = stats.Durations.TotalCount()
	}
	return counts
}

// TestChangesThroughGraphQL: what was cached, by either language, is gone when a change is acknowledged.
func TestChangesThroughGraphQL(t *testing.T) {
	t.Parallel()
	s, tenant := newService(t), newTenant()
	input := map[string]any{
		"azureResourceId": "/a", "subscriptionId": "s", "resourceGroupName": "g", "name": "n", "type": "t",
		"location": "l", "properties": map[string]any{"n": json.Number("1.50")}, "tags": map[string]any{"k": "v"},
	}
	var created struct {
		CreateResource struct {
			ID         string
			Version    int
			Properties json.RawMessage
			Tags       map[string]string
		}
	}
	const create = `mutation ($input: NewResource!) {createResource(input: $input) {id version properties tags}}`
	s.data(t, tenant, create, map[string]any{"input": input}, &created)
	c := created.CreateResource
	if c.Version != 1 || string(c.Properties) != `{"n":1.50}` || c.Tags["k"] != "v" {
		t.Fatalf("created %+v", c)
	}
	read := func() (name string) {
		var one struct{ Resource *struct{ Name string } }
		s.data(t, tenant, `query ($id: ID!) {resource(id: $id) {name}}`, map[string]any{"id": c.ID}, &one)
		if one.Resource == nil {
			return ""
		}
		return one.Resource.Name
	}
	if got := read(); got != "n" {
		t.Errorf("reads %q", got)
	}
	input["name"] = "m"
	const replace = `mutation ($id: ID!, $version: Int, $input: NewResource!) {
		replaceResource(id: $id, version: $version, input: $input) {version name latestEvaluations {id}}}`
	var replaced struct{ ReplaceResource struct{ Version int } }
	s.data(t, tenant, replace, map[string]any{"id": c.ID, "version": 1, "input": input}, &replaced)
	if got := read(); got != "m" || replaced.ReplaceResource.Version != 2 {
		t.Errorf("after the change reads %q, version %d", got, replaced.ReplaceResource.Version)
	}
	for _, test := range []struct {
		query     string
		variables map[string]any
		code      string
	}{
		{create, map[string]any{"input": input}, "CONFLICT"},
		{replace, map[string]any{"id": c.ID, "version": 1, "input": input}, "VERSION_MISMATCH"},
		{replace, map[string]any{"id": newTenant(), "input": input}, "NOT_FOUND"},
		{replace, map[string]any{"id": "x", "input": input}, "BAD_USER_INPUT"},
		{replace, map[string]any{"id": c.ID, "version": 0, "input": input}, "BAD_USER_INPUT"},
		{`mutation ($id: ID!) {deleteResource(id: $id, version: 1)}`, map[string]any{"id": c.ID}, "VERSION_MISMATCH"},
		{create, map[string]any{"input": map[string]any{
			"azureResourceId": "", "subscriptionId": "s", "resourceGroupName": "g", "name": "n", "type": "t",
			"location": "l", "tags": map[string]any{"k": 1},
		}}, "BAD_USER_INPUT"},
	} {
		r, text := s.ask(t, tenant, test.query, test.variables)
		if len(r.Errors) != 1 || r.Errors[0].Extensions.Code != test.code {
			t.Errorf("%s: want the code %s: %s", test.query, test.code, text)
		}
	}
	input["azureResourceId"], input["name"] = "", strings.Repeat("x", 1000)
	r, text := s.ask(t, tenant, create, map[string]any{"input": input})
	if len(r.Errors) != 1 || len(r.Errors[0].Extensions.Errors) != 2 ||
		r.Errors[0].Extensions.Errors[0].Field != "azureResourceId" {
		t.Errorf("an invalid resource: %s", text)
	}
	s.data(t, tenant, `mutation ($id: ID!) {deleteResource(id: $id)}`, map[string]any{"id": c.ID}, &struct{}{})
	if got := read(); got != "" {
		t.Errorf("after it was deleted reads %q", got)
	}
}
