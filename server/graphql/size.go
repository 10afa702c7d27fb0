package graphql

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/policycortex/headroom/server/graphql/model"
)

// The cost of a query bounds how many values its answer has, and this how long they are: aliases repeat a value, and
// one resource can have properties of a megabyte. (Names are bounded by maxAlias.) A plan stops where its answer gets
// too long. What gqlgen resolves refers to the values that were read, which are counted before they are copied.

// tooLong is the error for an answer that would be too long.
func (s *Server) tooLong() *refusal {
	return &refusal{code: codeTooMany, message: fmt.Sprintf("The answer has more than the %d bytes that are allowed. "+
		"Ask for fewer elements by first, or for fewer fields.", s.maxBytes)}
}

// tooLongEvent is the answer that takes the place of an event's.
func (s *Server) tooLongEvent() []byte {
	refused := s.tooLong()
	faults, err := json.Marshal(refusalList(refused.code, refused.message))
	if err != nil {
		panic("graphql: an error cannot be written as JSON: " + err.Error())
	}
	return append([]byte(`"errors":`), faults...)
}

// size is how long the values of an answer are so far, in bytes.
type size struct {
	bytes atomic.Int64
	most  int
	over  error // for values beyond that
}

func (z *size) exceeded() bool { return z.bytes.Load() > int64(z.most) }

// count is a [graphql.FieldMiddleware]. Once the answer is too long, nothing more is read. Changes are made all the
// same, because the client has asked for all of them.
func (z *size) count(ctx context.Context, next graphql.Resolver) (any, error) {
	if z.exceeded() && graphql.GetFieldContext(ctx).Object != "Mutation" {
		return nil, z.over
	}
	value, err := next(ctx)
	raw, ok := value.(model.Raw)
	if ok {
		z.bytes.Add(int64(len(raw)))
	}
	return value, err
}

// limitSize has an operation counted while it is executed.
func (s *Server) limitSize(oc *graphql.OperationContext) *size {
	z := &size{most: s.maxBytes, over: s.tooLong()}
	oc.ResolverMiddleware = z.count
	return z
}

// shortened returns the answer, or an error in its place if it is too long.
func (s *Server) shortened(oc *graphql.OperationContext, z *size, response *graphql.Response) *graphql.Response {
	if !z.exceeded() && len(response.Data) <= s.maxBytes {
		return response
	}
	refused := s.tooLong()
	if oc.Operation.Operation == ast.Mutation {
		refused.message += " The changes were made, unless another error says otherwise."
	}
	short := &graphql.Response{Errors: refusalList(refused.code, refused.message), Data: json.RawMessage("null")}
	for _, fault := range response.Errors {
		if oc.Operation.Operation == ast.Mutation && ofRoot(fault) && fault.Extensions["code"] != codeTooMany {
			short.Errors = append(short.Errors, fault)
		}
	}
	return short
}

// ofRoot reports whether an error is of a field of the operation itself.
func ofRoot(fault *gqlerror.Error) bool { return len(fault.Path) <= 1 }
