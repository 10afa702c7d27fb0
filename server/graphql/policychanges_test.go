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

// TestPolicyChangesAreThoseOfREST: what GraphQL changes is what REST then has, whatever of it had been cached, and is
// refused for the same reasons.
func TestPolicyChangesAreThoseOfREST(t *testing.T) {
	t.Parallel()
	s, tenant := newService(t), newTenant()
	input := map[string]any{
		"name": "one", "type": "t", "category": "c", "severity": "low", "definition": map[string]any{"a": 1},
	}
	const fields = "{" + policyFields + "}"
	const create = "mutation ($input: NewPolicy!) {it: createPolicy(input: $input) " + fields + "}"
	const replace = "mutation ($id: ID!, $version: Int, $input: NewPolicy!) " +
		"{it: replacePolicy(id: $id, version: $version, input: $input) " + fields + "}"
	list := func() (names []string) {
		t.Helper()
		var page struct{ Data []struct{ Name string } }
		s.rest(t, http.MethodGet, tenant, "/policies", nil, &page)
		for _, one := range page.Data {
			names = append(names, one.Name)
		}
		return names
	}
	list()
	var changed struct{ It map[string]any }
	same := func(version float64) {
		t.Helper()
		var read any
		s.rest(t, http.MethodGet, tenant, "/policies/"+changed.It["id"].(string), nil, &read)
		if !reflect.DeepEqual(inGraphQL(read), any(changed.It)) || changed.It["version"] != version {
			t.Errorf("GraphQL says\n%v\nand REST\n%v", changed.It, read)
		}
	}
	s.data(t, tenant, create, map[string]any{"input": input}, &changed)
	same(1)
	id, _ := changed.It["id"].(string)
	input["name"], input["enabled"] = "two", false
	s.data(t, tenant, replace, map[string]any{"id": id, "version": 1, "input": input}, &changed)
	same(2)
	if got := list(); len(got) != 1 || got[0] != "two" || changed.It["enabled"] != false {
		t.Errorf("the list has %v, and it is %v", got, changed.It)
	}
	for _, test := range []struct {
		query     string
		variables map[string]any
		code      string
		says      string
	}{
		{create, map[string]any{"input": input}, "CONFLICT", "another policy with this name"},
		{replace, map[string]any{"id": id, "version": 1, "input": input}, "VERSION_MISMATCH", "The policy has been"},
		{replace, map[string]any{"id": newTenant(), "input": input}, "NOT_FOUND", "no policy with this id"},
		{replace, map[string]any{"id": "x", "input": input}, "BAD_USER_INPUT", "argument id"},
		{`mutation ($id: ID!) {deletePolicy(id: $id, version: 1)}`, map[string]any{"id": id}, "VERSION_MISMATCH", ""},
		{create, map[string]any{"input": map[string]any{
			"name": "", "type": "t", "category": "c", "severity": "low", "definition": []int{},
		}}, "BAD_USER_INPUT", `{"field":"definition","error":"definition is not a JSON object"}`},
	} {
		r, text := s.ask(t, tenant, test.query, test.variables)
		if len(r.Errors) != 1 || r.Errors[0].Extensions.Code != test.code || !strings.Contains(text, test.says) {
			t.Errorf("%s: want the code %s and %q: %s", test.query, test.code, test.says, text)
		}
	}
	s.data(t, tenant, `mutation ($id: ID!) {deletePolicy(id: $id, version: 2)}`, map[string]any{"id": id}, &struct{}{})
	if got := list(); len(got) != 0 {
		t.Errorf("after it was deleted, the list has %v", got)
	}
}

// TestCostsThroughGraphQL: they are added to what REST had cached, and a list with a fault is refused as a whole.
func TestCostsThroughGraphQL(t *testing.T) {
	t.Parallel()
	s := newService(t)
	e := newEstate(t, s, 1)
	day := time.Now().UTC().AddDate(0, 0, -1).Format(time.DateOnly)
	read := func() string {
		t.Helper()
		var costs struct {
			Data []struct {
				Date    string
				Service string `json:"service_name"`
				Cost    float64
			}
		}
		s.rest(t, http.MethodGet, e.tenant, "/costs?resource_id="+e.resources[0]+"&from="+day, nil, &costs)
		return fmt.Sprint(costs.Data)
	}
	before := read()
	const record = `mutation ($costs: [NewCost!]!) {recordCosts(input: $costs)}`
	cost := func(service, cost string) map[string]any {
		return map[string]any{
			"resourceId": e.resources[0], "serviceName": service, "date": day, "cost": json.Number(cost),
		}
	}
	r, text := s.ask(t, e.tenant, record, map[string]any{"costs": []any{cost("a", "1"), cost("b", "1.23456")}})
	if len(r.Errors) != 1 || !strings.Contains(text, `"errors":[{"index":1,"field":"cost","error":"cost is`) {
		t.Errorf("a cost with five digits: %s", text)
	}
	for _, wrong := range []any{[]any{}, cost("a", "1e3"), []any{cost("a", "1"), cost("a", "2")}} {
		r, text = s.ask(t, e.tenant, record, map[string]any{"costs": wrong})
		if len(r.Errors) != 1 || r.Errors[0].Extensions.Code != "BAD_USER_INPUT" {
			t.Errorf("%v: %s", wrong, text)
		}
	}
	if after := read(); after != before {
		t.Errorf("what was refused changed %s to %s", before, after)
	}
	var stored struct{ RecordCosts int }
	s.data(t, e.tenant, record, map[string]any{"costs": []any{cost("a", "1234567890.1234"), cost("compute", "-7")}},
		&stored)
	want := fmt.Sprintf("[{%s a 1.2345678901234e+09} {%s compute -7}]", day, day)
	if after := read(); after != want || stored.RecordCosts != 2 {
		t.Errorf("%d were stored: %s, want %s", stored.RecordCosts, after, want)
	}
}
