package server

import (
	"context"
	"errors"
	"log/slog"
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
	logger  *slog.Logger
	at      int64 // the position in the event store; 0 before the first time
}

func newOutlooks(db *store.Store, answers *cache.Cache, handler *api.API, logger *slog.Logger) *outlooks {
	return &outlooks{store: db, cache: answers, handler: handler, logger: logger}
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

// compute asks for what requests without parameters ask for. It returns an error if that should be done again. What
// fails for one tenant alone is logged, as it would fail again and hold back the others.
func (o *outlooks) compute(ctx context.Context, tenants []store.ID) error {
	var group errgroup.Group
	group.SetLimit(outlooksAtOnce)
	for _, tenant := range tenants {
		for _, key := range o.handler.OutlookKeys(tenant) {
			group.Go(func() error {
				err := o.cache.LoadAhead(ctx, key, o.handler.Loader(key.Kind))
				switch {
				case err == nil || errors.Is(err, store.ErrTooMany): // which requests are told too
					return nil
				case ctx.Err() != nil || errors.Is(err, store.ErrUnavailable) || errors.Is(err, cache.ErrNotKept):
					return err
				}
				o.logger.Warn("what costs tell of a tenant was not computed ahead",
					"tenant", tenant, "query", key.Query, "error", err)
				return nil
			})
		}
	}
	return group.Wait()
}
