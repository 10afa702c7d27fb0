package api

import (
	"context"

	"github.com/policycortex/headroom/server/cache"
	"github.com/policycortex/headroom/server/store"
)

// CreatePolicy stores a policy and returns it as REST does. Its errors are those of [store.Store.CreatePolicy]. When it
// and the changes below begin and end, [API.CreateResource] says.
func (a *API) CreatePolicy(ctx context.Context, tenant store.ID, sent *store.NewPolicy) ([]byte, error) {
	ctx, cancel, err := a.timeOfChange(ctx)
	if err != nil {
		return nil, err
	}
	defer cancel()
	body, id, committed, err := a.store.CreatePolicy(ctx, nil, tenant, sent)
	return body, a.changed(ctx, committed, err, a.onePolicy.scopes(tenant, id)...)
}

// ReplacePolicy replaces a policy, if it has the version, and returns it as REST does. Its errors are those of
// [store.Store.ReplacePolicy].
func (a *API) ReplacePolicy(ctx context.Context, tenant, id store.ID, version int,
	sent *store.NewPolicy,
) ([]byte, error) {
	ctx, cancel, err := a.timeOfChange(ctx)
	if err != nil {
		return nil, err
	}
	defer cancel()
	body, committed, err := a.store.ReplacePolicy(ctx, nil, tenant, id, version, sent)
	return body, a.changed(ctx, committed, err, a.onePolicy.scopes(tenant, id)...)
}

// DeletePolicy deletes a policy, if it has the version. Its errors are those of [store.Store.DeletePolicy].
func (a *API) DeletePolicy(ctx context.Context, tenant, id store.ID, version int) error {
	ctx, cancel, err := a.timeOfChange(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	committed, err := a.store.DeletePolicy(ctx, tenant, id, version)
	return a.changed(ctx, committed, err, a.onePolicy.scopes(tenant, id)...)
}

// RecordCosts stores 1 to [store.MaxBatch] costs, all or none. Its errors are those of [store.Store.UpsertCosts].
func (a *API) RecordCosts(ctx context.Context, tenant store.ID, costs []store.Cost) error {
	ctx, cancel, err := a.timeOfChange(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	committed, err := a.store.UpsertCosts(ctx, tenant, costs)
	return a.changed(ctx, committed, err, costScopes(tenant, costs)...)
}

// costScopes is what a change of costs invalidates.
func costScopes(tenant store.ID, costs []store.Cost) []cache.Scope {
	resources := make([]store.ID, len(costs))
	for i := range costs {
		resources[i] = store.ID(costs[i].ResourceID)
	}
	return appendScopes([]cache.Scope{{Tenant: tenant, Kind: cache.Costs}}, tenant, cache.Costs, resources)
}
