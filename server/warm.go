package server

import (
	"context"
	"fmt"

	"github.com/policycortex/headroom/server/api"
	"github.com/policycortex/headroom/server/cache"
	"github.com/policycortex/headroom/server/store"
)

// warmTenants is how many tenants' lists are warmed, those with the most resources.
const warmTenants = 20

// Priorities for warming. Expensive values that every visitor of a tenant needs come first.
const (
	summaryPriority  = 250
	listPriority     = 200
	resourcePriority = 100
)

// warmingPlan lists what to load before the first request: compliance summaries and first list pages of the largest
// tenants, and their most recently updated resources, at most the given number.
func warmingPlan(ctx context.Context, db *store.Store, handler *api.API, resources int) (*cache.Warming, error) {
	tenants, err := db.LargestTenants(ctx, warmTenants, 0)
	if err != nil {
		return nil, err
	}
	recent, err := db.RecentResources(ctx, tenants, resources, 0)
	if err != nil {
		return nil, err
	}
	entries := make([]cache.WarmingEntry, 0, 2*len(tenants)+len(recent))
	for _, tenant := range tenants {
		summary := cache.Key{Kind: cache.Compliance, Tenant: tenant}
		entries = append(entries, cache.WarmingEntry{
			Key: summary, Source: cache.Computation,
			Priority: summaryPriority,
		})
		entries = append(entries, cache.WarmingEntry{Key: handler.FirstPage(tenant), Priority: listPriority})
	}
	for _, r := range recent {
		key := cache.Key{Kind: cache.Resource, Tenant: r.Tenant, ID: r.Resource}
		entries = append(entries, cache.WarmingEntry{Key: key, Priority: resourcePriority})
	}
	return cache.NewWarming(entries, handler.Loader), nil
}

// warm fills the cache while requests are served, until it is done or ctx ends. Entries that fail are skipped.
func warm(ctx context.Context, o Options, db *store.Store, answers *cache.Cache, handler *api.API) error {
	plan, err := warmingPlan(ctx, db, handler, o.WarmResources)
	if err != nil {
		return err
	}
	if err := answers.Warm(ctx, plan, o.Logger); err != nil {
		return err
	}
	if p := plan.Progress(); p.Failed > 0 {
		return fmt.Errorf("warm the cache: %d of %d entries do not exist or could not be loaded", p.Failed, p.Total)
	}
	return nil
}
