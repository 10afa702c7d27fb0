package graphql

import (
	"context"
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/maypok86/otter/v2"
	"github.com/vektah/gqlparser/v2/ast"
)

// documentBytes bounds the text of the queries that are kept parsed, which take some twenty times as much.
const documentBytes = 1 << 20

// CacheBytes is what the queries that a server keeps may take in memory, in bytes, estimated.
const CacheBytes = 21*documentBytes + persistedBytes

// documents are queries that have been parsed and validated, with what was found out about their operations.
type documents struct {
	cache *otter.Cache[string, *document]
}

type document struct {
	parsed *ast.QueryDocument

	mu         sync.RWMutex
	operations map[*ast.OperationDefinition]*operation
}

// operation is what is known of an operation whatever its variables.
type operation struct {
	plan *plan // nil for one that gqlgen executes
	measures
}

func newDocuments() *documents {
	return &documents{otter.Must(&otter.Options[string, *document]{
		MaximumWeight: documentBytes,
		Weigher:       func(query string, _ *document) uint32 { return uint32(len(query)) + 64 },
	})}
}

// Get implements [graphql.Cache].
func (d *documents) Get(_ context.Context, query string) (*ast.QueryDocument, bool) {
	found, ok := d.cache.GetIfPresent(query)
	if !ok {
		return nil, false
	}
	return found.parsed, true
}

// Add implements [graphql.Cache].
func (d *documents) Add(_ context.Context, query string, parsed *ast.QueryDocument) {
	d.cache.Set(query, &document{parsed: parsed, operations: map[*ast.OperationDefinition]*operation{}})
}

// operation returns what is known of an operation, found out once while its document is kept.
func (s *Server) operation(oc *graphql.OperationContext) *operation {
	of, ok := s.documents.cache.GetIfPresent(oc.RawQuery)
	if !ok || of.parsed != oc.Doc {
		return s.examine(oc)
	}
	of.mu.RLock()
	known := of.operations[oc.Operation]
	of.mu.RUnlock()
	if known != nil {
		return known
	}
	known = s.examine(oc)
	if known.plan == nil || !known.plan.passing {
		of.mu.Lock()
		of.operations[oc.Operation] = known
		of.mu.Unlock()
	}
	return known
}

func (s *Server) examine(oc *graphql.OperationContext) *operation {
	return &operation{plan: planOf(oc, s.schema, s.maxBytes), measures: measure(oc)}
}
