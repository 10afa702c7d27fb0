package graphql

import (
	"context"
	"errors"
	"net/http"
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/gin-gonic/gin"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/policycortex/headroom/server/api"
	"github.com/policycortex/headroom/server/cache"
)

// serve answers a request.
func (s *Server) serve(c *gin.Context) {
	tenant, ok := api.Tenant(c)
	if !ok {
		return
	}
	r, ok := readRequest(c)
	if !ok {
		return
	}
	faults := s.text(&r)
	if faults != nil {
		s.refuse(c, &r, faults)
		return
	}
	ctx := context.WithValue(c.Request.Context(), callKey{}, &call{c: c, tenant: tenant})
	ctx = graphql.StartOperationTrace(ctx) // gqlgen requires it
	oc, faults := s.exec.CreateOperationContext(ctx, &graphql.RawParams{
		Query: r.Query, OperationName: r.OperationName, Variables: r.variables,
	})
	if faults != nil {
		s.metrics.refused.WithLabelValues("invalid").Inc()
		s.refuse(c, &r, faults)
		return
	}
	oc.DisableIntrospection = false // limit refuses it
	null := undecided(oc)
	if null != "" {
		s.refuse(c, &r, refusalList(codeBadInput, "Variable $"+null+" is null, and @skip or @include asks for it: it "+
			"must be true or false."))
		return
	}
	known := s.operation(oc)
	faults = s.limit(oc, known)
	if faults != nil {
		s.refuse(c, &r, faults)
		return
	}
	switch kind := oc.Operation.Operation; {
	case kind == ast.Subscription:
		s.subscribe(ctx, &r, oc, known.plan)
	case kind == ast.Mutation && c.Request.Method != http.MethodPost:
		c.Writer.Header()["Allow"] = []string{http.MethodPost}
		api.Refuse(c, http.StatusMethodNotAllowed, "A mutation must be sent by POST.")
	case known.plan != nil:
		s.answerPlanned(ctx, &r, oc, known.plan)
	default:
		s.execute(ctx, &r, oc)
	}
}

// buffers are for answers, which are sent before their handler returns. Those longer than keptBuffer, in bytes, are
// rare.
var buffers = sync.Pool{New: func() any { return new(make([]byte, 0, 4096)) }}

const keptBuffer = 1 << 20

// answerPlanned answers with what a plan selects of the value that it is of.
func (s *Server) answerPlanned(ctx context.Context, r *request, oc *graphql.OperationContext, p *plan) {
	c := callOf(ctx).c
	s.metrics.planned.Inc()
	w, body, err := s.bodyOf(ctx, oc, p)
	if err != nil {
		s.fail(ctx, r, p, err)
		return
	}
	buffer := buffers.Get().(*[]byte)
	defer buffers.Put(buffer)
	b := append((*buffer)[:0], '{')
	b = appendPlanned(b, p, body, s.pageOf(&w, body))
	if len(b) > s.maxBytes {
		s.fail(ctx, r, p, s.tooLong())
		return
	}
	b = append(b, '}')
	b = appendPerformance(c, b)
	if cap(b) <= keptBuffer {
		*buffer = b
	}
	switch {
	case r.accepts == acceptsEvents:
		sendEvents(c, b)
	case c.Request.Method == http.MethodPost, w.root.events, c.Writer.Header()["Preference-Applied"] != nil:
		api.SendFresh(c, http.StatusOK, contentTypes[r.accepts], b)
	default:
		s.api.SendDerived(c, &w.key, contentTypes[r.accepts], b)
	}
}

// bodyOf returns the value that a plan is of; nil if there is none.
func (s *Server) bodyOf(ctx context.Context, oc *graphql.OperationContext, p *plan) (w wanted, body []byte, err error) {
	w, err = s.wantedBy(callOf(ctx).tenant, p.field.Name, p.field.ArgumentMap(oc.Variables), p.total)
	if err != nil {
		return w, nil, err
	}
	if w.root.events {
		body, err = s.events(ctx, &w)
		return w, body, err
	}
	entry, err := s.api.Lookup(callOf(ctx).c, w.key)
	switch {
	case err == nil:
		return w, entry.Body, nil
	case errors.Is(err, cache.ErrNotFound):
		return w, nil, nil
	}
	return w, nil, err
}

func (s *Server) events(ctx context.Context, w *wanted) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, s.api.Timeout())
	defer cancel()
	body, refused, err := s.api.Events(ctx, callOf(ctx).tenant, w.query)
	if refused != nil {
		return nil, badInput(refused, w.root.parameters)
	}
	return body, err
}

// pageOf returns nil for a value that is no page.
func (s *Server) pageOf(w *wanted, body []byte) *page {
	if !w.root.page || body == nil {
		return nil
	}
	p := &page{body: body, after: w.after}
	switch {
	case !w.root.events:
		p.cursor = func(dst []byte, field func(name string) string) []byte {
			p.cursor = s.api.Cursors(w.key) // once, where one is wanted
			return p.cursor(dst, field)
		}
	case w.stream:
		p.cursor = func(dst []byte, field func(name string) string) []byte { return append(dst, field("version")...) }
	default:
		p.cursor = func(dst []byte, field func(name string) string) []byte { return append(dst, field("place")...) }
	}
	return p
}

// fail answers a planned operation whose value could not be read.
func (s *Server) fail(ctx context.Context, r *request, p *plan, err error) {
	refused, status := s.refusalOf(ctx, err)
	fault := &gqlerror.Error{
		Message: refused.message, Extensions: refused.extensions(), Path: ast.Path{ast.PathName(p.field.Alias)},
		Locations: []gqlerror.Location{{Line: p.field.Position.Line, Column: p.field.Position.Column}},
	}
	data := append(append([]byte{}, p.key[len(`"data":`):]...), "null}"...)
	s.send(callOf(ctx).c, r, status, &graphql.Response{Errors: gqlerror.List{fault}, Data: data})
}

// execute has gqlgen execute an operation.
func (s *Server) execute(ctx context.Context, r *request, oc *graphql.OperationContext) {
	ctx, cancel := context.WithTimeout(ctx, s.api.Timeout())
	defer cancel()
	s.metrics.operations.WithLabelValues(string(oc.Operation.Operation), "resolvers").Inc()
	counted := s.limitSize(oc)
	responses, ctx := s.exec.DispatchOperation(ctx, oc)
	response := responses(ctx)
	if response == nil { // the client has left, or the time is over
		response = s.exec.DispatchError(ctx, gqlerror.List{s.present(ctx, context.Cause(ctx))})
	}
	response = s.shortened(oc, counted, response)
	s.send(callOf(ctx).c, r, s.statusOf(ctx, oc, response), response)
}

// statusOf is that of REST where nothing of an answer could be read, and otherwise that of success.
func (s *Server) statusOf(ctx context.Context, oc *graphql.OperationContext, response *graphql.Response) int {
	failed := 0
	for _, fault := range response.Errors {
		if ofRoot(fault) {
			failed++
		}
	}
	of := callOf(ctx)
	of.mu.Lock()
	defer of.mu.Unlock()
	if of.status != 0 && failed >= len(oc.Operation.SelectionSet) {
		return of.status
	}
	return http.StatusOK
}
