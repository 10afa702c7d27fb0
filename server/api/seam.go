package api

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/policycortex/headroom/server/cache"
	"github.com/policycortex/headroom/server/cache/codec"
	"github.com/policycortex/headroom/server/store"
	"github.com/policycortex/headroom/server/tracing"
)

// This file is for handlers outside of this package that answer the same questions in another language: GraphQL.

// graphQLPath is private to a tenant, as everything below /api/ is.
const graphQLPath = "/graphql"

// Mount adds a route that is private to a tenant, with everything that the API does around its own: authentication,
// limits, measurement. Call it before the first request.
func (a *API) Mount(path string, handler gin.HandlerFunc, methods ...string) {
	for _, method := range methods {
		a.engine.Handle(method, path, a.pipeline.wrap(path, false, handler))
	}
}

// Register adds metrics to those that are served.
func (a *API) Register(collectors ...prometheus.Collector) {
	a.metrics.registry.MustRegister(collectors...)
}

// Tenant returns the tenant of a request. If ok is false, it has answered the request.
func Tenant(c *gin.Context) (tenant store.ID, ok bool) {
	tenant, err := tenantOf(c.Request)
	if err != nil {
		refuse(c, http.StatusBadRequest, err.Error())
	}
	return tenant, err == nil
}

// Body reads the body of a request. If ok is false, it has answered the request.
func Body(c *gin.Context) (body []byte, ok bool) { return readBody(c) }

// Refuse answers with a problem.
func Refuse(c *gin.Context, status int, detail string) { refuse(c, status, detail) }

// ParseID reads an id. An error is for the client.
func ParseID(text string) (store.ID, error) { return parseUUID(text) }

// Timeout is how long a request may take.
func (a *API) Timeout() time.Duration { return a.timeout }

// KeyOf returns the key of the value that REST answers with to the same query string. For a single object that is
// empty, and id is its id. An error is for the client, and names query parameters.
func (a *API) KeyOf(kind cache.Kind, tenant, id store.ID, query string) (key cache.Key, err error) {
	key = cache.Key{Kind: kind, Tenant: tenant, ID: id}
	switch kind {
	case cache.Resources:
		var req listRequest
		req, err = parseListRequest(query)
		if err == nil {
			_, err = a.after(&tenant, &req)
		}
		return a.listKey(tenant, &req), err
	case cache.Policies:
		var req policyRequest
		req, err = parsePolicyRequest(query)
		return a.placeKey(key, policiesPath, req.list(), req.cursor, policyPlace, err)
	case cache.Evaluations:
		var req evaluationRequest
		req, err = parseEvaluationRequest(query)
		return a.placeKey(key, evaluationsPath, req.list(), req.cursor, evaluationPlace, err)
	case cache.Compliance:
		var q store.ComplianceQuery
		q, err = parseComplianceQuery(query)
		key.Query = string(complianceQuery(&q))
	case cache.Costs:
		totals := id == store.ID{}
		if !totals {
			query += "&resource_id=" + formatUUID(id)
		}
		var req costRequest
		req, err = parseCostRequest(strings.TrimPrefix(query, "&"), totals)
		key.Query = string(appendParameter(req.canonical(), "period", periodOf(&req, totals)))
	}
	return key, err
}

func (a *API) placeKey(key cache.Key, path, list, cursor string, size int, err error) (cache.Key, error) {
	if err == nil {
		_, err = a.place(&key.Tenant, path, list, cursor, size)
	}
	key.Query = a.pageKey(list, cursor)
	return key, err
}

// Cursors returns what appends the cursor of an element of a list. field returns a field of the element.
func (a *API) Cursors(key cache.Key) func(dst []byte, field func(name string) string) []byte {
	query := a.pageQuery(key)
	switch key.Kind {
	case cache.Resources:
		req, _ := parseListRequest(query) // it is the query of a key
		list := req.appendList(nil)
		return func(dst []byte, field func(name string) string) []byte {
			id, _ := parseUUID(field("id"))
			at := store.ListPosition{ID: id}
			if req.order.ByName() {
				at.Name = field("name")
			} else {
				at.UpdatedAt = micros(field("updated_at"))
			}
			return a.cursors.appendCursor(dst, &key.Tenant, list, req.order, &at)
		}
	case cache.Policies:
		req, _ := parsePolicyRequest(query)
		list := policiesPath + req.list()
		return func(dst []byte, field func(name string) string) []byte {
			id, _ := parseUUID(field("id"))
			return a.cursors.appendPlace(dst, &key.Tenant, list, timePlace(micros(field("updated_at")), id[:]))
		}
	case cache.Evaluations:
		req, _ := parseEvaluationRequest(query)
		list := evaluationsPath + req.list()
		return func(dst []byte, field func(name string) string) []byte {
			return a.cursors.appendPlace(dst, &key.Tenant, list, evaluationPlaceOf(&req, field))
		}
	}
	return func(dst []byte, field func(name string) string) []byte { return append(dst, field("place")...) }
}

// evaluationPlaceOf is the place after an evaluation: in the history its time and number, and among the latest ones the
// id that was not asked for.
func evaluationPlaceOf(req *evaluationRequest, field func(name string) string) []byte {
	if !req.latest {
		number, _ := strconv.ParseInt(field("id"), 10, 64)
		return timePlace(micros(field("evaluated_at")), bigEndianOf(number))
	}
	name := "policy_id"
	if req.resource == nil {
		name = "resource_id"
	}
	id, _ := parseUUID(field(name))
	return id[:]
}

func micros(text string) int64 {
	at, _ := time.Parse(time.RFC3339Nano, text) // of our own answer
	return at.UnixMicro()
}

// Value returns the value of a key as REST answers it.
func (a *API) Value(ctx context.Context, key cache.Key) (*cache.Entry, cache.Level, error) {
	if tracing.Records(ctx) {
		var span trace.Span
		ctx, span = tracing.Child(ctx, "cache get", attribute.String("headroom.cache.kind", key.Kind.String()))
		defer span.End()
	}
	return a.cache.Get(ctx, key, a.Loader(key.Kind))
}

// Lookup is Value for the one value of a response, whose headers say where it came from.
func (a *API) Lookup(c *gin.Context, key cache.Key) (*cache.Entry, error) {
	x, began := exchangeOf(c), now()
	entry, level, err := a.Value(c.Request.Context(), key)
	x.level, x.lookedUp, x.lookup = level, true, now()-began
	c.Writer.Header()["X-Cache"] = cacheLevels[level]
	return entry, err
}

// Events returns what REST answers with to a query string about events. An error of the first kind is for the client.
func (a *API) Events(ctx context.Context, tenant store.ID, query string) (body []byte, refused, err error) {
	req, refused := parseEventRequest(query)
	if refused != nil {
		return nil, refused, nil
	}
	body, err = a.readEvents(ctx, tenant, &req)
	return body, nil, err
}

// SendDerived sends JSON that was made of the value of a key alone, and may be stored like that. Its media type may
// depend on what the client accepts.
func (a *API) SendDerived(c *gin.Context, key *cache.Key, contentType []string, body []byte) {
	x, header := exchangeOf(c), c.Writer.Header()
	tag := cache.ETag(body)
	header["Etag"], header["Cache-Control"] = []string{tag}, a.cacheControl
	if a.shared {
		header["Vary"] = varyDerived
		scope := key.Scope()
		header["Surrogate-Key"] = x.headerValue(scope.AppendName(x.space()))
	}
	tags, ok := c.Request.Header["If-None-Match"]
	if ok && tagMatches(tags, tag) {
		c.Writer.WriteHeader(http.StatusNotModified)
		return
	}
	sendDerived(c, http.StatusOK, contentType, body)
}

// SendFresh sends JSON that must not be stored.
func SendFresh(c *gin.Context, status int, contentType []string, body []byte) {
	c.Writer.Header()["Cache-Control"] = noStore
	sendDerived(c, status, contentType, body)
}

func sendDerived(c *gin.Context, status int, contentType []string, body []byte) {
	header := c.Writer.Header()
	header["Content-Type"] = contentType
	if len(body) > codec.CompressionThreshold && acceptsGzip(c.Request.Header["Accept-Encoding"]) {
		header["Content-Encoding"] = gzipEncoding
		body = codec.Gzip(body)
	}
	if len(body) >= countedByServer || c.Request.Method == http.MethodHead {
		header["Content-Length"] = []string{strconv.Itoa(len(body))}
	}
	c.Writer.WriteHeader(status)
	writeBody(c.Writer, c.Request, body)
}

// Performance returns the timings of a request as JSON, if its client wants them.
func Performance(c *gin.Context) []byte {
	x := exchangeOf(c)
	if !x.performance {
		return nil
	}
	c.Writer.Header()["Preference-Applied"] = performanceApplied
	return x.appendPerformance(nil)
}

// Failed returns what a client is told of an error that is not its fault, and logs the error.
func (a *API) Failed(c *gin.Context, err error) (status int, detail string) {
	if c.Request.Context().Err() != nil {
		return statusClientGone, "The client has left."
	}
	if errors.Is(err, store.ErrTooMany) {
		return http.StatusUnprocessableEntity, tooManyDetail
	}
	status, detail = failure(err)
	if status != http.StatusInternalServerError {
		c.Writer.Header()["Retry-After"] = retrySoon
	}
	a.logger.Error("request failed", "id", exchangeOf(c).id(), "method", c.Request.Method, "path", c.Request.URL.Path,
		"status", status, "error", err)
	return status, detail
}
