// Package api is the HTTP interface. It reads tenants' resources through the cache, changes them in the store, and
// serves what operators need.
package api

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/policycortex/headroom/server/auth"
	"github.com/policycortex/headroom/server/cache"
	"github.com/policycortex/headroom/server/edge"
	"github.com/policycortex/headroom/server/inference"
	"github.com/policycortex/headroom/server/middleware"
	"github.com/policycortex/headroom/server/policy"
	"github.com/policycortex/headroom/server/realtime"
	"github.com/policycortex/headroom/server/store"
	"github.com/policycortex/headroom/server/tracing"
	"github.com/policycortex/headroom/server/tuning"
)

// maxBody is the largest request body in bytes.
const maxBody = 1 << 20

// Options configure an API.
type Options struct {
	// Store and Cache are closed by the caller.
	Store  *store.Store
	Cache  *cache.Cache
	Logger *slog.Logger
	// Evaluator evaluates resources by the rules of policies, and is closed by the caller; nil makes one with the
	// default limits.
	Evaluator *policy.Evaluator
	// Hub delivers events to the streams, and is closed by the caller. Without one there are no streams.
	Hub *realtime.Hub
	// StreamHeartbeat is how often a stream without events is written to; 0 means 15 seconds. StreamWriteTimeout is how
	// long a subscriber may take to accept what is written to it, and is dropped after; 0 means 10 seconds.
	StreamHeartbeat, StreamWriteTimeout time.Duration
	// Timeout bounds the time that a request may spend in the store and the cache; 0 means 30 seconds.
	Timeout time.Duration
	// ReadyWhenWarm makes /readyz wait until the cache is warm.
	ReadyWhenWarm bool
	// EdgeTTL is how long a cache between this server and its clients may serve a response, in whole seconds; 0 forbids
	// it. Edges are those of these caches that are told what has changed; nil is none. They are closed by the caller.
	EdgeTTL time.Duration
	Edges   *edge.Edges
	// CursorKey signs the cursors of lists. Servers that share it accept each other's cursors. Without one, every
	// process makes its own key, and a client that continues a list at another process, or after a restart, has to
	// start over.
	CursorKey []byte
	// SlowRequest is the duration from which requests are logged; 0 means never.
	SlowRequest time.Duration
	// LogRequests is the share, 0 to 1, of the requests that are logged. If it is not 0, those that fail (5xx) all are.
	LogRequests float64
	// MaxUnderWay is the maximum number of concurrent requests; 0 means no limit.
	MaxUnderWay int
	// Rate limits each client; the zero value means no limit. SharedLimit, if set, shares the limit among several
	// servers. It must have the same rate and is closed by the caller.
	Rate        middleware.Rate
	SharedLimit *middleware.SharedLimiter
	// Verifier identifies the tenant of a request by its bearer token. Without one, the header X-Tenant-ID is trusted.
	Verifier *auth.Verifier
	// TrustedProxies are the addresses or networks (in CIDR notation) of proxies whose X-Forwarded-For names the
	// client.
	TrustedProxies []string
	// Explanations says where explanations of costs come from, and how many at once.
	Explanations inference.Options
	// Tracer records sampled requests; it may be nil.
	Tracer *tracing.Tracer
}

const defaultTimeout = 30 * time.Second

// API serves requests. It is safe for concurrent use.
type API struct {
	store     *store.Store
	cache     *cache.Cache
	hub       *realtime.Hub // nil without streams
	cursors   *cursorSigner
	logger    *slog.Logger
	engine    *gin.Engine
	metrics   *metrics
	evaluator *policy.Evaluator
	onePolicy *document[store.NewPolicy]
	pipeline  *pipeline
	timeout   time.Duration
	draining  atomic.Bool
	verifier  *auth.Verifier // nil: the header X-Tenant-ID is trusted

	heartbeat, streamTimeout time.Duration

	tuning func() []tuning.Action // of the cache; nil without

	// inference forecasts and explains costs.
	inference *inference.Engine

	readyWhenWarm bool

	cacheControl []string // for responses that may be stored
	shared       bool     // also by shared caches
	edges        *edge.Edges

	// Bound once: a method value made for each request would allocate.
	loadResource    cache.LoadFunc
	loadResources   cache.LoadFunc
	loadPolicy      cache.LoadFunc
	loadPolicies    cache.LoadFunc
	loadEvaluations cache.LoadFunc
	loadCompliance  cache.LoadFunc
	loadCosts       cache.LoadFunc
}

// handleFunc adds a route, within the middleware.
type handleFunc func(method, path string, handler gin.HandlerFunc)

// New makes an API. It panics when a trusted proxy is not an address or network.
func New(o Options) *API {
	gin.SetMode(gin.ReleaseMode)
	a := &API{
		store: o.Store, cache: o.Cache, logger: o.Logger, engine: gin.New(), evaluator: evaluatorOf(o),
		readyWhenWarm: o.ReadyWhenWarm, verifier: o.Verifier,
		timeout: o.Timeout, cacheControl: cacheControl(o.EdgeTTL), shared: o.EdgeTTL >= time.Second,
		edges:   o.Edges,
		cursors: newCursorSigner(o.CursorKey), hub: o.Hub,
		heartbeat:     cmp.Or(o.StreamHeartbeat, defaultHeartbeat),
		streamTimeout: cmp.Or(o.StreamWriteTimeout, defaultStreamWriteTimeout),
	}
	if a.timeout == 0 {
		a.timeout = defaultTimeout
	}
	a.metrics = newMetrics(o.Store, o.Cache, o.SharedLimit)
	a.metrics.registerEdges(o.Edges)
	a.metrics.policies = newPolicyMetrics(a.metrics.registry, a.evaluator)
	o.Explanations.Store, o.Explanations.Logger = o.Store, o.Logger
	a.inference = inference.New(o.Explanations, a.metrics.registry)
	a.pipeline = newPipeline(o, a.metrics)
	p := a.pipeline
	e := a.engine
	e.HandleMethodNotAllowed = true
	e.RedirectTrailingSlash = false
	// a proxy may forward other headers from the client unchanged
	e.RemoteIPHeaders = []string{"X-Forwarded-For"}
	if err := e.SetTrustedProxies(o.TrustedProxies); err != nil { // by default Gin trusts every proxy
		panic("api: trusted proxies: " + err.Error())
	}
	e.NoRoute(p.wrap("unknown", false, noRoute))
	e.NoMethod(p.wrap("unknown", false, noMethod))
	add := func(method, path string, handler gin.HandlerFunc) {
		e.Handle(method, path, handler)
		if method == http.MethodGet { // net/http sends no body in response to HEAD (RFC 9110, section 9.3.2)
			e.Handle(http.MethodHead, path, handler)
		}
	}
	handle := func(method, path string, handler gin.HandlerFunc) {
		add(method, path, p.wrap(path, false, handler))
	}
	a.resourceRoutes(handle)
	a.policyRoutes(handle)
	a.ruleRoutes(handle)
	a.evaluationRoutes(handle)
	a.complianceRoutes(handle)
	a.costRoutes(handle)
	a.eventRoutes(handle)
	a.cacheRoutes(handle)
	if o.Hub != nil {
		a.metrics.streams = newStreamMetrics(a.metrics.registry, o.Hub)
		a.streamRoutes(handle)
	}
	description := newOpenAPI(o.Verifier != nil)
	handle(http.MethodGet, "/openapi.json", description.describe)
	vital := func(path string, handler gin.HandlerFunc) { add(http.MethodGet, path, p.wrap(path, true, handler)) }
	vital("/healthz", healthz)
	vital("/readyz", a.readyz)
	add(http.MethodGet, "/metrics", gin.WrapH(a.metrics.handler()))
	return a
}

func newPipeline(o Options, m *metrics) *pipeline {
	p := &pipeline{
		logger: o.Logger, metrics: m, ids: middleware.NewRequestIDs(), tracer: o.Tracer, slowRequest: o.SlowRequest,
		logShare: o.LogRequests,
		verifier: o.Verifier, proxied: len(o.TrustedProxies) > 0,
	}
	if o.MaxUnderWay > 0 {
		p.gate = middleware.NewGate(o.MaxUnderWay)
	}
	if o.SharedLimit != nil {
		p.limiter = o.SharedLimit
	} else if o.Rate.PerSecond > 0 {
		p.limiter = middleware.NewLimiter(o.Rate)
	}
	m.registerPipeline(p)
	return p
}

// ServeHTTP implements http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if a.draining.Load() {
		w.Header()["Connection"] = closing
	}
	a.engine.ServeHTTP(w, r)
}

// closing ends a connection after the answer.
var closing = []string{"close"}

// Drain makes /readyz report that this server is shutting down. It still answers requests, each as the last one of its
// connection, so that a client whose connections are kept opens its next ones elsewhere.
func (a *API) Drain() { a.draining.Store(true) }

// EndStreams ends all streams, with a word where and when to continue, and refuses further ones.
func (a *API) EndStreams() {
	if a.hub != nil {
		a.hub.Drain()
	}
}

// WaitForStreams waits until the streams have ended after EndStreams, or ctx is done. (An HTTP server that is shut down
// waits for them too, but not for WebSockets.)
func (a *API) WaitForStreams(ctx context.Context) error {
	if a.hub == nil {
		return nil
	}
	return a.hub.Wait(ctx)
}
