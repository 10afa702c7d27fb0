package graphql

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"runtime/debug"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/policycortex/headroom/server/graphql/model"
	"github.com/policycortex/headroom/server/store"
)

// Codes of errors, in extensions.code. Those of gqlgen for a query that cannot be parsed or is not valid are
// GRAPHQL_PARSE_FAILED and GRAPHQL_VALIDATION_FAILED.
const (
	codeBadInput     = "BAD_USER_INPUT"
	codeNotFound     = "NOT_FOUND"
	codeConflict     = "CONFLICT"
	codeVersion      = "VERSION_MISMATCH"
	codeTooMany      = "RESPONSE_TOO_LONG"
	codeTimeout      = "TIMEOUT"
	codeUnavailable  = "UNAVAILABLE"
	codeInternal     = "INTERNAL"
	codeNoSchema     = "INTROSPECTION_DISABLED"
	codeTooDeep      = "QUERY_TOO_DEEP"
	codeTooExpensive = "QUERY_TOO_EXPENSIVE"
	codeNotPersisted = "PERSISTED_QUERY_NOT_FOUND"
	codeNotAllowed   = "PERSISTED_QUERY_ONLY"
	codeWrongHash    = "PERSISTED_QUERY_HASH_MISMATCH"
	codeTransport    = "TRANSPORT_NOT_SUPPORTED"
)

// refusal is an error for the client.
type refusal struct {
	message, code string
	fields        []fieldError
}

// fieldError is what is wrong with one field of an input.
type fieldError struct {
	Index   *int   `json:"index,omitempty"` // in a list
	Field   string `json:"field,omitempty"`
	Message string `json:"error"`
}

func (r *refusal) Error() string { return r.message }

func (r *refusal) extensions() map[string]any {
	e := map[string]any{"code": r.code}
	if r.fields != nil {
		e["errors"] = r.fields
	}
	return e
}

func refusalList(code, message string) gqlerror.List {
	return gqlerror.List{{Message: message, Extensions: map[string]any{"code": code}}}
}

// restNames are words of the API below /api/v1 as its messages have them.
var restNames = regexp.MustCompile(`\b[a-z]+(_[a-z]+)+\b|(argument )(\w+)`)

// badInput says in the words of the schema what is wrong with arguments; parameters are those of REST, by argument.
func badInput(err error, parameters map[string]string) error {
	text := strings.ReplaceAll(strings.ReplaceAll(err.Error(), "query parameters ", "arguments "), "query parameter ",
		"argument ")
	text = restNames.ReplaceAllStringFunc(text, func(found string) string {
		before, name := "", found
		if rest, ok := strings.CutPrefix(found, "argument "); ok {
			before, name = "argument ", rest
		}
		switch name {
		case "next_cursor", "next_after":
			return "endCursor"
		}
		for argument, parameter := range parameters {
			if parameter == name {
				return before + argument
			}
		}
		return before + camel(name)
	})
	return &refusal{message: text, code: codeBadInput}
}

func camel(name string) string {
	parts := strings.Split(name, "_")
	for i := 1; i < len(parts); i++ {
		if parts[i] != "" {
			parts[i] = strings.ToUpper(parts[i][:1]) + parts[i][1:]
		}
	}
	return strings.Join(parts, "")
}

// refusalOf returns what a client is told of an error of the store or the cache, and the status that REST would answer
// with.
func (s *Server) refusalOf(ctx context.Context, err error) (*refusal, int) {
	var told *refusal
	var invalid *store.ValidationError
	var input *model.InputError
	thing, key := "resource", "azureResourceId"
	if errors.As(err, new(ofPolicy)) {
		thing, key = "policy", "name"
	}
	switch {
	case errors.As(err, &told):
		return told, http.StatusOK
	case errors.As(err, &input):
		return &refusal{message: input.Error(), code: codeBadInput}, http.StatusOK
	case errors.As(err, &invalid):
		return &refusal{
			message: "Nothing was changed. errors lists what is wrong, by field.", code: codeBadInput,
			fields: fieldErrors(invalid.Faults, errors.As(err, new(ofList))),
		}, http.StatusOK
	case errors.Is(err, store.ErrNotFound):
		return &refusal{message: "This tenant has no " + thing + " with this id.", code: codeNotFound}, http.StatusOK
	case errors.Is(err, store.ErrConflict):
		return &refusal{
			message: "This tenant has another " + thing + " with this " + key + ".", code: codeConflict,
		}, http.StatusOK
	case errors.Is(err, store.ErrVersion):
		return &refusal{
			message: "The " + thing + " has been changed since: version is not the current one. Read it again and " +
				"decide whether your change still applies.", code: codeVersion,
		}, http.StatusOK
	}
	status, detail := callOf(ctx).refusal(s, err)
	if status == http.StatusUnprocessableEntity {
		return &refusal{message: detail, code: codeTooMany}, http.StatusOK
	}
	code := map[int]string{
		http.StatusGatewayTimeout: codeTimeout, http.StatusServiceUnavailable: codeUnavailable,
	}[status]
	if code == "" {
		code = codeInternal
	}
	return &refusal{message: detail, code: code}, status
}

func fieldErrors(faults []store.Fault, inList bool) []fieldError {
	all := make([]fieldError, len(faults))
	for i, fault := range faults {
		all[i] = fieldError{Field: camel(fault.Field), Message: fault.Message}
		if inList {
			all[i].Index = new(fault.Index)
		}
	}
	return all
}

// present makes what a client is told of an error of a field.
func (s *Server) present(ctx context.Context, err error) *gqlerror.Error {
	var told *gqlerror.Error
	if errors.As(err, &told) && told.Err == nil {
		return told // of gqlgen or its parser, about the query
	}
	presented := &gqlerror.Error{Path: graphql.GetPath(ctx)}
	if told != nil {
		presented.Path, presented.Locations = told.Path, told.Locations
	}
	refused, status := s.refusalOf(ctx, err)
	presented.Message, presented.Extensions = refused.message, refused.extensions()
	if status >= http.StatusInternalServerError {
		callOf(ctx).failed(status)
	}
	return presented
}

// recovered makes an error of a panic in a resolver.
func (s *Server) recovered(ctx context.Context, raised any) error {
	s.logger.Error("a resolver panicked", "panic", raised, "stack", string(debug.Stack()))
	return &refusal{message: "Internal error. The server's log has the cause.", code: codeInternal}
}
