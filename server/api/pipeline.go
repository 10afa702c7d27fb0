package api

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
	"go.opentelemetry.io/otel/attribute"

	"github.com/policycortex/headroom/server/auth"
	"github.com/policycortex/headroom/server/middleware"
	"github.com/policycortex/headroom/server/tracing"
)

// pipeline is the middleware. It is one function and not a chain of Gin's, as each link would cost every request; each
// part is a type of its own and may be nil. In this order:
//
//  1. recovery, measurement and the log: around everything, so that nothing is answered unseen
//  2. the request's id: whatever is said about the request from here on can be found again
//  3. traces: chosen or not; what follows is within the span
//  4. load shedding: a server that has too much to do spends nothing more on what it refuses
//  5. authentication: what follows is on behalf of the token's tenant
//  6. the rate limit: after the gate, as it may ask another server. A token that has to be verified counts before that, too
//  7. the limit of the body: before anything is read
//  8. the handler, with what acts where the work is: the time limit and the circuit breakers around the calls to the
//     database and the cache, so that an answer from L1 pays for neither; compression where the whole answer is known
type pipeline struct {
	logger      *slog.Logger
	metrics     *metrics
	ids         *middleware.RequestIDs
	tracer      *tracing.Tracer
	gate        *middleware.Gate
	verifier    *auth.Verifier
	limiter     limiter
	proxied     bool // some proxies are trusted to say whom they ask for
	slowRequest time.Duration
}

// limiter is a limit of rate: in this process, or shared with other servers.
type limiter interface {
	Allow(ctx context.Context, client string, now time.Duration) middleware.Verdict
	Refused() uint64
}

// wrap makes Gin's handler of a route. Vital routes tell an operator how the server is: they are never refused.
func (p *pipeline) wrap(route string, vital bool, handler gin.HandlerFunc) gin.HandlerFunc {
	measured := p.metrics.route(route)
	private := strings.HasPrefix(route, "/api/")
	return func(c *gin.Context) {
		x := &exchange{ResponseWriter: c.Writer, began: now(), route: measured}
		c.Writer = x
		defer p.finish(c, x)
		if p.ids != nil {
			p.identify(c.Request, x)
		}
		if p.tracer.Chooses(c.Request.Header) {
			var ctx context.Context
			ctx, x.span = p.tracer.Start(c.Request, route)
			c.Request = c.Request.WithContext(ctx)
			if p.proxied {
				x.span.SetAttributes(attribute.String("client.address", p.address(c)))
			}
		}
		if !vital && !p.admit(c, x, private) {
			return
		}
		if c.Request.ContentLength != 0 {
			c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, maxBody)
		}
		x.performance = wantsPerformance(c.Request)
		handler(c)
	}
}

// admit answers those that it refuses. Private routes are for those who are authenticated.
func (p *pipeline) admit(c *gin.Context, x *exchange, private bool) bool {
	if p.gate != nil {
		x.inside = p.gate.Enter()
		if !x.inside {
			x.Header()["Retry-After"] = retryNext
			refuse(c, http.StatusServiceUnavailable, "The server has more requests than it can answer. Try again after the time in Retry-After.")
			return false
		}
	}
	if p.verifier != nil && private && !p.authenticate(c, x) {
		return false
	}
	if p.limiter == nil {
		return true
	}
	return p.limit(c, x, p.clientOf(c))
}

// limit counts a request for a client.
func (p *pipeline) limit(c *gin.Context, x *exchange, client string) bool {
	v := p.limiter.Allow(c.Request.Context(), client, x.began)
	x.limitHeaders(v)
	if !v.Allowed {
		x.Header()["Retry-After"] = []string{strconv.FormatInt(max(ceilSeconds(v.RetryAfter), 1), 10)}
		refuse(c, http.StatusTooManyRequests, "This client sends more requests than it may. Try again after the time in Retry-After.")
	}
	return v.Allowed
}

// retryNext is for what may be over in a moment, in seconds.
var retryNext = []string{"1"}

// clientOf is whom the rate limit counts for: the tenant, which was authenticated here or in front of this server; without
// one, the address. A tenant that is none would be a new client each time.
func (p *pipeline) clientOf(c *gin.Context) string {
	if tenant := c.Request.Header["X-Tenant-Id"]; len(tenant) == 1 && len(tenant[0]) == 36 && uuid.Validate(tenant[0]) == nil {
		return strings.ToLower(tenant[0]) // a UUID may be written in either case
	}
	return p.address(c)
}

// address is that of the client: the peer, or whom a trusted proxy says that it asks for.
func (p *pipeline) address(c *gin.Context) string {
	if p.proxied {
		if address := c.ClientIP(); address != "" {
			return address
		}
	}
	host, _, err := net.SplitHostPort(c.Request.RemoteAddr)
	if err != nil {
		return c.Request.RemoteAddr
	}
	return host
}

// identify gives the request the id that it came with, or one of ours, and the answer the same.
func (p *pipeline) identify(r *http.Request, x *exchange) {
	if came := r.Header["X-Request-Id"]; len(came) == 1 && middleware.SaneRequestID(came[0]) {
		x.requestID = came
	} else {
		x.requestID = x.headerValue(p.ids.Append(x.space()))
	}
	x.Header()["X-Request-Id"] = x.requestID
}

// wantsPerformance says whether the client wants its timings in the body: by performance=true in the query, which is
// taken out of it, or by the header Prefer: performance (RFC 7240).
func wantsPerformance(r *http.Request) bool {
	if prefer, ok := r.Header["Prefer"]; ok {
		for _, preferences := range prefer {
			for preference := range strings.SplitSeq(preferences, ",") {
				if strings.EqualFold(strings.TrimSpace(preference), "performance") {
					return true
				}
			}
		}
	}
	const parameter = "performance=true"
	at := strings.Index(r.URL.RawQuery, parameter)
	if at < 0 {
		return false
	}
	before, after := r.URL.RawQuery[:at], r.URL.RawQuery[at+len(parameter):]
	if before != "" && before[len(before)-1] != '&' || after != "" && after[0] != '&' {
		return false // it is part of something else
	}
	r.URL.RawQuery = strings.TrimSuffix(before, "&") + after
	if before == "" {
		r.URL.RawQuery = strings.TrimPrefix(after, "&")
	}
	return true
}

// finish is deferred: it turns a panic into an answer, and measures.
func (p *pipeline) finish(c *gin.Context, x *exchange) {
	raised := recover()
	if x.inside {
		p.gate.Leave()
	}
	if raised != nil {
		p.recovered(c, x, raised)
	}
	took, status := now()-x.began, x.Status()
	x.route.record(status, took)
	if x.span != nil {
		if x.lookedUp {
			x.span.SetAttributes(attribute.String("headroom.cache.level", x.level.String()))
		}
		tracing.End(x.span, status, x.id())
		p.logger.Info("request", "id", x.id(), "trace", x.span.SpanContext().TraceID().String(), "method", c.Request.Method,
			"path", c.Request.URL.Path, "status", status, "took", took)
	}
	if p.slowRequest > 0 && took >= p.slowRequest {
		p.logger.Warn("slow request", "id", x.id(), "method", c.Request.Method, "path", c.Request.URL.Path, "status", status, "took", took)
	}
}

func (x *exchange) id() string {
	if x.requestID == nil {
		return ""
	}
	return x.requestID[0]
}

func (p *pipeline) recovered(c *gin.Context, x *exchange, raised any) {
	if err, ok := raised.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(raised) // net/http's own way to drop a connection
	}
	p.logger.Error("a handler panicked", "id", x.id(), "method", c.Request.Method, "path", c.Request.URL.Path, "panic", raised, "stack", string(debug.Stack()))
	c.Abort()
	if !x.Written() {
		for _, about := range []string{"Content-Encoding", "Etag", "Retry-After", "X-Cache"} { // an answer that there will not be
			x.Header().Del(about)
		}
		refuse(c, http.StatusInternalServerError, "The server could not do this. Its log says why.")
	}
}
