package api

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/policycortex/headroom/server/cache"
	"github.com/policycortex/headroom/server/store"
)

// Sizes of the first buffer for an answer: a little more than a usual resource takes.
const (
	resourceBuffer = 1536
	listBuffer     = 128
)

func (a *API) resourceRoutes(handle handleFunc) {
	a.loadResource = a.readResource
	a.loadResources = a.readResources
	handle(http.MethodGet, "/api/v1/resources", a.listResources)
	handle(http.MethodGet, "/api/v1/resources/:id", a.getResource)
	handle(http.MethodPost, "/api/v1/resources/batch", a.insertResources)
}

func (a *API) getResource(c *gin.Context) {
	tenant, err := tenantOf(c.Request)
	if err != nil {
		refuse(c, http.StatusBadRequest, err.Error())
		return
	}
	if c.Request.URL.RawQuery != "" {
		refuse(c, http.StatusBadRequest, "A single resource takes no query parameters.")
		return
	}
	id, err := parseUUID(c.Param("id"))
	if err != nil {
		refuse(c, http.StatusBadRequest, "The resource id: "+err.Error())
		return
	}
	a.answer(c, cache.Key{Kind: cache.Resource, Tenant: tenant, ID: id}, a.loadResource)
}

func (a *API) listResources(c *gin.Context) {
	tenant, err := tenantOf(c.Request)
	if err != nil {
		refuse(c, http.StatusBadRequest, err.Error())
		return
	}
	req, err := parseListRequest(c.Request.URL.RawQuery)
	if err != nil {
		refuse(c, http.StatusBadRequest, err.Error())
		return
	}
	a.answer(c, cache.Key{Kind: cache.Resources, Tenant: tenant, Query: req.canonical()}, a.loadResources)
}

func (a *API) readResource(ctx context.Context, key cache.Key, after store.LSN) ([]byte, error) {
	body, err := a.store.AppendResource(ctx, make([]byte, 0, resourceBuffer), key.Tenant, key.ID, after)
	if errors.Is(err, store.ErrNotFound) {
		return nil, cache.ErrNotFound
	}
	return body, err
}

// readResources takes the request from the key: it is the canonical query string.
func (a *API) readResources(ctx context.Context, key cache.Key, after store.LSN) ([]byte, error) {
	req, err := parseListRequest(key.Query)
	if err != nil {
		return nil, err
	}
	body := make([]byte, 0, listBuffer+req.limit*resourceBuffer)
	body = append(body, `{"data":`...)
	body, next, err := a.store.AppendResources(ctx, body, store.ListQuery{
		Tenant: key.Tenant, Filter: req.filter, After: req.after, Limit: req.limit,
	}, after)
	if err != nil {
		return nil, err
	}
	body = append(body, `,"pagination":{"limit":`...)
	body = strconv.AppendInt(body, int64(req.limit), 10)
	if next == nil {
		return append(body, `,"next_cursor":null,"has_next_page":false}}`...), nil
	}
	body = append(body, `,"next_cursor":"`...)
	body = appendCursor(body, *next)
	return append(body, `","has_next_page":true}}`...), nil
}
