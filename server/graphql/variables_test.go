package graphql_test

import (
	"strings"
	"testing"
)

// TestVariables: null and a single value for a list are what the specification says, where gqlgen and gqlparser differ.
func TestVariables(t *testing.T) {
	t.Parallel()
	s := newService(t)
	e := newEstate(t, s, 3)
	null := map[string]any{"t": nil}
	for _, query := range []string{
		"query ($t: Boolean = true) {resources {nodes {id @include(if: $t)}}}",
		"query ($t: Boolean = true) {__typename ... @skip(if: $t) {__typename}}",
		"query ($t: Boolean = true) {...F} fragment F on Query {policies {...G @skip(if: $t)}} " +
			"fragment G on PolicyConnection {__typename}",
		`mutation ($t: Boolean = true) {deleteResource(id: "x") @skip(if: $t)}`,
	} {
		r, text := s.ask(t, e.tenant, query, null)
		if len(r.Errors) != 1 || r.Errors[0].Extensions.Code != "BAD_USER_INPUT" ||
			!strings.Contains(text, "Variable $t is null") {
			t.Errorf("%s: %s", query, text)
		}
	}
	s.data(t, e.tenant, "query ($t: Boolean = true) {policies(enabled: $t) {nodes {id}}}", null, &struct{}{})
	for _, tags := range []any{"env:dev", []string{"env:dev"}} {
		for _, query := range []string{"{", "{__typename "} {
			var found struct {
				Resources struct{ Nodes []struct{ ID string } }
			}
			s.data(t, e.tenant, "query ($t: [String!]) "+query+"resources(tags: $t) {nodes {id}}}",
				map[string]any{"t": tags}, &found)
			if nodes := found.Resources.Nodes; len(nodes) != 1 || nodes[0].ID != e.resources[1] {
				t.Errorf("%v: found %v", tags, nodes)
			}
		}
	}
}
