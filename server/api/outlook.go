package api

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/policycortex/headroom/server/cache"
	"github.com/policycortex/headroom/server/inference"
	"github.com/policycortex/headroom/server/store"
)

// Bounds of forecasts. The interval is not asked for at levels of which a year of days can tell nothing.
const (
	defaultHorizon = 30
	maxHorizon     = 90
	defaultLevel   = 0.95
	minLevel       = 0.5
	maxLevel       = 0.99
)

// What is inferred from costs is cached among the tenant's totals, whose invalidation is also theirs. These are the
// beginnings of the queries of their keys, which no query of totals has.
const (
	ofForecast  = "of=forecast&"
	ofAnomalies = "of=anomalies&"
	ofFacts     = "of=facts&"
)

func (a *API) outlookRoutes(handle handleFunc) {
	handle(http.MethodGet, costsPath+"/forecast", a.getForecast)
	handle(http.MethodGet, costsPath+"/anomalies", a.getAnomalies)
	handle(http.MethodPost, costsPath+"/explanation", a.postExplanation)
}

// outlookRequest is what a query string asks for.
type outlookRequest struct {
	costRequest
	horizon int
	level   float64
}

// parseOutlook reads the query string of a forecast, or of anomalies, which have neither horizon nor level.
func parseOutlook(query string, ahead bool) (outlookRequest, error) {
	q := outlookRequest{horizon: defaultHorizon, level: defaultLevel}
	err := eachParameter(query, func(name, value string) error {
		switch {
		case name == "service_name":
			return setText(&q.service, name, value)
		case name == "from":
			return setDay(&q.from, name, value)
		case name == "to":
			return setDay(&q.to, name, value)
		case name == "horizon" && ahead:
			return setNumber(&q.horizon, name, value, maxHorizon)
		case name == "level" && ahead:
			return setLevel(&q.level, name, value)
		case ahead:
			return unknownParameter(name, "service_name, from, to, horizon and level")
		}
		return unknownParameter(name, "service_name, from and to")
	})
	if err == nil {
		err = q.setHistory(time.Now())
	}
	return q, err
}

func setLevel(field *float64, name, value string) error {
	level, err := strconv.ParseFloat(value, 64)
	if err != nil || !(level >= minLevel && level <= maxLevel) {
		return fmt.Errorf("query parameter %s is %.40q; it must be a number from %v to %v", name, value, minLevel,
			maxLevel)
	}
	*field = level
	return nil
}

// setHistory has the history end yesterday and be as long as it may be, unless the request says otherwise. Of today
// only a part of the costs is known: that would be an anomaly, and pull the forecast down.
func (q *outlookRequest) setHistory(now time.Time) error {
	yesterday := now.UTC().Truncate(24*time.Hour).AddDate(0, 0, -1)
	if q.from.IsZero() {
		to := q.to
		if to.IsZero() {
			to = yesterday
		}
		q.from = to.AddDate(0, 0, 1-store.MaxCostDays)
		if q.from.Before(firstDay) {
			q.from = firstDay
		}
	}
	return q.setPeriod(yesterday)
}

// canonical returns the same query string for all requests for the same.
func (q *outlookRequest) canonical(of string, ahead bool) string {
	b := append([]byte(of), q.costRequest.canonical()...)
	if ahead {
		b = appendNumber(b, "&horizon=", q.horizon)
		b = append(b, "&level="...)
		b = strconv.AppendFloat(b, q.level, 'g', -1, 64)
	}
	return string(b)
}

func (a *API) getForecast(c *gin.Context) { a.getOutlook(c, ofForecast, true) }

func (a *API) getAnomalies(c *gin.Context) { a.getOutlook(c, ofAnomalies, false) }

func (a *API) getOutlook(c *gin.Context, of string, ahead bool) {
	var req outlookRequest
	tenant, ok := asked(c, func(query string) (err error) {
		req, err = parseOutlook(query, ahead)
		return err
	})
	if ok {
		a.answer(c, req.key(tenant, of, ahead), a.loadCosts)
	}
}

func (q *outlookRequest) key(tenant store.ID, of string, ahead bool) cache.Key {
	return cache.Key{Kind: cache.Costs, Tenant: tenant, Query: q.canonical(of, ahead)}
}

// readOutlook is a [cache.LoadFunc] for what is inferred from costs.
func (a *API) readOutlook(ctx context.Context, key cache.Key, after store.LSN) ([]byte, error) {
	of, query, _ := strings.Cut(key.Query, "&")
	of += "&"
	req, err := parseOutlook(query, of != ofAnomalies)
	if err != nil {
		return nil, err
	}
	q := inference.Question{
		Tenant: key.Tenant, Service: req.service, From: req.from, To: req.to, Horizon: req.horizon, Level: req.level,
	}
	switch of {
	case ofForecast:
		return a.inference.AppendForecast(ctx, make([]byte, 0, listBuffer), q, after)
	case ofAnomalies:
		return a.inference.AppendAnomalies(ctx, make([]byte, 0, listBuffer), q, after)
	}
	return a.inference.AppendFacts(ctx, make([]byte, 0, listBuffer), q, after)
}

// OutlookKeys are the keys of a tenant's forecast and anomalies, as requests without parameters have them today.
func (a *API) OutlookKeys(tenant store.ID) []cache.Key {
	q := outlookRequest{horizon: defaultHorizon, level: defaultLevel}
	err := q.setHistory(time.Now())
	if err != nil {
		panic("api: the default period of an outlook: " + err.Error())
	}
	return []cache.Key{
		q.key(tenant, ofForecast, true), q.key(tenant, ofAnomalies, false), q.key(tenant, ofFacts, true),
	}
}
