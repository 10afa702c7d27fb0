package server

import (
	"context"
	"errors"
	"sync"

	"github.com/policycortex/headroom/server/api"
	"github.com/policycortex/headroom/server/cache"
	"github.com/policycortex/headroom/server/store"
)

// warmTenants is how many tenants' lists are warmed: those with the most resources.
const warmTenants = 20

// Priorities of what is warmed. What is expensive and asked for by everybody who opens a tenant comes first.
const (
	summaryPriority  = 250
	listPriority     = 200
	resourcePriority = 100
)

// warmingPlan is what the cache should have before the first request asks for it: summaries of compliance and first
// list pages of the largest tenants, and of their resources those that were updated last, at most so many.
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
		entries = append(entries, cache.WarmingEntry{Key: summary, Source: cache.Computation, Priority: summaryPriority})
		entries = append(entries, cache.WarmingEntry{Key: handler.FirstPage(tenant), Priority: listPriority})
	}
	for _, r := range recent {
		key := cache.Key{Kind: cache.Resource, Tenant: r.Tenant, ID: r.Resource}
		entries = append(entries, cache.WarmingEntry{Key: key, Priority: resourcePriority})
	}
	return cache.NewWarming(entries, handler.Loader), nil
}

// startWarming fills the cache while requests are served already, until it is done, ctx ends or stop is called, which waits
// for it to give up. What fails is in the log and in the snapshot; the server does without.
func startWarming(ctx context.Context, o Options, db *store.Store, answers *cache.Cache, handler *api.API) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var warming sync.WaitGroup
	warming.Go(func() {
		plan, err := warmingPlan(ctx, db, handler, o.WarmResources)
		if err == nil {
			err = answers.Warm(ctx, plan, o.Logger)
		}
		if err != nil && !errors.Is(err, context.Canceled) {
			o.Logger.Warn("the cache is not warm", "error", err)
		}
	})
	return func() {
		cancel()
		warming.Wait()
	}
}
