package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/policycortex/headroom/server/cache"
	"github.com/policycortex/headroom/server/store"
)

const (
	policiesPath = "/api/v1/policies"
	policyPlace  = 24 // the size of a place in the list: a time and an id
	// policyBuffer is slightly more than the size of a typical policy, in bytes.
	policyBuffer = 768
)

func (a *API) policyRoutes(handle handleFunc) {
	one := a.policies()
	a.onePolicy = one
	a.loadPolicy = one.load
	a.loadPolicies = a.readPolicies
	handle(http.MethodGet, policiesPath, a.listPolicies)
	one.routes(handle)
}

func (a *API) policies() *document[store.NewPolicy] {
	return &document[store.NewPolicy]{
		api: a, name: "policy", path: policiesPath, item: cache.Policy, lists: cache.Policies,
		conflict: "This tenant has another policy with this name.",
		create:   a.store.CreatePolicy, replace: a.store.ReplacePolicy, remove: a.store.DeletePolicy,
		read:    a.store.AppendPolicy,
		version: policyVersion, buffer: policyBuffer,
	}
}

// policyRequest is what a query string asks for.
type policyRequest struct {
	filter store.PolicyFilter
	limit  int
	cursor string
}

func parsePolicyRequest(query string) (policyRequest, error) {
	req := policyRequest{limit: defaultLimit}
	return req, eachParameter(query, req.set)
}

func (q *policyRequest) set(name, value string) error {
	switch name {
	case "type":
		return setText(&q.filter.Type, name, value)
	case "category":
		return setText(&q.filter.Category, name, value)
	case "severity":
		return setOneOf(&q.filter.Severity, name, value, store.Severities)
	case "enabled":
		q.filter.Enabled = new(bool)
		return setBool(q.filter.Enabled, name, value)
	case "limit":
		return setNumber(&q.limit, name, value, maxLimit)
	case "cursor":
		q.cursor = value
		return checkText(name, value)
	}
	return unknownParameter(name, "type, category, severity, enabled, limit and cursor")
}

// list names the list without the position in it. parsePolicyRequest parses it.
func (q *policyRequest) list() string {
	b := make([]byte, 0, 128)
	b = appendNumber(b, "limit=", q.limit)
	b = appendParameter(b, "type", q.filter.Type)
	b = appendParameter(b, "category", q.filter.Category)
	b = appendParameter(b, "severity", q.filter.Severity)
	if q.filter.Enabled != nil {
		b = strconv.AppendBool(append(b, "&enabled="...), *q.filter.Enabled)
	}
	return string(b)
}

func (a *API) listPolicies(c *gin.Context) {
	var req policyRequest
	tenant, ok := asked(c, func(query string) (err error) {
		req, err = parsePolicyRequest(query)
		return err
	})
	if !ok {
		return
	}
	list := req.list()
	if _, err := a.place(&tenant, policiesPath, list, req.cursor, policyPlace); err != nil {
		refuse(c, http.StatusBadRequest, err.Error())
		return
	}
	a.answer(c, cache.Key{Kind: cache.Policies, Tenant: tenant, Query: a.pageKey(list, req.cursor)}, a.loadPolicies)
}

func (a *API) readPolicies(ctx context.Context, key cache.Key, after store.LSN) ([]byte, error) {
	req, err := parsePolicyRequest(a.pageQuery(key))
	if err != nil {
		return nil, err
	}
	list := req.list()
	place, err := a.place(&key.Tenant, policiesPath, list, req.cursor, policyPlace)
	if err != nil {
		return nil, err
	}
	var position *store.ListPosition
	if place != nil {
		position = &store.ListPosition{UpdatedAt: bigEndian(place), ID: store.ID(place[8:])}
	}
	body := append(make([]byte, 0, listBuffer+req.limit*policyBuffer), `{"data":`...)
	body, next, err := a.store.AppendPolicies(ctx, body, store.PolicyQuery{
		Tenant: key.Tenant, Filter: req.filter, After: position, Limit: req.limit,
	}, after)
	if err != nil {
		return nil, err
	}
	place = nil // from here on the position after this page
	if next != nil {
		place = timePlace(next.UpdatedAt, next.ID[:])
	}
	return a.appendPagination(body, req.limit, &key.Tenant, policiesPath+list, place), nil
}

func policyVersion(body []byte) (int, error) {
	var policy struct{ Version int }
	err := json.Unmarshal(body, &policy)
	return policy.Version, err
}
