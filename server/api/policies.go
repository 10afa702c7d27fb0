package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/policycortex/headroom/server/cache"
	"github.com/policycortex/headroom/server/store"
)

const (
	policiesPath = "/api/v1/policies"
	// policyBuffer is a little more than a usual policy takes.
	policyBuffer = 768
)

func (a *API) policyRoutes(handle handleFunc) {
	a.loadPolicy = a.readPolicy
	a.loadPolicies = a.readPolicies
	handle(http.MethodGet, policiesPath, a.listPolicies)
	handle(http.MethodPost, policiesPath, a.createPolicy)
	handle(http.MethodGet, policiesPath+"/:id", a.getPolicy)
	handle(http.MethodPut, policiesPath+"/:id", a.replacePolicy)
	handle(http.MethodDelete, policiesPath+"/:id", a.deletePolicy)
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
		var choice string
		if err := setOneOf(&choice, name, value, []string{"true", "false"}); err != nil {
			return err
		}
		enabled := choice == "true"
		q.filter.Enabled = &enabled
		return nil
	case "limit":
		return setLimit(&q.limit, value, maxLimit)
	case "cursor":
		q.cursor = value
		return checkText(name, value)
	}
	return unknownParameter(name, "type, category, severity, enabled, limit and cursor")
}

// list names the list without the place in it. parsePolicyRequest reads it back.
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
	if _, err := a.policiesAfter(&tenant, &req); err != nil {
		refuse(c, http.StatusBadRequest, err.Error())
		return
	}
	a.answer(c, cache.Key{Kind: cache.Policies, Tenant: tenant, Query: a.pageKey(req.list(), req.cursor)}, a.loadPolicies)
}

// pageKey is the key of a page. It ends with that of the cursors: a page whose cursor was signed with another one is
// another page.
func (a *API) pageKey(list, cursor string) string {
	return string(appendParameter([]byte(list), "cursor", cursor)) + "#" + a.cursors.keyID
}

// pageQuery is the query string in a page's key.
func (a *API) pageQuery(key cache.Key) string {
	query, _, _ := strings.Cut(key.Query, "#"+a.cursors.keyID)
	return query
}

func (a *API) policiesAfter(tenant *store.ID, req *policyRequest) (*store.Position, error) {
	if req.cursor == "" {
		return nil, nil
	}
	place, err := a.cursors.readPlace(req.cursor, tenant, policiesPath+req.list(), 24)
	if err != nil {
		return nil, err
	}
	return &store.Position{UpdatedAt: bigEndian(place), ID: store.ID(place[8:])}, nil
}

func (a *API) readPolicies(ctx context.Context, key cache.Key, after store.LSN) ([]byte, error) {
	req, err := parsePolicyRequest(a.pageQuery(key))
	if err != nil {
		return nil, err
	}
	position, err := a.policiesAfter(&key.Tenant, &req)
	if err != nil {
		return nil, err
	}
	body := append(make([]byte, 0, listBuffer+req.limit*policyBuffer), `{"data":`...)
	body, next, err := a.store.AppendPolicies(ctx, body, store.PolicyQuery{
		Tenant: key.Tenant, Filter: req.filter, After: position, Limit: req.limit,
	}, after)
	if err != nil {
		return nil, err
	}
	var place []byte
	if next != nil {
		place = timePlace(next.UpdatedAt, next.ID[:])
	}
	return a.appendPagination(body, req.limit, &key.Tenant, policiesPath+req.list(), place), nil
}

func (a *API) getPolicy(c *gin.Context) {
	tenant, ok := asked(c, func(query string) error {
		return eachParameter(query, func(string, string) error { return errors.New("a single policy takes no query parameters") })
	})
	if !ok {
		return
	}
	id, err := parseUUID(c.Param("id"))
	if err != nil {
		refuse(c, http.StatusBadRequest, "The policy id: "+err.Error())
		return
	}
	a.answer(c, cache.Key{Kind: cache.Policy, Tenant: tenant, ID: id}, a.loadPolicy)
}

func (a *API) readPolicy(ctx context.Context, key cache.Key, after store.LSN) ([]byte, error) {
	body, err := a.store.AppendPolicy(ctx, make([]byte, 0, policyBuffer), key.Tenant, key.ID, after)
	if errors.Is(err, store.ErrNotFound) {
		return nil, cache.ErrNotFound
	}
	return body, err
}

func (a *API) createPolicy(c *gin.Context) {
	tenant, policy, ok := readPolicyBody(c)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(c.Request.Context(), a.timeout)
	defer cancel()
	body, id, committed, err := a.store.CreatePolicy(ctx, nil, tenant, &policy)
	if err != nil {
		a.refusePolicyChange(c, err, tenant, id)
		return
	}
	a.invalidate(ctx, committed, policyScopes(tenant, id)...)
	c.Writer.Header()["Location"] = []string{policiesPath + "/" + formatUUID(id)}
	sendResource(c, http.StatusCreated, body)
}

func (a *API) replacePolicy(c *gin.Context) {
	tenant, policy, ok := readPolicyBody(c)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(c.Request.Context(), a.timeout)
	defer cancel()
	id, version, ok := a.changedPolicy(ctx, c, tenant)
	if !ok {
		return
	}
	body, committed, err := a.store.ReplacePolicy(ctx, nil, tenant, id, version, &policy)
	if err != nil {
		a.refusePolicyChange(c, err, tenant, id)
		return
	}
	a.invalidate(ctx, committed, policyScopes(tenant, id)...)
	sendResource(c, http.StatusOK, body)
}

func (a *API) deletePolicy(c *gin.Context) {
	tenant, ok := asked(c, func(string) error { return nil })
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(c.Request.Context(), a.timeout)
	defer cancel()
	id, version, ok := a.changedPolicy(ctx, c, tenant)
	if !ok {
		return
	}
	committed, err := a.store.DeletePolicy(ctx, tenant, id, version)
	if err != nil {
		a.refusePolicyChange(c, err, tenant, id)
		return
	}
	a.invalidate(ctx, committed, policyScopes(tenant, id)...)
	c.Writer.WriteHeader(http.StatusNoContent)
}

// policyScopes is what a change of a policy makes old.
func policyScopes(tenant, id store.ID) []cache.Scope {
	return []cache.Scope{{Tenant: tenant, Kind: cache.Policy, ID: id}, {Tenant: tenant, Kind: cache.Policies}}
}

// changedPolicy returns which policy a request is about, and the version that its If-Match allows to be changed. When it
// cannot, it has answered.
func (a *API) changedPolicy(ctx context.Context, c *gin.Context, tenant store.ID) (id store.ID, version int, ok bool) {
	id, err := parseUUID(c.Param("id"))
	if err != nil {
		refuse(c, http.StatusBadRequest, "The policy id: "+err.Error())
		return id, 0, false
	}
	tags, err := ifMatch(c.Request)
	switch {
	case err != nil:
		refuse(c, http.StatusBadRequest, err.Error())
		return id, 0, false
	case tags == nil:
		return id, store.AnyVersion, true
	}
	const everything = ^store.LSN(0) // which no replica has: the primary answers
	present, err := a.store.AppendPolicy(ctx, nil, tenant, id, everything)
	if err == nil {
		version, err = policyVersion(present, tags)
	}
	if err != nil {
		a.refusePolicyChange(c, err, tenant, id)
		return id, 0, false
	}
	return id, version, true
}

// policyVersion returns the version of a policy if one of the tags is its own: see matching.
func policyVersion(present []byte, tags []string) (int, error) {
	var policy struct{ Version int }
	if err := json.Unmarshal(present, &policy); err != nil {
		return 0, err
	}
	etag, byVersion := cache.ETag(present), strconv.Quote(strconv.Itoa(policy.Version))
	for _, tag := range tags {
		if tag == etag || tag == byVersion {
			return policy.Version, nil
		}
	}
	return 0, store.ErrVersion
}

// refusePolicyChange answers for a change that was not made.
func (a *API) refusePolicyChange(c *gin.Context, err error, tenant, id store.ID) {
	var invalid *store.ValidationError
	switch {
	case errors.As(err, &invalid):
		refuseFields(c, nothingChanged, faultsOfOne(invalid.Faults))
	case errors.Is(err, store.ErrNotFound):
		refuse(c, http.StatusNotFound, nothingThere[cache.Policy])
	case errors.Is(err, store.ErrConflict):
		refuse(c, http.StatusConflict, "This tenant has another policy with this name.")
	case errors.Is(err, store.ErrVersion):
		refuse(c, http.StatusPreconditionFailed, "The policy is not the one that If-Match names: it has been changed meanwhile. "+
			"Read it again, and decide whether your change still holds.")
	default:
		// It may have been made without our having heard of it.
		a.invalidateUnsure(c.Request.Context(), policyScopes(tenant, id)...)
		a.fail(c, err)
	}
}

// readPolicyBody reads a request whose body is one policy. When it cannot, it has answered.
func readPolicyBody(c *gin.Context) (tenant store.ID, policy store.NewPolicy, ok bool) {
	tenant, ok = asked(c, func(string) error { return nil })
	if !ok {
		return tenant, policy, false
	}
	body, ok := readBody(c)
	if !ok {
		return tenant, policy, false
	}
	if err := decodeStrictly(body, &policy); err != nil {
		if field := fieldOf(err); field != "" {
			refuseFields(c, nothingChanged, []fieldError{{Field: field, Message: err.Error()}})
		} else {
			refuse(c, http.StatusBadRequest, "The body must be a policy as a JSON object: "+err.Error())
		}
		return tenant, policy, false
	}
	return tenant, policy, true
}
