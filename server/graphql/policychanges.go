package graphql

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"github.com/policycortex/headroom/server/api"
	"github.com/policycortex/headroom/server/graphql/model"
	"github.com/policycortex/headroom/server/store"
)

// Errors of the store, of which [Server.refusalOf] says what they are about: a policy, or elements of a list.
type (
	ofPolicy struct{ error }
	ofList   struct{ error }
)

func (o ofPolicy) Unwrap() error { return o.error }
func (o ofList) Unwrap() error   { return o.error }

func (m mutations) CreatePolicy(ctx context.Context, input model.NewPolicy) (*model.Policy, error) {
	body, err := m.s.api.CreatePolicy(ctx, callOf(ctx).tenant, storedPolicy(&input))
	return changedPolicy(body, err)
}

func (m mutations) ReplacePolicy(ctx context.Context, text string, version *int,
	input model.NewPolicy,
) (*model.Policy, error) {
	id, expected, err := meant(text, version)
	if err != nil {
		return nil, err
	}
	body, err := m.s.api.ReplacePolicy(ctx, callOf(ctx).tenant, id, expected, storedPolicy(&input))
	return changedPolicy(body, err)
}

func (m mutations) DeletePolicy(ctx context.Context, text string, version *int) (*string, error) {
	id, expected, err := meant(text, version)
	if err != nil {
		return nil, err
	}
	err = m.s.api.DeletePolicy(ctx, callOf(ctx).tenant, id, expected)
	if err != nil {
		return nil, ofPolicy{err}
	}
	return &text, nil
}

func changedPolicy(body []byte, err error) (*model.Policy, error) {
	if err != nil {
		return nil, ofPolicy{err}
	}
	return &model.Policy{JSON: body}, nil
}

func storedPolicy(input *model.NewPolicy) *store.NewPolicy {
	return &store.NewPolicy{
		Name: input.Name, Type: input.Type, Category: input.Category, Severity: input.Severity, Enabled: input.Enabled,
		Definition: json.RawMessage(input.Definition),
	}
}

func (m mutations) RecordCosts(ctx context.Context, input []model.NewCost) (*int, error) {
	n := len(input)
	if n < 1 || n > store.MaxBatch {
		return nil, &refusal{
			message: fmt.Sprintf("argument input has %d costs; it must have 1 to %d", n, store.MaxBatch),
			code:    codeBadInput,
		}
	}
	costs := make([]store.Cost, n)
	for i, one := range input {
		id, err := api.ParseID(one.ResourceID)
		if err != nil {
			return nil, &refusal{message: fmt.Sprintf("resourceId of cost %d: %s", i, err), code: codeBadInput}
		}
		costs[i] = store.Cost{
			ResourceID: uuid.UUID(id), ServiceName: one.ServiceName, Date: one.Date, Cost: json.Number(one.Cost),
		}
		if one.Currency != nil {
			costs[i].Currency = *one.Currency
		}
	}
	err := m.s.api.RecordCosts(ctx, callOf(ctx).tenant, costs)
	if err != nil {
		return nil, ofList{err}
	}
	return &n, nil
}
