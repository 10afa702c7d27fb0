// Package graphql serves GraphQL at /graphql, over the same cache and store as REST, within the same middleware.
// Queries are parsed, validated and, for the most part, executed by gqlgen; those that ask for one cached value alone
// are answered by a plan: see plan.go.
package graphql

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"

	"github.com/99designs/gqlgen/graphql/executor"
	"github.com/gin-gonic/gin"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/policycortex/headroom/server/api"
	"github.com/policycortex/headroom/server/graphql/generated"
	"github.com/policycortex/headroom/server/store"
)

//go:generate go run ./generate

// Path is where GraphQL is served.
const Path = "/graphql"

// Defaults of the limits.
const (
	DefaultMaxDepth = 10
	DefaultMaxCost  = 20_000
	DefaultMaxBytes = 16 << 20
)

// maxTokens bounds a query. Validation compares each field of a selection with each other one of the same name.
const maxTokens = 4000

// maxQuery bounds a query in bytes. A name that is not in the schema is compared with all that are.
const maxQuery = 32 << 10

// Options configure GraphQL.
type Options struct {
	API    *api.API
	Logger *slog.Logger
	// MaxDepth is how many levels of fields a query may have, and MaxCost how many values its answer, with readCost for
	// each read; 0 means the defaults.
	MaxDepth, MaxCost int
	// MaxBytes is how long an answer may be; 0 means the default.
	MaxBytes int
	// NoIntrospection refuses queries for the schema.
	NoIntrospection bool
	// Registered are the only queries that are allowed, by the hexadecimal SHA-256 of their text; nil allows all.
	Registered map[string]string
}

// Server answers requests.
type Server struct {
	api      *api.API
	logger   *slog.Logger
	maxDepth int
	maxCost  int
	maxBytes int

	introspection bool
	registered    map[string]string

	exec      *executor.Executor
	schema    *ast.Schema
	documents *documents
	persisted *persisted
	metrics   *metrics
}

// withoutDefer is done once, because all servers of a process share the schema.
var withoutDefer sync.Once

// Mount serves GraphQL as a part of an API. It returns an error for a registered query that is not one.
func Mount(o Options) error {
	s, err := New(o)
	if err != nil {
		return err
	}
	o.API.Mount(Path, s.serve, http.MethodGet, http.MethodHead, http.MethodPost)
	o.API.Register(s.metrics.collectors()...)
	return nil
}

// New makes a server. It returns an error for a registered query that is not one.
func New(o Options) (*Server, error) {
	s := &Server{
		api: o.API, logger: o.Logger, maxDepth: cmp.Or(o.MaxDepth, DefaultMaxDepth),
		maxCost: cmp.Or(o.MaxCost, DefaultMaxCost), maxBytes: cmp.Or(o.MaxBytes, DefaultMaxBytes),
		introspection: !o.NoIntrospection, registered: o.Registered,
		documents: newDocuments(), persisted: newPersisted(), metrics: newMetrics(),
	}
	schema := generated.NewExecutableSchema(generated.Config{Resolvers: &resolvers{s}})
	s.schema = schema.Schema()
	withoutDefer.Do(func() { delete(s.schema.Directives, "defer") }) // its answers come in parts
	s.exec = executor.New(schema)
	s.exec.SetQueryCache(s.documents)
	s.exec.SetParserTokenLimit(maxTokens)
	s.exec.SetDefaultRulesFn(validation)
	s.exec.SetErrorPresenter(s.present)
	s.exec.SetRecoverFunc(s.recovered)
	s.exec.SetDisableSuggestion(o.NoIntrospection) // they tell of the schema
	for hash, query := range o.Registered {
		err := s.check(query)
		if err != nil {
			return nil, fmt.Errorf("registered query %.12s: %w", hash, err)
		}
	}
	return s, nil
}

// call is a request as resolvers see it.
type call struct {
	c      *gin.Context
	tenant store.ID

	mu     sync.Mutex // resolvers run at the same time
	status int        // of the first failure that is not the client's
}

type callKey struct{}

func callOf(ctx context.Context) *call {
	found, _ := ctx.Value(callKey{}).(*call)
	return found
}

func (c *call) failed(status int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status = cmp.Or(c.status, status)
}

// refusal has the API say and log what became of a request.
func (c *call) refusal(s *Server, err error) (status int, detail string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return s.api.Failed(c.c, err)
}
