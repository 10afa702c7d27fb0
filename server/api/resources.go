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

// Header values are made once and shared: net/http only reads them. What a tenant is shown must not be kept by a proxy
// that does not know about tenants, hence no-store.
var (
	jsonContentType = []string{"application/json"}
	noStore         = []string{"no-store"}
	cacheLevels     = [...][]string{cache.L1: {"l1"}, cache.L2: {"l2"}, cache.L3: {"l3"}, cache.Miss: {"miss"}}
)

// Sizes of the first buffer for an answer: a little more than a usual resource takes.
const (
	resourceBuffer = 1536
	listBuffer     = 128
)

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

// answer sends what the cache has under key.
func (a *API) answer(c *gin.Context, key cache.Key, load cache.LoadFunc) {
	entry, level, err := a.cache.Get(c.Request.Context(), key, load)
	header := c.Writer.Header()
	header["X-Cache"] = cacheLevels[level]
	switch {
	case err == nil:
		header["Content-Type"] = jsonContentType
		header["Cache-Control"] = noStore
		header["Content-Length"] = entry.ContentLength
		c.Writer.WriteHeader(http.StatusOK)
		c.Writer.Write(entry.Body) // an error here means that the client has gone
	case errors.Is(err, cache.ErrNotFound):
		refuse(c, http.StatusNotFound, "This tenant has no resource with this id.")
	default:
		a.fail(c, err)
	}
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
