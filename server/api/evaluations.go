package api

import (
	"context"
	"encoding/binary"
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/policycortex/headroom/server/cache"
	"github.com/policycortex/headroom/server/store"
)

const (
	evaluationsPath = "/api/v1/evaluations"
	// evaluationBuffer is what an evaluation takes.
	evaluationBuffer = 192
)

func (a *API) evaluationRoutes(handle handleFunc) {
	a.loadEvaluations = a.readEvaluations
	handle(http.MethodGet, evaluationsPath, a.listEvaluations)
	handle(http.MethodPost, evaluationsPath, a.recordEvaluations)
}

// evaluationRequest is what a query string asks for: the history, or the latest evaluations.
type evaluationRequest struct {
	resource, policy *store.ID
	latest           bool
	limit            int
	cursor           string
}

func parseEvaluationRequest(query string) (evaluationRequest, error) {
	req := evaluationRequest{limit: defaultLimit}
	err := eachParameter(query, req.set)
	if err == nil && req.latest && req.resource == nil && req.policy == nil {
		err = errors.New("query parameter latest needs a resource_id, a policy_id or both: whose latest evaluations?")
	}
	return req, err
}

func (q *evaluationRequest) set(name, value string) error {
	switch name {
	case "resource_id":
		return setID(&q.resource, name, value)
	case "policy_id":
		return setID(&q.policy, name, value)
	case "latest":
		var choice string
		err := setOneOf(&choice, name, value, []string{"true", "false"})
		q.latest = choice == "true"
		return err
	case "limit":
		return setLimit(&q.limit, value, maxLimit)
	case "cursor":
		q.cursor = value
		return checkText(name, value)
	}
	return unknownParameter(name, "resource_id, policy_id, latest, limit and cursor")
}

// list names the list without the place in it. parseEvaluationRequest reads it back.
func (q *evaluationRequest) list() string {
	b := make([]byte, 0, 128)
	b = appendNumber(b, "limit=", q.limit)
	b = appendID(b, "resource_id", q.resource)
	b = appendID(b, "policy_id", q.policy)
	if q.latest {
		b = append(b, "&latest=true"...)
	}
	return string(b)
}

// placeSize is that of a place in the list: an id, or a time and a number.
const placeSize = 16

func (a *API) listEvaluations(c *gin.Context) {
	var req evaluationRequest
	tenant, ok := asked(c, func(query string) (err error) {
		req, err = parseEvaluationRequest(query)
		return err
	})
	if !ok {
		return
	}
	if req.cursor != "" {
		if _, err := a.cursors.readPlace(req.cursor, &tenant, evaluationsPath+req.list(), placeSize); err != nil {
			refuse(c, http.StatusBadRequest, err.Error())
			return
		}
	}
	a.answer(c, cache.Key{Kind: cache.Evaluations, Tenant: tenant, Query: a.pageKey(req.list(), req.cursor)}, a.loadEvaluations)
}

func (a *API) readEvaluations(ctx context.Context, key cache.Key, after store.LSN) ([]byte, error) {
	req, err := parseEvaluationRequest(a.pageQuery(key))
	if err != nil {
		return nil, err
	}
	list := evaluationsPath + req.list()
	var place, next []byte
	if req.cursor != "" {
		if place, err = a.cursors.readPlace(req.cursor, &key.Tenant, list, placeSize); err != nil {
			return nil, err
		}
	}
	body := append(make([]byte, 0, listBuffer+req.limit*evaluationBuffer), `{"data":`...)
	if req.latest {
		body, next, err = a.appendLatest(ctx, body, key.Tenant, &req, place, after)
	} else {
		body, next, err = a.appendHistory(ctx, body, key.Tenant, &req, place, after)
	}
	if err != nil {
		return nil, err
	}
	return a.appendPagination(body, req.limit, &key.Tenant, list, next), nil
}

func (a *API) appendHistory(ctx context.Context, body []byte, tenant store.ID, req *evaluationRequest, place []byte, after store.LSN) (page, nextPlace []byte, err error) {
	q := store.EvaluationQuery{Tenant: tenant, Resource: req.resource, Policy: req.policy, Limit: req.limit}
	if place != nil {
		q.After = &store.EvaluationPosition{EvaluatedAt: bigEndian(place), ID: bigEndian(place[8:])}
	}
	page, next, err := a.store.AppendEvaluations(ctx, body, q, after)
	if next != nil {
		nextPlace = timePlace(next.EvaluatedAt, binary.BigEndian.AppendUint64(nil, uint64(next.ID)))
	}
	return page, nextPlace, err
}

func (a *API) appendLatest(ctx context.Context, body []byte, tenant store.ID, req *evaluationRequest, place []byte, after store.LSN) (page, nextPlace []byte, err error) {
	q := store.CurrentQuery{Tenant: tenant, Resource: req.resource, Policy: req.policy, Limit: req.limit}
	if place != nil {
		id := store.ID(place)
		q.After = &id
	}
	page, next, err := a.store.AppendCurrentEvaluations(ctx, body, q, after)
	if next != nil {
		nextPlace = next[:]
	}
	return page, nextPlace, err
}

// recorded is the answer to a batch.
type recorded struct {
	Recorded int `json:"recorded"`
}

func (a *API) recordEvaluations(c *gin.Context) {
	tenant, elements, ok := readElements(c, "evaluations")
	if !ok {
		return
	}
	evaluations, faults := decodeElements(elements, store.EvaluationFaults)
	if faults != nil {
		refuseElements(c, faults)
		return
	}
	ctx, cancel := context.WithTimeout(c.Request.Context(), a.timeout)
	defer cancel()
	committed, err := a.store.RecordEvaluations(ctx, tenant, evaluations)
	var invalid *store.ValidationError
	if !errors.As(err, &invalid) {
		// Also after an error: the batch may have been committed without our having heard of it.
		resources := make([]store.ID, len(evaluations))
		for i := range evaluations {
			resources[i] = evaluations[i].ResourceID
		}
		a.invalidate(ctx, committed, statusScopes(tenant, resources)...)
	}
	if err != nil {
		a.refuseBatchChange(c, err)
		return
	}
	sendJSON(c, http.StatusCreated, recorded{len(evaluations)})
}

// statusScopes is what a change of the evaluations of resources makes old: they say compliance_status too.
func statusScopes(tenant store.ID, resources []store.ID) []cache.Scope {
	scopes := []cache.Scope{{Tenant: tenant, Kind: cache.Evaluations}, {Tenant: tenant, Kind: cache.Resources}}
	seen := make(map[store.ID]bool, len(resources))
	for _, id := range resources {
		if !seen[id] {
			seen[id] = true
			scopes = append(scopes, cache.Scope{Tenant: tenant, Kind: cache.Resource, ID: id})
		}
	}
	return scopes
}

// RetireEvaluations takes evaluations by deleted policies out of the resources' present status, and what was cached of
// these resources with them. It returns how many resources it was about; it is done when there is none.
func (a *API) RetireEvaluations(ctx context.Context) (int, error) {
	retired, committed, err := a.store.RetireEvaluations(ctx)
	if err != nil {
		return 0, err
	}
	byTenant := map[store.ID][]store.ID{}
	for _, r := range retired {
		byTenant[r.Tenant] = append(byTenant[r.Tenant], r.Resource)
	}
	for tenant, resources := range byTenant {
		a.invalidate(ctx, committed, statusScopes(tenant, resources)...)
	}
	return len(retired), nil
}
