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

// pipeline is the middleware. It is one function rather than a chain of Gin handlers, because each link would cost
// every request something. Each part is a separate type and may be nil. The order is:
//
//  1. recovery, measurement and log: around everything, so that no response is missed
//  2. the request id: everything that is logged from here on can be found by it
//  3. traces: what follows is within the span if the request is sampled
//  4. load shedding: an overloaded server spends nothing more on what it refuses
//  5. authentication: what follows is on behalf of the token's tenant
//  6. the rate limit: after the gate, because it may ask another server. A token seen for the first time also counts
//
// before 5
//  7. the body limit: before anything is read
//  8. the handler, with the time limit and the circuit breakers around the calls to the
//     database and the cache, so that a response from L1 pays for neither; and compression of complete responses
type pipeline struct {
	logger      *slog.Logger
	metrics     *metrics
	ids         *middleware.RequestIDs
	tracer      *tracing.Tracer
	gate        *middleware.Gate
	verifier    *auth.Verifier
	limiter     limiter
	proxied     bool // some proxies are trusted to name the client
	slowRequest time.Duration
	logShare    float64
}

// limiter is a rate limit, local or shared with other servers.
type limiter interface {
	Allow(ctx context.Context, client string, now time.Duration) middleware.Verdict
	Refused() uint64
}

// wrap makes the Gin handler of a route. Vital routes report the server's health and are never refused.
func (p *pipeline) wrap(route string, vital bool, handler gin.HandlerFunc) gin.HandlerFunc {
	measured := p.metrics.route(route)
	private := strings.HasPrefix(route, "/api/") || route == graphQLPath
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

// admit reports whether a request is admitted, and answers those that it refuses. Private routes require
// authentication.
func (p *pipeline) admit(c *gin.Context, x *exchange, private bool) bool {
	if p.gate != nil {
		x.inside = p.gate.Enter()
		if !x.inside {
			x.Header()["Retry-After"] = retryNext
			refuse(c, http.StatusServiceUnavailable,
				"The server is overloaded. Try again after the time in Retry-After.")
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
		refuse(c, http.StatusTooManyRequests,
			"This client has exceeded its rate limit. Try again after the time in Retry-After.")
	}
	return v.Allowed
}

// retryNext is the Retry-After of short conditions, in seconds.
var retryNext = []string{"1"}

// clientOf returns the client whose rate limit counts: the tenant, which was authenticated here or in front of this
// server, or else the address. An invalid tenant does not count, because it could be a new client each time.
func (p *pipeline) clientOf(c *gin.Context) string {
	if tenant := c.Request.Header["X-Tenant-Id"]; len(tenant) == 1 && len(tenant[0]) == 36 &&
		uuid.Validate(tenant[0]) == nil {
		return strings.ToLower(tenant[0]) // a UUID may be written in either case
	}
	return p.address(c)
}

// address returns the client's address: the peer, or the address that a trusted proxy forwards.
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

// identify sets the id of the request and its response: the client's, if valid, or a new one.
func (p *pipeline) identify(r *http.Request, x *exchange) {
	if came := r.Header["X-Request-Id"]; len(came) == 1 && middleware.SaneRequestID(came[0]) {
		x.requestID = came
	} else {
		x.requestID = x.headerValue(p.ids.Append(x.space()))
	}
	x.Header()["X-Request-Id"] = x.requestID
}

// wantsPerformance reports whether the client wants timings in the body: by performance=true, which is removed from the
// query, or by the header Prefer: performance (RFC 7240).
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
		return false // part of another parameter
	}
	r.URL.RawQuery = strings.TrimSuffix(before, "&") + after
	if before == "" {
		r.URL.RawQuery = strings.TrimPrefix(after, "&")
	}
	return true
}

// finish is deferred. It turns a panic into a response, and measures the request.
func (p *pipeline) finish(c *gin.Context, x *exchange) {
	raised := recover()
	p.leave(x)
	if raised != nil {
		p.recovered(c, x, raised)
	}
	p.measure(c, x)
}

// leave gives up a request's place among those under way.
func (p *pipeline) leave(x *exchange) {
	if x.inside {
		x.inside = false
		p.gate.Leave()
	}
}

// measure records a request and logs it, once.
func (p *pipeline) measure(c *gin.Context, x *exchange) {
	if x.measured {
		return
	}
	x.measured = true
	took, status := now()-x.began, x.Status()
	x.route.record(status, took)
	if x.span != nil {
		if x.lookedUp {
			x.span.SetAttributes(attribute.String("headroom.cache.level", x.level.String()))
		}
		tracing.End(x.span, status, x.id())
	}
	switch {
	case p.slowRequest > 0 && took >= p.slowRequest:
		p.log(c, x, slog.LevelWarn, "slow request", status, took)
	case p.logs(status):
		p.log(c, x, slog.LevelInfo, "request", status, took)
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
		panic(raised) // net/http's signal to drop the connection
	}
	p.logger.Error("a handler panicked", "id", x.id(), "method", c.Request.Method, "path", c.Request.URL.Path, "panic",
		raised, "stack", string(debug.Stack()))
	c.Abort()
	if !x.Written() {
		// they describe the response that is replaced
		for _, about := range []string{"Content-Encoding", "Etag", "Retry-After", "X-Cache"} {
			x.Header().Del(about)
		}
		refuse(c, http.StatusInternalServerError, "Internal error. The server's log has the cause.")
	}
}
