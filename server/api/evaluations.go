package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/policycortex/headroom/server/cache"
	"github.com/policycortex/headroom/server/store"
)

const (
	evaluationsPath = "/api/v1/evaluations"
	evaluationPlace = 16 // the size of a place in the list: an id, or a time and a number
	// evaluationBuffer is the size of an evaluation in bytes.
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
		return setBool(&q.latest, name, value)
	case "limit":
		return setNumber(&q.limit, name, value, maxLimit)
	case "cursor":
		q.cursor = value
		return checkText(name, value)
	}
	return unknownParameter(name, "resource_id, policy_id, latest, limit and cursor")
}

// list names the list without the position in it. parseEvaluationRequest parses it.
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

func (a *API) listEvaluations(c *gin.Context) {
	var req evaluationRequest
	tenant, ok := asked(c, func(query string) (err error) {
		req, err = parseEvaluationRequest(query)
		return err
	})
	if !ok {
		return
	}
	list := req.list()
	if _, err := a.place(&tenant, evaluationsPath, list, req.cursor, evaluationPlace); err != nil {
		refuse(c, http.StatusBadRequest, err.Error())
		return
	}
	a.answer(c, cache.Key{Kind: cache.Evaluations, Tenant: tenant, Query: a.pageKey(list, req.cursor)},
		a.loadEvaluations)
}

func (a *API) readEvaluations(ctx context.Context, key cache.Key, after store.LSN) ([]byte, error) {
	req, err := parseEvaluationRequest(a.pageQuery(key))
	if err != nil {
		return nil, err
	}
	list := req.list()
	place, err := a.place(&key.Tenant, evaluationsPath, list, req.cursor, evaluationPlace)
	if err != nil {
		return nil, err
	}
	var next []byte
	body := append(make([]byte, 0, listBuffer+req.limit*evaluationBuffer), `{"data":`...)
	if req.latest {
		body, next, err = a.appendLatest(ctx, body, key.Tenant, &req, place, after)
	} else {
		body, next, err = a.appendHistory(ctx, body, key.Tenant, &req, place, after)
	}
	if err != nil {
		return nil, err
	}
	return a.appendPagination(body, req.limit, &key.Tenant, evaluationsPath+list, next), nil
}

func (a *API) appendHistory(ctx context.Context, body []byte, tenant store.ID, req *evaluationRequest, place []byte,
	after store.LSN,
) (page, nextPlace []byte, err error) {
	q := store.EvaluationQuery{Tenant: tenant, Resource: req.resource, Policy: req.policy, Limit: req.limit}
	if place != nil {
		q.After = &store.EvaluationPosition{EvaluatedAt: bigEndian(place), ID: bigEndian(place[8:])}
	}
	page, next, err := a.store.AppendEvaluations(ctx, body, q, after)
	if next != nil {
		nextPlace = timePlace(next.EvaluatedAt, bigEndianOf(next.ID))
	}
	return page, nextPlace, err
}

func (a *API) appendLatest(ctx context.Context, body []byte, tenant store.ID, req *evaluationRequest, place []byte,
	after store.LSN,
) (page, nextPlace []byte, err error) {
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

// recorded is the response to a batch.
type recorded struct {
	Recorded int `json:"recorded"`
}

func (a *API) recordEvaluations(c *gin.Context) {
	batch := batchChange[store.Evaluation]{
		name: "evaluations", faults: store.EvaluationFaults, store: a.store.RecordEvaluations,
		scopes: func(tenant store.ID, evaluations []store.Evaluation) []cache.Scope {
			resources := make([]store.ID, len(evaluations))
			for i := range evaluations {
				resources[i] = evaluations[i].ResourceID
			}
			return statusScopes(tenant, resources)
		},
	}
	if n, ok := batch.apply(a, c); ok {
		sendJSON(c, http.StatusCreated, recorded{n})
	}
}

// statusScopes returns what a change of evaluations invalidates. Resources contain compliance_status too.
func statusScopes(tenant store.ID, resources []store.ID) []cache.Scope {
	scopes := []cache.Scope{{Tenant: tenant, Kind: cache.Evaluations}, {Tenant: tenant, Kind: cache.Resources}}
	return appendScopes(scopes, tenant, cache.Resource, resources)
}

// RetireEvaluations removes evaluations by deleted policies from the resources' current status and invalidates these
// resources. It returns their number; 0 means that nothing is left to do.
func (a *API) RetireEvaluations(ctx context.Context) (int, error) {
	retired, committed, err := a.store.RetireEvaluations(ctx)
	byTenant := map[store.ID][]store.ID{}
	for _, r := range retired {
		byTenant[r.Tenant] = append(byTenant[r.Tenant], r.Resource)
	}
	var scopes []cache.Scope
	for tenant, resources := range byTenant {
		scopes = append(scopes, statusScopes(tenant, resources)...)
	}
	if err != nil {
		a.invalidateInDoubt(ctx, scopes...)
		return 0, err
	}
	a.invalidate(ctx, committed, scopes...)
	return len(retired), nil
}
