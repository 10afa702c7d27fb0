package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/policycortex/headroom/server/cache"
	"github.com/policycortex/headroom/server/cache/codec"
	"github.com/policycortex/headroom/server/tracing"
)

// Header values are made once and shared: net/http only reads them.
var (
	jsonContentType = []string{"application/json"}
	noStore         = []string{"no-store"}
	gzipEncoding    = []string{"gzip"}
	// A shared cache must distinguish tenants and encodings and, where GraphQL answers, media types.
	vary        = []string{"X-Tenant-ID, Accept-Encoding"}
	varyDerived = []string{"X-Tenant-ID, Accept, Accept-Encoding"}
	cacheLevels = [...][]string{cache.L1: {"l1"}, cache.L2: {"l2"}, cache.L3: {"l3"}, cache.Miss: {"miss"}}
)

// maxRevalidate bounds how long the edge may serve an expired response while it fetches a new one, staleIfError how
// long it may while this server fails.
const (
	maxRevalidate = 30 * time.Second
	staleIfError  = 5 * time.Minute
)

// cacheControl is for responses that may be stored. The client always revalidates its copy by the ETag. A cache in
// front of this server may answer on its own for edgeTTL, and then for as long again while it fetches a new response.
func cacheControl(edgeTTL time.Duration) []string {
	if edgeTTL < time.Second {
		return []string{"private, no-cache"}
	}
	return []string{fmt.Sprintf("max-age=0, s-maxage=%d, stale-while-revalidate=%d, stale-if-error=%d",
		edgeTTL/time.Second, min(edgeTTL, maxRevalidate)/time.Second, staleIfError/time.Second)}
}

// nothingThere is the detail of a 404, by the kind of the key.
var nothingThere = [...]string{
	cache.Resource:    "This tenant has no resource with this id.",
	cache.Resources:   "This tenant has no such list of resources.",
	cache.Policy:      "This tenant has no policy with this id.",
	cache.Policies:    "This tenant has no such list of policies.",
	cache.Evaluations: "This tenant has no such evaluations.",
	cache.Compliance:  "This tenant has no summary of compliance.",
	cache.Costs:       "This tenant has no such costs.",
}

// answer sends the cached value of a key; load makes the value when no level has it. All cached values are sent here.
// Their headers and bodies are ready, so this function does not allocate.
func (a *API) answer(c *gin.Context, key cache.Key, load cache.LoadFunc) {
	ctx := c.Request.Context()
	x := exchangeOf(c)
	began := now()
	if x.span != nil {
		var span trace.Span
		ctx, span = tracing.Child(ctx, "cache get", attribute.String("headroom.cache.kind", key.Kind.String()))
		defer span.End()
	}
	entry, level, err := a.cache.Get(ctx, key, load)
	x.level, x.lookedUp, x.lookup = level, true, now()-began
	header := c.Writer.Header()
	header["X-Cache"] = cacheLevels[level]
	switch {
	case err == nil:
		a.sendEntry(c, x, &key, entry)
	case errors.Is(err, cache.ErrNotFound):
		refuse(c, http.StatusNotFound, nothingThere[key.Kind])
	default:
		a.fail(c, err)
	}
}

func (a *API) sendEntry(c *gin.Context, x *exchange, key *cache.Key, entry *cache.Entry) {
	if x.performance {
		sendWrapped(c, x, http.StatusOK, entry.Body)
		return
	}
	header := c.Writer.Header()
	header["Etag"] = entry.ETag
	header["Cache-Control"] = a.cacheControl
	if a.shared { // a private cache always revalidates by the ETag
		header["Vary"] = vary
		scope := key.Scope()
		header["Surrogate-Key"] = x.headerValue(scope.AppendName(x.space()))
	}
	asked := c.Request.Header
	if tags, ok := asked["If-None-Match"]; ok && tagMatches(tags, entry.ETag[0]) {
		c.Writer.WriteHeader(http.StatusNotModified)
		return
	}
	header["Content-Type"] = jsonContentType
	body, length := entry.Body, entry.ContentLength
	if entry.Gzip != nil && acceptsGzip(asked["Accept-Encoding"]) {
		body, length = entry.Gzip, entry.GzipLength
		a.metrics.storedGzip.Add(1)
		header["Content-Encoding"] = gzipEncoding
	}
	// Every header costs a third of a microsecond, and the ninth makes its map grow.
	if len(body) >= countedByServer || c.Request.Method == http.MethodHead {
		header["Content-Length"] = length
	}
	c.Writer.WriteHeader(http.StatusOK)
	writeBody(c.Writer, c.Request, body)
}

// countedByServer is the length from which net/http no longer sets a body's Content-Length itself, in bytes.
const countedByServer = 2048

// sendJSON sends what must not be stored: the outcome of a change, or the state of the server.
func sendJSON(c *gin.Context, status int, answer any) {
	body, err := json.Marshal(answer)
	if err != nil {
		panic("api: an answer cannot be written as JSON: " + err.Error())
	}
	sendBody(c, status, body)
}

// sendBody sends JSON that must not be stored, with timings if the client wants them.
func sendBody(c *gin.Context, status int, body []byte) {
	if x := exchangeOf(c); x != nil && x.performance {
		sendWrapped(c, x, status, body)
		return
	}
	sendAsIs(c, status, body)
}

// sendWrapped sends JSON together with the timings of this request, so it must not be stored.
func sendWrapped(c *gin.Context, x *exchange, status int, body []byte) {
	c.Writer.Header()["Preference-Applied"] = performanceApplied
	sendAsIs(c, status, x.wrapped(body))
}

var performanceApplied = []string{"performance"}

// sendAsIs sends JSON that must not be stored, compressed if it is large.
func sendAsIs(c *gin.Context, status int, body []byte) {
	header := c.Writer.Header()
	header["Content-Type"] = jsonContentType
	header["Cache-Control"] = noStore
	if len(body) > codec.CompressionThreshold && acceptsGzip(c.Request.Header["Accept-Encoding"]) {
		header["Content-Encoding"] = gzipEncoding
		body = codec.Gzip(body)
	}
	header["Content-Length"] = []string{strconv.Itoa(len(body))}
	c.Writer.WriteHeader(status)
	writeBody(c.Writer, c.Request, body)
}
