package graphql

import (
	"fmt"
	"math"
	"strconv"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// The cost of a query is how many values its answer may have: one for each field, times the length of the lists that it
// is in. A list has the elements that its argument first asks for, or a usual number.
const (
	usualElements = 30 // costs are of as many days, unless a period is given
	maxCost       = math.MaxInt32

	introspectionCost = 2000
)

// limit refuses a query that is too deep or too expensive.
func (s *Server) limit(oc *graphql.OperationContext, known *operation) gqlerror.List {
	if known.introspects && !s.introspection {
		return refusalList(codeNoSchema, "This server does not answer queries for its schema.")
	}
	if known.depth > s.maxDepth {
		s.metrics.refused.WithLabelValues("depth").Inc()
		return refusalList(codeTooDeep, fmt.Sprintf("The query has %d levels of fields; at most %d are allowed.",
			known.depth, s.maxDepth))
	}
	cost := known.cost
	if known.varies {
		cost = measure(oc).cost
	}
	if cost > s.maxCost {
		s.metrics.refused.WithLabelValues("cost").Inc()
		return refusalList(codeTooExpensive, fmt.Sprintf("The answer may have %d values; at most %d are allowed. Ask "+
			"for fewer fields, or for fewer elements by first.", cost, s.maxCost))
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
	depth, cost int
	varies      bool // variables decide about the cost
	introspects bool // it asks for the schema
}

type measured struct{ depth, cost int }

func measure(oc *graphql.OperationContext) measures {
	m := &measurer{variables: oc.Variables, fragments: map[string]measured{}}
	found := m.of(oc.Operation.SelectionSet)
	m.depth, m.cost = found.depth, found.cost
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
		sum.depth, sum.cost = max(sum.depth, found.depth), min(sum.cost+found.cost, maxCost)
	}
	return sum
}

func (m *measurer) ofField(f *ast.Field) measured {
	if f.Name == "__schema" || f.Name == "__type" {
		m.introspects = true
		return measured{1, introspectionCost} // validation bounds how deep it is, and the schema how large
	}
	within := m.of(f.SelectionSet)
	elements := 1
	switch {
	case f.Name == "nodes", f.Name == "edges", f.SelectionSet == nil: // their field has the argument
	case f.Definition.Arguments.ForName("first") != nil:
		elements = m.first(f)
	case f.Definition.Type.Elem != nil:
		elements = usualElements
	}
	return measured{within.depth + 1, min(1+elements*within.cost, maxCost)}
}

// first is how many elements a field asks for. A number that is not allowed is refused elsewhere.
func (m *measurer) first(f *ast.Field) int {
	value := f.Definition.Arguments.ForName("first").DefaultValue
	argument := f.Arguments.ForName("first")
	if argument != nil {
		value = argument.Value
	}
	text := value.Raw
	if value.Kind == ast.Variable {
		m.varies = true
		text = fmt.Sprint(m.variables[value.Raw])
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return usualElements
	}
	return min(max(n, 1), 1000)
}
