package graphql

import (
	"context"
	"encoding/json"
	"fmt"
	"math"

	"github.com/policycortex/headroom/server/api"
	"github.com/policycortex/headroom/server/graphql/model"
	"github.com/policycortex/headroom/server/store"
)

// mutations are the fields of Mutation.
type mutations struct{ s *Server }

func (m mutations) CreateResource(ctx context.Context, input model.NewResource) (*model.Resource, error) {
	body, err := m.s.api.CreateResource(ctx, callOf(ctx).tenant, stored(&input))
	return changed(body, err)
}

func (m mutations) ReplaceResource(ctx context.Context, text string, version *int,
	input model.NewResource,
) (*model.Resource, error) {
	id, expected, err := meant(text, version)
	if err != nil {
		return nil, err
	}
	body, err := m.s.api.ReplaceResource(ctx, callOf(ctx).tenant, id, expected, stored(&input))
	return changed(body, err)
}

func (m mutations) DeleteResource(ctx context.Context, text string, version *int) (*string, error) {
	id, expected, err := meant(text, version)
	if err != nil {
		return nil, err
	}
	err = m.s.api.DeleteResource(ctx, callOf(ctx).tenant, id, expected)
	if err != nil {
		return nil, err
	}
	return &text, nil
}

func changed(body []byte, err error) (*model.Resource, error) {
	if err != nil {
		return nil, err
	}
	return new(alone(body)), nil
}

// meant returns the resource that a change is about, and the version that it is for.
func meant(text string, version *int) (id store.ID, expected int, err error) {
	id, err = api.ParseID(text)
	if err != nil {
		return id, 0, &refusal{message: "argument id: " + err.Error(), code: codeBadInput}
	}
	if version == nil {
		return id, store.AnyVersion, nil
	}
	if *version < 1 || *version > math.MaxInt32 {
		return id, 0, &refusal{
			message: fmt.Sprintf("argument version must be a number from 1 to %d", math.MaxInt32), code: codeBadInput,
		}
	}
	return id, *version, nil
}

func stored(input *model.NewResource) *store.NewResource {
	return &store.NewResource{
		AzureResourceID: input.AzureResourceID, SubscriptionID: input.SubscriptionID,
		ResourceGroupName: input.ResourceGroupName, Name: input.Name, Type: input.Type, Location: input.Location,
		Properties: json.RawMessage(input.Properties), Tags: input.Tags,
	}
}
