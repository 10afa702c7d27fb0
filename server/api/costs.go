package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/policycortex/headroom/server/cache"
	"github.com/policycortex/headroom/server/store"
)

const (
	costsPath = "/api/v1/costs"
	// defaultCostDays is the default period, which ends today.
	defaultCostDays = 30
	costBuffer      = 96 // bytes of a cost
)

func (a *API) costRoutes(handle handleFunc) {
	a.loadCosts = a.readCosts
	handle(http.MethodGet, costsPath, a.getCostSeries)
	handle(http.MethodGet, costsPath+"/totals", a.getCostTotals)
	handle(http.MethodPost, costsPath, a.upsertCosts)
	a.outlookRoutes(handle)
}

// costRequest is what a query string asks for.
type costRequest struct {
	resource *store.ID // of a series
	service  string
	from, to time.Time
	period   string // of totals: day or month
}

// parseCostRequest reads the query string of a series, or of totals.
func parseCostRequest(query string, totals bool) (costRequest, error) {
	var q costRequest
	err := eachParameter(query, func(name, value string) error {
		switch {
		case name == "service_name":
			return setText(&q.service, name, value)
		case name == "from":
			return setDay(&q.from, name, value)
		case name == "to":
			return setDay(&q.to, name, value)
		case name == "resource_id" && !totals:
			return setID(&q.resource, name, value)
		case name == "period" && totals:
			return setOneOf(&q.period, name, value, []string{"day", "month"})
		case totals:
			return unknownParameter(name, "service_name, from, to and period")
		}
		return unknownParameter(name, "resource_id, service_name, from and to; the costs of all resources are at "+
			costsPath+"/totals")
	})
	switch {
	case err != nil || totals:
	case q.resource == nil:
		err = errors.New("query parameter resource_id is missing; the costs of all resources are at " + costsPath +
			"/totals")
	case *q.resource == store.ID{}: // without an id, a key is of the costs of all resources
		err = errors.New("query parameter resource_id is the zero UUID, which no resource has")
	}
	if err == nil {
		err = q.setPeriod(time.Now())
	}
	return q, err
}

func (q *costRequest) setPeriod(now time.Time) error {
	if q.to.IsZero() {
		q.to = now.UTC().Truncate(24 * time.Hour)
		if longest := q.from.AddDate(0, 0, store.MaxCostDays-1); !q.from.IsZero() && longest.Before(q.to) {
			q.to = longest
		}
	}
	if q.from.IsZero() {
		q.from = q.to.AddDate(0, 0, 1-defaultCostDays)
		if q.from.Before(firstDay) {
			q.from = firstDay
		}
	}
	if q.period == "" {
		q.period = "day"
	}
	switch days := int(q.to.Sub(q.from)/(24*time.Hour)) + 1; {
	case days < 1:
		return fmt.Errorf("query parameters from and to: %s is after %s", q.from.Format(time.DateOnly),
			q.to.Format(time.DateOnly))
	case days > store.MaxCostDays:
		return fmt.Errorf("query parameters from and to are %d days apart; at most %d are allowed", days,
			store.MaxCostDays)
	}
	return nil
}

// canonical states the period as days, because "the last 30 days" depends on the day of the request.
func (q *costRequest) canonical() []byte {
	b := append(make([]byte, 0, 96), "from="...)
	b = q.from.AppendFormat(b, time.DateOnly)
	b = append(b, "&to="...)
	b = q.to.AppendFormat(b, time.DateOnly)
	return appendParameter(b, "service_name", q.service)
}

// periodOf is what the key of totals says; a series has none.
func periodOf(req *costRequest, totals bool) string {
	if !totals {
		return ""
	}
	return req.period
}

func (a *API) getCostSeries(c *gin.Context) {
	var req costRequest
	tenant, ok := asked(c, func(query string) (err error) {
		req, err = parseCostRequest(query, false)
		return err
	})
	if !ok {
		return
	}
	a.answer(c, cache.Key{Kind: cache.Costs, Tenant: tenant, ID: *req.resource, Query: string(req.canonical())},
		a.loadCosts)
}

func (a *API) getCostTotals(c *gin.Context) {
	var req costRequest
	tenant, ok := asked(c, func(query string) (err error) {
		req, err = parseCostRequest(query, true)
		return err
	})
	if !ok {
		return
	}
	canonical := appendParameter(req.canonical(), "period", periodOf(&req, true))
	a.answer(c, cache.Key{Kind: cache.Costs, Tenant: tenant, Query: string(canonical)}, a.loadCosts)
}

// readCosts derives the request from the key. A key with an ID is a series.
func (a *API) readCosts(ctx context.Context, key cache.Key, after store.LSN) ([]byte, error) {
	if strings.HasPrefix(key.Query, "of=") {
		return a.readOutlook(ctx, key, after)
	}
	totals := key.ID == store.ID{}
	query := key.Query
	if !totals {
		query += "&resource_id=" + formatUUID(key.ID)
	}
	req, err := parseCostRequest(query, totals)
	if err != nil {
		return nil, err
	}
	q := store.CostQuery{
		Tenant: key.Tenant, Resource: key.ID, Service: req.service, From: req.from, To: req.to,
		Monthly: req.period == "month",
	}
	days := int(req.to.Sub(req.from)/(24*time.Hour)) + 1
	body := append(make([]byte, 0, listBuffer+days*costBuffer), `{"data":`...)
	if totals {
		body, err = a.store.AppendCostTotals(ctx, body, q, after)
	} else {
		body, err = a.store.AppendCostSeries(ctx, body, q, after)
	}
	if err != nil {
		return nil, err
	}
	body = append(body, `,"from":"`...)
	body = req.from.AppendFormat(body, time.DateOnly)
	body = append(body, `","to":"`...)
	body = req.to.AppendFormat(body, time.DateOnly)
	return append(body, `"}`...), nil
}

// stored is the response to a batch.
type stored struct {
	Stored int `json:"stored"`
}

func (a *API) upsertCosts(c *gin.Context) {
	batch := batchChange[store.Cost]{
		name: "costs", faults: a.store.CostFaults, store: a.store.UpsertCosts,
		scopes: costScopes,
	}
	if n, ok := batch.apply(a, c); ok {
		sendJSON(c, http.StatusOK, stored{n})
	}
}
