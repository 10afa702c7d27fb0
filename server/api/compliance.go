package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/policycortex/headroom/server/cache"
	"github.com/policycortex/headroom/server/store"
)

const compliancePath = "/api/v1/compliance"

func (a *API) complianceRoutes(handle handleFunc) {
	a.loadCompliance = a.readCompliance
	handle(http.MethodGet, compliancePath+"/summary", a.getCompliance)
	handle(http.MethodPost, compliancePath+"/refresh", a.refreshCompliance)
}

func parseComplianceQuery(query string) (q store.ComplianceQuery, err error) {
	return q, eachParameter(query, func(name, value string) error {
		switch name {
		case "subscription_id":
			return setText(&q.SubscriptionID, name, value)
		case "type":
			return setText(&q.Type, name, value)
		}
		return unknownParameter(name, "subscription_id and type")
	})
}

func (a *API) getCompliance(c *gin.Context) {
	var q store.ComplianceQuery
	tenant, ok := asked(c, func(query string) (err error) {
		q, err = parseComplianceQuery(query)
		return err
	})
	if !ok {
		return
	}
	a.answer(c, cache.Key{Kind: cache.Compliance, Tenant: tenant, Query: string(complianceQuery(&q))},
		a.loadCompliance)
}

// complianceQuery is the canonical query string.
func complianceQuery(q *store.ComplianceQuery) []byte {
	return appendParameter(appendParameter(nil, "subscription_id", q.SubscriptionID), "type", q.Type)
}

func (a *API) readCompliance(ctx context.Context, key cache.Key, after store.LSN) ([]byte, error) {
	q, err := parseComplianceQuery(key.Query)
	if err != nil {
		return nil, err
	}
	q.Tenant = key.Tenant
	return a.store.AppendComplianceSummary(ctx, make([]byte, 0, 4096), q, after)
}

// refreshed is the response to a requested refresh.
type refreshed struct {
	RefreshedAt time.Time `json:"refreshed_at"` // the summary contains everything committed before
	TookMS      float64   `json:"took_ms"`
}

func (a *API) refreshCompliance(c *gin.Context) {
	if _, ok := asked(c, func(query string) error {
		return eachParameter(query, func(string,
			string,
		) error {
			return errors.New("a refresh takes no query parameters")
		})
	}); !ok {
		return
	}
	ctx, cancel := a.changing(c)
	defer cancel()
	done, err := a.RefreshCompliance(ctx)
	switch {
	case errors.Is(err, store.ErrRefreshing):
		refuse(c, http.StatusConflict, "A refresh is already in progress. It may not contain your latest change: "+
			"compare refreshed_at of the summary, and try again.")
	case err != nil:
		a.fail(c, err)
	default:
		sendJSON(c, http.StatusOK, refreshed{done.At.UTC(), float64(done.Took.Microseconds()) / 1000})
	}
}

// RefreshCompliance refreshes the summaries of all tenants and drops the cached ones. It returns [store.ErrRefreshing]
// while any instance is refreshing.
func (a *API) RefreshCompliance(ctx context.Context) (store.Refreshed, error) {
	done, committed, err := a.store.RefreshComplianceSummary(ctx)
	if err != nil {
		return done, err
	}
	if _, err := a.cache.InvalidatePattern(context.WithoutCancel(ctx), committed,
		"*:"+cache.Compliance.String()+":*"); err != nil {
		a.logger.Warn("summaries from before the refresh may be served until they expire", "error", err)
	}
	_ = a.edges.InvalidateKind(context.WithoutCancel(ctx), cache.Compliance) // logged there
	return done, nil
}
