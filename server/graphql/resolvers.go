package graphql

import (
	"context"
	"errors"

	"github.com/99designs/gqlgen/graphql"

	"github.com/policycortex/headroom/server/cache"
	"github.com/policycortex/headroom/server/graphql/generated"
	"github.com/policycortex/headroom/server/graphql/model"
)

// resolvers are what gqlgen calls. A field of Query is read by its arguments as they are in the query, so that a plan
// and a resolver cannot differ.
type resolvers struct{ s *Server }

func (r *resolvers) Query() generated.QueryResolver               { return queries{r.s} }
func (r *resolvers) Mutation() generated.MutationResolver         { return mutations{r.s} }
func (r *resolvers) Subscription() generated.SubscriptionResolver { return subscriptions{} }
func (r *resolvers) Resource() generated.ResourceResolver         { return ofResource{r.s} }
func (r *resolvers) Evaluation() generated.EvaluationResolver     { return ofEvaluation{r.s} }

// read returns the value that the present field of Query asks for; nil if there is none.
func (s *Server) read(ctx context.Context) (w wanted, body []byte, err error) {
	f, of := graphql.GetFieldContext(ctx).Field, callOf(ctx)
	args := f.ArgumentMap(graphql.GetOperationContext(ctx).Variables)
	w, err = s.wantedBy(of.tenant, f.Name, args, graphql.FieldRequested(ctx, "totalCount"))
	switch {
	case err != nil:
		return w, nil, err
	case w.root.events:
		body, err = s.events(ctx, &w)
		return w, body, err
	}
	entry, _, err := s.api.Value(ctx, w.key)
	if errors.Is(err, cache.ErrNotFound) {
		return w, nil, nil
	}
	if err != nil {
		return w, nil, err
	}
	return w, entry.Body, nil
}

// readOne reads an object.
func readOne[T any](ctx context.Context, s *Server, object func(model.Raw) T) (*T, error) {
	_, body, err := s.read(ctx)
	if err != nil || body == nil {
		return nil, err
	}
	return new(object(body)), nil
}

// readPage reads a page of a list.
func readPage[T any](ctx context.Context, s *Server, object func(model.Raw, *model.Siblings) T) (*model.Connection[T],
	error,
) {
	w, body, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	at := s.pageOf(&w, body)
	with := &model.Siblings{}
	model.Elements(at.list(), func(element []byte) bool {
		with.JSON = append(with.JSON, element)
		return true
	})
	c := &model.Connection[T]{Nodes: make([]T, len(with.JSON)), Total: at.total()}
	for i, element := range with.JSON {
		c.Nodes[i] = object(element, with)
	}
	c.PageInfo = model.PageInfo{
		HasNextPage: at.goesOn(), HasPreviousPage: at.after,
		StartCursor: textOf(at.appendEnd(nil, true)), EndCursor: textOf(at.appendEnd(nil, false)),
	}
	c.Cursor = func(i int) string { return model.Raw(at.appendCursor(nil, with.JSON[i])).Text() }
	return c, nil
}

// textOf returns nil for null.
func textOf(value model.Raw) *string {
	if value[0] != '"' {
		return nil
	}
	return new(value.Text())
}

// alone is an object that was read without others.
func alone(json model.Raw) model.Resource {
	return model.Resource{JSON: json, With: &model.Siblings{JSON: []model.Raw{json}}}
}

func resource(json model.Raw, with *model.Siblings) model.Resource {
	return model.Resource{JSON: json, With: with}
}

func evaluation(json model.Raw, with *model.Siblings) model.Evaluation {
	return model.Evaluation{JSON: json, With: with}
}

// queries are the fields of Query.
type queries struct{ s *Server }

func (q queries) Resource(ctx context.Context, _ string) (*model.Resource, error) {
	return readOne(ctx, q.s, alone)
}

func (q queries) Resources(ctx context.Context, _, _, _, _, _ *string, _ []string, _ *int, _, _, _ *string, _ *int,
	_ *string,
) (*model.ResourceConnection, error) {
	return readPage(ctx, q.s, resource)
}

func (q queries) Policy(ctx context.Context, _ string) (*model.Policy, error) {
	return readOne(ctx, q.s, func(json model.Raw) model.Policy { return model.Policy{JSON: json} })
}

func (q queries) Policies(ctx context.Context, _, _, _ *string, _ *bool, _ *int, _ *string) (*model.PolicyConnection,
	error,
) {
	return readPage(ctx, q.s, func(json model.Raw, _ *model.Siblings) model.Policy { return model.Policy{JSON: json} })
}

func (q queries) Evaluations(ctx context.Context, _, _ *string, _ *bool, _ *int,
	_ *string,
) (*model.EvaluationConnection, error) {
	return readPage(ctx, q.s, evaluation)
}

func (q queries) Costs(ctx context.Context, _ string, _, _, _ *string) (*model.CostSeries, error) {
	return readOne(ctx, q.s, func(json model.Raw) model.CostSeries { return model.CostSeries{JSON: json} })
}

func (q queries) CostTotals(ctx context.Context, _, _, _, _ *string) (*model.CostTotals, error) {
	return readOne(ctx, q.s, func(json model.Raw) model.CostTotals { return model.CostTotals{JSON: json} })
}

func (q queries) ComplianceSummary(ctx context.Context, _, _ *string) (*model.ComplianceSummary, error) {
	return readOne(ctx, q.s, func(json model.Raw) model.ComplianceSummary {
		return model.ComplianceSummary{JSON: json}
	})
}

func (q queries) Events(ctx context.Context, _ *string, _ *int, _ *string) (*model.EventConnection, error) {
	return readPage(ctx, q.s, func(json model.Raw, _ *model.Siblings) model.Event { return model.Event{JSON: json} })
}

// subscriptions have no resolvers: see [Server.subscribe].
type subscriptions struct{}

func (subscriptions) Events(context.Context, *string) (<-chan *model.Event, error) {
	return nil, &refusal{message: "This subscription cannot be executed.", code: codeTransport}
}
