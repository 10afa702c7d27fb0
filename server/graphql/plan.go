package graphql

import (
	"strconv"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
)

// A plan answers an operation that asks for one thing alone, which is of one value of the cache: it copies what is
// selected from the JSON of that value. Then an answer costs little more than the same one of REST. Everything else
// (fields of several values, mutations, introspection) is executed by gqlgen.

// plan is the selection of an operation with one field.
type plan struct {
	field     *ast.Field // with the arguments
	key       []byte     // "data":{"<alias>":
	selection selection
	total     bool // the number of all elements is selected
	// passing says that it depends on variables, by @skip or @include, and so is for one request.
	passing bool
}

// selection is what is selected of an object.
type selection struct {
	fields []field
	names  []string // of the members that they are made of, by the index of the field; "" for none
	most   int      // bytes of an answer, after which nothing more is appended
}

// field is a field of an answer.
type field struct {
	key  []byte // "<alias>":, with a comma before it unless it is the first
	make maker
	// of an object, or of each element of a list
	selection selection
	literal   []byte // for makeLiteral
}

// maker says how a field is made.
type maker uint8

const (
	makeValue   maker = iota // the member as it is
	makeID                   // the member as a text
	makeObject               // of the member
	makeList                 // of the member
	makeLiteral              // __typename
	makeNodes                // of the list that a page has
	makeEdges
	makeNode // of an edge: the element
	makeCursor
	makePageInfo
	makeHasNext
	makeHasPrevious
	makeStartCursor
	makeEndCursor
	makeTotal
)

// maxPlanned is how many fields of one object a plan can have.
const maxPlanned = 32

// planOf returns nil for an operation that gqlgen has to execute. An answer that has more than most bytes is not whole.
func planOf(oc *graphql.OperationContext, schema *ast.Schema, most int) *plan {
	root := schema.Query
	switch oc.Operation.Operation {
	case ast.Subscription:
		root = schema.Subscription
	case ast.Mutation:
		return nil
	}
	collected := graphql.CollectFields(oc, oc.Operation.SelectionSet, []string{root.Name})
	if len(collected) != 1 || strings.HasPrefix(collected[0].Name, "__") {
		return nil
	}
	top := collected[0]
	p := &plan{field: top.Field, key: []byte(`"data":{` + strconv.Quote(top.Alias) + `:`), passing: varies(oc)}
	var ok bool
	p.selection, ok = selectionOf(oc, schema, top, most)
	if !ok {
		return nil
	}
	for _, f := range p.selection.fields {
		p.total = p.total || f.make == makeTotal
	}
	return p
}

// varies reports whether which fields are selected depends on variables. A directive of an operation or of a fragment
// cannot be told from another here, so that any makes it depend.
func varies(oc *graphql.OperationContext) bool {
	return strings.Contains(oc.RawQuery, "@")
}

// selectionOf makes the selection of a field that is an object or a list of objects.
func selectionOf(oc *graphql.OperationContext, schema *ast.Schema, of graphql.CollectedField, most int) (s selection,
	ok bool,
) {
	s.most = most
	named := of.Definition.Type.Name()
	fields := graphql.CollectFields(oc, of.Selections, []string{named})
	if len(fields) > maxPlanned {
		return s, false
	}
	for i, f := range fields {
		made := field{key: []byte(strconv.Quote(f.Alias) + ":")}
		if i > 0 {
			made.key = append([]byte{','}, made.key...)
		}
		name := ""
		made.make, name = makerOf(named, f.Field, schema)
		switch made.make {
		case makeLiteral:
			made.literal = []byte(strconv.Quote(named))
		case makeObject, makeList, makeNodes, makeEdges, makeNode, makePageInfo:
			made.selection, ok = selectionOf(oc, schema, f, most)
			if !ok {
				return s, false
			}
		case makeValue:
			if name == "" {
				return s, false // it is of another value
			}
		}
		s.fields, s.names = append(s.fields, made), append(s.names, name)
	}
	return s, true
}

// ofPages are the fields that no member of an object has.
var ofPages = map[string]maker{
	"nodes": makeNodes, "edges": makeEdges, "node": makeNode, "cursor": makeCursor, "pageInfo": makePageInfo,
	"hasNextPage": makeHasNext, "hasPreviousPage": makeHasPrevious, "startCursor": makeStartCursor,
	"endCursor": makeEndCursor, "totalCount": makeTotal,
}

// ofOthers are the fields of objects that are of other values.
var ofOthers = map[string]bool{
	"Resource.latestEvaluations": true, "Resource.costs": true, "Evaluation.resource": true, "Evaluation.policy": true,
}

func makerOf(named string, f *ast.Field, schema *ast.Schema) (made maker, member string) {
	switch {
	case f.Name == "__typename":
		return makeLiteral, ""
	case strings.HasSuffix(named, "Connection"), strings.HasSuffix(named, "Edge"), named == "PageInfo":
		return ofPages[f.Name], ""
	case ofOthers[named+"."+f.Name]:
		return makeValue, ""
	case f.Definition.Type.Name() == "ID":
		return makeID, snake(f.Name)
	case schema.Types[f.Definition.Type.Name()].Kind != ast.Object:
		return makeValue, snake(f.Name)
	case f.Definition.Type.Elem != nil:
		return makeList, snake(f.Name)
	}
	return makeObject, snake(f.Name)
}

// snake turns azureResourceId into azure_resource_id, which is how REST writes it.
func snake(name string) string {
	var b strings.Builder
	for _, c := range name {
		if c >= 'A' && c <= 'Z' {
			b.WriteByte('_')
			c += 'a' - 'A'
		}
		b.WriteRune(c)
	}
	return b.String()
}
