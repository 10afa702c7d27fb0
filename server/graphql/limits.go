package graphql

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/policycortex/headroom/server/store"
)

// The cost of a query is how many values its answer may have, and readCost for each time that it reads. Values are one
// for each field, times the length of the lists that it is in: what the argument first asks for, costs of a period, or
// a usual number.
const (
	maxRoots = 20 // fields of Query or Mutation: these change one after another, and as many reads begin at once

	readCost      = 200
	usualElements = 30
	usualDays     = 30 // of costs, unless a period is given
	usualServices = 10 // costs of a day, unless a service is given
	maxCost       = math.MaxInt32

	// What is read of the schema costs a fixed number, up to a bound that the queries of tools stay below. The schema
	// is in a circle, and the same fields can be asked for by many aliases, so that without it nothing bounds the
	// answer.
	introspectionCost = 2000
	maxIntrospected   = 100_000
)

// schemaElements are how many elements the lists of introspection have, roughly; others have a few.
var schemaElements = map[string]int{"types": 50, "fields": 6, "directives": 5}

const fewSchemaElements = 2

// limit refuses a query that is too deep, too wide or too expensive.
func (s *Server) limit(oc *graphql.OperationContext, known *operation) gqlerror.List {
	if known.introspected > 0 && !s.introspection {
		return refusalList(codeNoSchema, "This server does not answer queries for its schema.")
	}
	if known.depth > s.maxDepth {
		s.metrics.refused.WithLabelValues("depth").Inc()
		return refusalList(codeTooDeep, fmt.Sprintf("The query has %d levels of fields; at most %d are allowed.",
			known.depth, s.maxDepth))
	}
	if known.fields > maxRoots {
		s.metrics.refused.WithLabelValues("cost").Inc()
		return refusalList(codeTooExpensive, fmt.Sprintf("The operation has %d fields at its root; at most %d are "+
			"allowed. Send several requests.", known.fields, maxRoots))
	}
	found := known.measured
	if known.varies {
		found = measure(oc).measured
	}
	if found.cost() > s.maxCost {
		s.metrics.refused.WithLabelValues("cost").Inc()
		return refusalList(codeTooExpensive, fmt.Sprintf("The query costs %d: its answer may have %d values, and it "+
			"reads %d times, which costs %d each; at most %d are allowed. Ask for fewer fields, for fewer elements by "+
			"first, or for costs of fewer days or of one service.", found.cost(), found.values, found.reads, readCost,
			s.maxCost))
	}
	return nil
}

// measurer walks a query.
type measurer struct {
	variables map[string]any
	fragments map[string]measured
	measures
}

// measures are what is found out about a query.
type measures struct {
	measured
	varies       bool // variables or the present day decide about the cost
	introspected int  // values of the schema
}

// measured is a selection.
type measured struct {
	fields, depth int
	values        int // in the answer
	points        int // values for each element of the series of costs that it is of
	reads         int
}

func (m *measured) cost() int { return min(m.values+m.reads*readCost, maxCost) }

func measure(oc *graphql.OperationContext) measures {
	m := &measurer{variables: oc.Variables, fragments: map[string]measured{}}
	m.measured = m.of(oc.Operation.SelectionSet)
	return m.measures
}

func (m *measurer) of(set ast.SelectionSet) (sum measured) {
	for _, one := range set {
		var found measured
		switch one := one.(type) {
		case *ast.Field:
			found = m.ofField(one)
		case *ast.InlineFragment:
			found = m.of(one.SelectionSet)
		case *ast.FragmentSpread:
			var known bool
			found, known = m.fragments[one.Name]
			if !known { // validation has seen to it that none is within itself
				found = m.of(one.Definition.SelectionSet)
				m.fragments[one.Name] = found
			}
		}
		sum.depth = max(sum.depth, found.depth)
		sum.fields = min(sum.fields+found.fields, maxCost)
		sum.values = min(sum.values+found.values, maxCost)
		sum.points = min(sum.points+found.points, maxCost)
		sum.reads = min(sum.reads+found.reads, maxCost)
	}
	return sum
}

func (m *measurer) ofField(f *ast.Field) measured {
	if f.Name == "__schema" || f.Name == "__type" {
		m.introspected = min(m.introspected+m.of(f.SelectionSet).values, maxCost)
		if m.introspected > maxIntrospected {
			return measured{fields: 1, depth: 1, values: m.introspected}
		}
		return measured{fields: 1, depth: 1, values: introspectionCost}
	}
	found := m.of(f.SelectionSet)
	found.fields = 1
	found.depth++
	found.reads = min(found.reads+readsOf(f), maxCost)
	if f.SelectionSet == nil {
		found.values = 1
		return found
	}
	elements := 1
	of, arguments := f.ObjectDefinition.Name, f.Definition.Arguments
	switch {
	case of == "CostSeries", of == "CostTotals": // the period is an argument of their field
		found.values, found.points = 0, found.values
	case arguments.ForName("from") != nil:
		points := m.points(f)
		if f.Definition.Type.Elem != nil {
			elements = points
		}
		found.values, found.points = min(found.values+points*found.points, maxCost), 0
	case f.Name == "nodes", f.Name == "edges": // their field has the argument
	case arguments.ForName("first") != nil:
		elements = m.first(f)
	case f.Definition.Type.Elem != nil && strings.HasPrefix(of, "__"):
		elements = cmp.Or(schemaElements[f.Name], fewSchemaElements)
	case f.Definition.Type.Elem != nil:
		elements = usualElements
	}
	found.values = min(1+elements*found.values, maxCost)
	return found
}

// readsOf is how many statements a field takes, or values of the cache, whatever the lists that it is in: what belongs
// to all of their elements is read together.
func readsOf(f *ast.Field) int {
	of := f.ObjectDefinition.Name
	switch {
	case f.Name == "__typename":
		return 0
	case of == "Query", of == "Mutation", f.Name == "totalCount", ofOthers[of+"."+f.Name]:
		return 1
	}
	return 0
}

// first is how many elements a field asks for. A number that is not allowed is refused elsewhere, and null means the
// default.
func (m *measurer) first(f *ast.Field) int {
	n, err := strconv.Atoi(m.text(f, "first"))
	if err != nil {
		n, _ = strconv.Atoi(f.Definition.Arguments.ForName("first").DefaultValue.Raw) // it is of the schema
	}
	return min(max(n, 1), 1000)
}

// points is how many costs a field asks for. A period that is not allowed is refused elsewhere.
func (m *measurer) points(f *ast.Field) int {
	days := usualDays
	from, err := time.Parse(time.DateOnly, m.text(f, "from"))
	if err == nil {
		var to time.Time
		to, err = time.Parse(time.DateOnly, m.text(f, "to"))
		if err != nil {
			to, m.varies = time.Now(), true
		}
		days = int(to.Sub(from)/(24*time.Hour)) + 1
	}
	days = min(max(days, 1), store.MaxCostDays)
	if m.text(f, "period") == "month" {
		days = days/28 + 2
	}
	if m.text(f, "serviceName") != "" {
		return days
	}
	return days * usualServices
}

// text is an argument of a field; empty for null.
func (m *measurer) text(f *ast.Field, argument string) string {
	given := f.Arguments.ForName(argument)
	switch {
	case given == nil, given.Value.Kind == ast.NullValue:
		return ""
	case given.Value.Kind != ast.Variable:
		return given.Value.Raw
	}
	m.varies = true
	value := m.variables[given.Value.Raw]
	if value == nil {
		return ""
	}
	return fmt.Sprint(value)
}
