package graphql_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/policycortex/headroom/server/api"
	"github.com/policycortex/headroom/server/graphql"
	"github.com/policycortex/headroom/server/store"
)

func TestLimits(t *testing.T) {
	t.Parallel()
	s := newServiceWith(t, graphql.Options{MaxDepth: 6, MaxCost: 1000}, api.Options{})
	tenant := newTenant()
	for _, test := range [][2]string{
		{"{resources(first: 100) {nodes {id}}}", ""},
		{"{resources(first: 100) {nodes {" + resourceFields + "}}}", "QUERY_TOO_EXPENSIVE"},
		{"{resources {nodes {...F ...F}}} fragment F on Resource {latestEvaluations {id}}", "QUERY_TOO_EXPENSIVE"},
		{"query ($n: Int = 5) {resources(first: $n) {nodes {id}}}", ""},
		{"query ($n: Int = 1000) {resources(first: $n) {nodes {id}}}", "QUERY_TOO_EXPENSIVE"},
		{"{evaluations(first: 1) {nodes {resource {latestEvaluations(first: 1) {policy {id}}}}}}", ""},
		{"{evaluations(first: 1) {nodes {resource {latestEvaluations(first: 1) {resource {id}}}}}}", ""},
		{
			"{evaluations(first: 1) {nodes {resource {latestEvaluations(first: 1) {resource {...D}}}}}}" +
				" fragment D on Resource {latestEvaluations(first: 1) {id}}", "QUERY_TOO_DEEP",
		},
		{"{__schema {types {name}}}", "QUERY_TOO_EXPENSIVE"},
		{"{" + strings.Repeat("x", 1<<15) + "}", "QUERY_TOO_EXPENSIVE"},
		{"{" + strings.Repeat("a ", 5000) + "}", "GRAPHQL_PARSE_FAILED"},
		{fragments(30), "QUERY_TOO_EXPENSIVE"},
		{"{" + strings.Repeat("__typename ", 20) + "}", ""},
		{"{" + strings.Repeat("__typename ", 21) + "}", "QUERY_TOO_EXPENSIVE"},
		{
			"mutation {" + strings.Repeat("...D ", 21) + `} fragment D on Mutation {deleteResource(id: "")}`,
			"QUERY_TOO_EXPENSIVE",
		},
		// What reads costs something, whatever its answer has.
		{`{a: resources(search: "a") {totalCount} b: resources(search: "b") {totalCount}}`, ""},
		{"{a: resources {totalCount} b: resources {totalCount} c: resources {totalCount}}", "QUERY_TOO_EXPENSIVE"},
		{"{resources(first: 1) {nodes {a: costs {cost} b: costs {cost}}}}", "QUERY_TOO_EXPENSIVE"},
		// Null is the default, which is 100 for events.
		{"{events(first: null) {nodes {place}}}", ""},
		{
			"{events(first: null) {nodes {place} edges {cursor node {place streamId version type payload}}}}",
			"QUERY_TOO_EXPENSIVE",
		},
		// Costs are of a period.
		{"{costTotals {data {cost currency}}}", ""},
		{`{costTotals(from: "2026-01-01", to: "2026-03-31") {data {cost}}}`, "QUERY_TOO_EXPENSIVE"},
		{`{costTotals(from: "2026-01-01", to: "2026-03-31", serviceName: "compute") {data {cost}}}`, ""},
		{`{costTotals(from: "2026-01-01", to: "2026-03-31", period: month) {data {cost}}}`, ""},
		{
			`query ($to: Date = "2026-03-31") {resources(first: 1) {nodes {costs(from: "2026-01-01", to: $to) {cost}}}}`,
			"QUERY_TOO_EXPENSIVE",
		},
		{
			`{a: costTotals(serviceName: "compute") {...D} b: costTotals(from: "2026-01-01", to: "2026-02-28") {...D}}` +
				" fragment D on CostTotals {data {cost}}", "QUERY_TOO_EXPENSIVE",
		},
	} {
		if query, code := test[0], test[1]; code == "" {
			s.data(t, tenant, query, nil, &struct{}{})
		} else {
			s.expect(t, tenant, query, code)
		}
	}
	w := s.send(t, http.MethodGet, "", "/metrics", nil)
	if !strings.Contains(w.Body.String(), `headroom_graphql_refused_total{why="depth"} 1`) {
		t.Errorf("the metrics do not have the query that was too deep")
	}
}

// fragments is a query of two to the n fields.
func fragments(n int) string {
	var b strings.Builder
	b.WriteString("{policies(first: 1) {nodes {...F0}}}")
	for i := range n {
		fmt.Fprintf(&b, " fragment F%d on Policy {...F%d ...F%d}", i, i+1, i+1)
	}
	fmt.Fprintf(&b, " fragment F%d on Policy {id}", n)
	return strings.ReplaceAll(b.String(), "first: 1", "first: 100") + strings.Repeat(" ", n)
}

// TestMutationsEndWithTheRequest: a change does not begin after the request has ended.
func TestMutationsEndWithTheRequest(t *testing.T) {
	t.Parallel()
	s := newService(t)
	e := newEstate(t, s, 1)
	tenant, err := api.ParseID(e.tenant)
	if err != nil {
		t.Fatal(err)
	}
	id, err := api.ParseID(e.resources[0])
	if err != nil {
		t.Fatal(err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	err = s.DeleteResource(ended, tenant, id, store.AnyVersion)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("a change after the end: %v", err)
	}
	s.rest(t, http.MethodGet, e.tenant, "/resources/"+e.resources[0], nil, nil) // it is still there
}
