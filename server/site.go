package server

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"github.com/policycortex/headroom/server/store"
	"github.com/policycortex/headroom/server/web"
)

// newSite puts the pages for people in front of the API. Where the server checks no identity and other machines reach
// it, only what stands in front of it may name the tenant.
func newSite(o Options, handler http.Handler, db *store.Store) *web.Site {
	access := web.ByAddress
	switch {
	case o.authenticates():
		access = web.ByToken
	case o.AllowUnauthenticated:
		access = web.ByHeader
	}
	return web.New(web.Options{
		API: handler, Access: access, Logger: o.Logger,
		Tenants: func(ctx context.Context, n int) ([]string, error) {
			ids, err := db.LargestTenants(ctx, n, 0)
			tenants := make([]string, len(ids))
			for i, id := range ids {
				tenants[i] = uuid.UUID(id).String()
			}
			return tenants, err
		},
	})
}
