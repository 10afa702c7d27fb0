package api

import (
	"context"
	"fmt"
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/policycortex/headroom/server/cache"
	"github.com/policycortex/headroom/server/store"
)

// Initial buffer sizes for a response, in bytes: slightly more than a typical resource.
const (
	resourceBuffer = 1536
	listBuffer     = 128
)

const resourcesPath = "/api/v1/resources"

func (a *API) resourceRoutes(handle handleFunc) {
	one := a.resources()
	a.loadResource = one.load
	a.loadResources = a.readResources
	handle(http.MethodGet, resourcesPath, a.listResources)
	handle(http.MethodPost, resourcesPath+"/batch", a.insertResources)
	one.routes(handle)
}

func (a *API) resources() *document[store.NewResource] {
	return &document[store.NewResource]{
		api: a, name: "resource", path: resourcesPath, item: cache.Resource, lists: cache.Resources,
		conflict: "This tenant has another resource with this azure_resource_id.",
		create:   a.store.CreateResource, replace: a.store.ReplaceResource, remove: a.store.DeleteResource,
		read: a.store.AppendResource, readFields: a.store.AppendResourceFields,
		version: store.ResourceVersion, buffer: resourceBuffer,
	}
}

func (a *API) listResources(c *gin.Context) {
	tenant, err := tenantOf(c.Request)
	if err != nil {
		refuse(c, http.StatusBadRequest, err.Error())
		return
	}
	req, err := parseListRequest(c.Request.URL.RawQuery)
	if err == nil {
		_, err = a.after(&tenant, &req)
	}
	if err != nil {
		refuse(c, http.StatusBadRequest, err.Error())
		return
	}
	a.answer(c, a.listKey(tenant, &req), a.loadResources)
}

// after returns the list position of the request's cursor, or nil without one.
func (a *API) after(tenant *store.ID, req *listRequest) (*store.ListPosition, error) {
	if req.cursor == "" {
		return nil, nil
	}
	var list [512]byte
	position, err := a.cursors.readCursor(req.cursor, tenant, req.appendList(list[:0]), req.order)
	if err != nil {
		return nil, fmt.Errorf("query parameter cursor: %w", err)
	}
	return &position, nil
}

// readResources derives the request from the key.
func (a *API) readResources(ctx context.Context, key cache.Key, after store.LSN) ([]byte, error) {
	req, err := parseListRequest(a.pageQuery(key))
	if err != nil {
		return nil, err
	}
	position, err := a.after(&key.Tenant, &req)
	if err != nil {
		return nil, err
	}
	body := make([]byte, 0, listBuffer+req.limit*resourceBuffer)
	body = append(body, `{"data":`...)
	body, next, err := a.store.AppendResources(ctx, body, store.ListQuery{
		Tenant: key.Tenant, Filter: req.filter, Order: req.order, Fields: req.fields, After: position,
		Skip: max(req.page-1, 0) * req.limit, Limit: req.limit,
	}, after)
	if err != nil {
		return nil, err
	}
	body = appendNumber(append(body, `,"pagination":{`...), `"limit":`, req.limit)
	if req.page > 0 {
		body = appendNumber(body, `,"page":`, req.page)
		body = append(body, `,"has_previous_page":`...)
		body = strconv.AppendBool(body, req.page > 1)
	}
	body, err = a.appendTotal(ctx, body, &key.Tenant, &req, after)
	if err != nil {
		return nil, err
	}
	if next == nil {
		return append(body, `,"next_cursor":null,"has_next_page":false}}`...), nil
	}
	body = append(body, `,"next_cursor":"`...)
	body = a.cursors.appendCursor(body, &key.Tenant, req.appendList(nil), req.order, next)
	return append(body, `","has_next_page":true}}`...), nil
}

// appendTotal appends the number of matching resources and how it was determined.
func (a *API) appendTotal(ctx context.Context, body []byte, tenant *store.ID, req *listRequest,
	after store.LSN,
) ([]byte, error) {
	var total store.Total
	var err error
	switch req.total {
	case noTotal:
		return body, nil
	case exactTotal:
		total, err = a.store.CountResources(ctx, *tenant, req.filter, after)
	case estimatedTotal:
		total, err = a.store.EstimateResources(ctx, *tenant, req.filter, after)
	}
	if err != nil {
		return body, err
	}
	kind := estimatedTotal
	if total.Exact {
		kind = exactTotal
	}
	items := int(total.Resources)
	body = appendNumber(body, `,"total_items":`, items)
	body = appendNumber(body, `,"total_pages":`, (items+req.limit-1)/req.limit)
	body = append(body, `,"total":"`...)
	body = append(body, totalNames[kind]...)
	return append(body, '"'), nil
}

// batchAnswer lists what was created and, by index, what failed.
type batchAnswer struct {
	Created []uuid.UUID   `json:"created"`
	Errors  []store.Fault `json:"errors"`
}

func (a *API) insertResources(c *gin.Context) {
	var inserted store.Inserted
	batch := batchChange[store.NewResource]{
		name: "resources", faults: store.ResourceFaults,
		store: func(ctx context.Context, tenant store.ID, resources []store.NewResource) (committed store.LSN,
			err error,
		) {
			inserted, committed, err = a.store.InsertResources(ctx, tenant, resources)
			return committed, err
		},
		scopes: func(tenant store.ID, _ []store.NewResource) []cache.Scope {
			return []cache.Scope{{Tenant: tenant, Kind: cache.Resources}}
		},
	}
	if _, ok := batch.apply(a, c); ok {
		sendInserted(c, inserted)
	}
}

func sendInserted(c *gin.Context, inserted store.Inserted) {
	answer := batchAnswer{
		Created: make([]uuid.UUID, len(inserted.Created)),
		Errors:  make([]store.Fault, len(inserted.Conflicts)),
	}
	for i, id := range inserted.Created {
		answer.Created[i] = id
	}
	for i, index := range inserted.Conflicts {
		answer.Errors[i] = store.Fault{Index: index, Message: "a resource with this azure_resource_id exists already"}
	}
	status := http.StatusCreated
	if len(inserted.Conflicts) > 0 {
		status = http.StatusMultiStatus
	}
	sendJSON(c, status, answer)
}
