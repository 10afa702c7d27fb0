package api

import (
	"context"
	"errors"

	"github.com/policycortex/headroom/server/cache"
	"github.com/policycortex/headroom/server/store"
)

// CreateResource stores a resource and returns it as REST does. Its errors are those of [store.Store.CreateResource].
// Like the changes below it does not begin when the time of its request is over. Once it has begun, it goes on whether
// or not its client still waits.
func (a *API) CreateResource(ctx context.Context, tenant store.ID, sent *store.NewResource) ([]byte, error) {
	ctx, cancel, err := a.timeOfChange(ctx)
	if err != nil {
		return nil, err
	}
	defer cancel()
	body, id, committed, err := a.store.CreateResource(ctx, nil, tenant, sent)
	return body, a.changed(ctx, committed, err, cache.Scope{Tenant: tenant, Kind: cache.Resources},
		cache.Scope{Tenant: tenant, Kind: cache.Resource, ID: id})
}

// ReplaceResource replaces a resource, if it has the version, and returns it as REST does. Its errors are those of
// [store.Store.ReplaceResource].
func (a *API) ReplaceResource(ctx context.Context, tenant, id store.ID, version int,
	sent *store.NewResource,
) ([]byte, error) {
	ctx, cancel, err := a.timeOfChange(ctx)
	if err != nil {
		return nil, err
	}
	defer cancel()
	body, committed, err := a.store.ReplaceResource(ctx, nil, tenant, id, version, sent)
	return body, a.changed(ctx, committed, err, a.resources().scopes(tenant, id)...)
}

// DeleteResource deletes a resource, if it has the version. Its errors are those of [store.Store.DeleteResource].
func (a *API) DeleteResource(ctx context.Context, tenant, id store.ID, version int) error {
	ctx, cancel, err := a.timeOfChange(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	committed, err := a.store.DeleteResource(ctx, tenant, id, version)
	return a.changed(ctx, committed, err, a.resources().scopes(tenant, id)...)
}

// timeOfChange returns what bounds a change. It returns an error when the time of the request is over: an operation may
// have several changes, which are made one after another.
func (a *API) timeOfChange(ctx context.Context) (context.Context, context.CancelFunc, error) {
	err := ctx.Err()
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.timeout)
	return ctx, cancel, nil
}

// changed invalidates what a change is about, unless it was refused.
func (a *API) changed(ctx context.Context, committed store.LSN, err error, scopes ...cache.Scope) error {
	var invalid *store.ValidationError
	switch {
	case err == nil:
		a.invalidate(ctx, committed, scopes...)
	case errors.As(err, &invalid), errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrConflict),
		errors.Is(err, store.ErrVersion):
	default:
		a.invalidateInDoubt(ctx, scopes...)
	}
	return err
}
