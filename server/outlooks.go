package server

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/policycortex/headroom/server/api"
	"github.com/policycortex/headroom/server/cache"
	"github.com/policycortex/headroom/server/store"
)

const (
	// recentEvents are how many of the latest events are looked at for new costs, seenAgain how many of those that were
	// looked at before: transactions commit in another order than that of their positions.
	recentEvents = 20_000
	seenAgain    = 1000
	// outlooksAtOnce are computed at once, and read by as few statements as that allows.
	outlooksAtOnce = 16
	// outlooksTimeout bounds one computation of all.
	outlooksTimeout = 2 * time.Minute
)

// outlooks computes the forecasts and anomalies of tenants with new costs before anybody asks for them.
type outlooks struct {
	store   *store.Store
	cache   *cache.Cache
	handler *api.API
	at      int64 // the position in the event store; 0 before the first time
}

func newOutlooks(db *store.Store, answers *cache.Cache, handler *api.API) *outlooks {
	return &outlooks{store: db, cache: answers, handler: handler}
}

// refresh computes what new costs have invalidated, unless another instance is at it. The cache has what is still
// valid, so it costs nothing to ask for too much; and the instances share its second level.
func (o *outlooks) refresh(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, outlooksTimeout)
	defer cancel()
	_, err := o.store.Exclusively(ctx, "cost_outlooks", func(ctx context.Context) error {
		tenants, at, err := o.store.TenantsWithNewCosts(ctx, max(o.at-seenAgain, 0), recentEvents)
		if err != nil {
			return err
		}
		err = o.compute(ctx, tenants)
		if err == nil {
			o.at = at
		}
		return err
	})
	return err
}

// compute asks for what requests without parameters ask for.
func (o *outlooks) compute(ctx context.Context, tenants []store.ID) error {
	var group errgroup.Group
	group.SetLimit(outlooksAtOnce)
	for _, tenant := range tenants {
		for _, key := range o.handler.OutlookKeys(tenant) {
			group.Go(func() error {
				err := o.cache.LoadAhead(ctx, key, o.handler.Loader(key.Kind))
				if errors.Is(err, store.ErrTooMany) { // which requests are told too
					return nil
				}
				return err
			})
		}
	}
	return group.Wait()
}
