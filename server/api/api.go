// Package api is the HTTP interface: what is known of a tenant's resources, read through the cache and changed in the
// store, and what an operator needs beside it.
package api

import (
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/policycortex/headroom/server/auth"
	"github.com/policycortex/headroom/server/cache"
	"github.com/policycortex/headroom/server/middleware"
	"github.com/policycortex/headroom/server/store"
	"github.com/policycortex/headroom/server/tracing"
)

// maxBody is the largest request body in bytes.
const maxBody = 1 << 20

// Options say what an API is made of.
type Options struct {
	// Store and Cache stay the caller's to close.
	Store  *store.Store
	Cache  *cache.Cache
	Logger *slog.Logger
	// Timeout bounds what a request may take beneath the API; 0 is 30 seconds.
	Timeout time.Duration
	// ReadyWhenWarm makes /readyz wait until the cache has been warmed.
	ReadyWhenWarm bool
	// EdgeTTL is how long a cache between this server and its clients may serve an answer, in whole seconds; 0 forbids it.
	EdgeTTL time.Duration
	// CursorKey signs the cursors of lists. Servers that share it take each other's. Without one, every process makes up
	// its own, and a client that continues a list at another process, or after a restart, must begin again.
	CursorKey []byte
	// SlowRequest is from how long on a request is logged; 0 is never.
	SlowRequest time.Duration
	// MaxUnderWay is how many requests may be under way before others are refused; 0 is any number.
	MaxUnderWay int
	// Rate is what each client may ask for; the zero one is any rate. With SharedLimit, which must be made of the same
	// rate and stays the caller's to close, several servers count together.
	Rate        middleware.Rate
	SharedLimit *middleware.SharedLimiter
	// Verifier says by their bearer tokens on whose behalf requests are. Without one it is who their headers say.
	Verifier *auth.Verifier
	// TrustedProxies are the addresses, or networks in CIDR notation, of proxies whose X-Forwarded-For is believed.
	TrustedProxies []string
	// Tracer records chosen requests; it may be nil.
	Tracer *tracing.Tracer
}

const defaultTimeout = 30 * time.Second

// API serves requests. It is safe for concurrent use.
type API struct {
	store    *store.Store
	cache    *cache.Cache
	cursors  *cursorSigner
	logger   *slog.Logger
	engine   *gin.Engine
	metrics  *metrics
	timeout  time.Duration
	draining atomic.Bool
	verifier *auth.Verifier // nil: whoever names a tenant is taken for it

	readyWhenWarm bool

	cacheControl []string // of what may be kept
	shared       bool     // by caches that serve several clients, too

	// Bound once: a method value made for every request would be an allocation for every request.
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

// New makes an API. It panics when a trusted proxy is none.
func New(o Options) *API {
	gin.SetMode(gin.ReleaseMode)
	a := &API{
		store: o.Store, cache: o.Cache, logger: o.Logger, engine: gin.New(),
		readyWhenWarm: o.ReadyWhenWarm, verifier: o.Verifier,
		timeout: o.Timeout, cacheControl: cacheControl(o.EdgeTTL), shared: o.EdgeTTL >= time.Second, cursors: newCursorSigner(o.CursorKey),
	}
	if a.timeout == 0 {
		a.timeout = defaultTimeout
	}
	a.metrics = newMetrics(o.Store, o.Cache)
	p := newPipeline(o, a.metrics)
	e := a.engine
	e.HandleMethodNotAllowed = true
	e.RedirectTrailingSlash = false
	e.RemoteIPHeaders = []string{"X-Forwarded-For"}               // others may come from the client, through a proxy that does not know them
	if err := e.SetTrustedProxies(o.TrustedProxies); err != nil { // Gin's default is to trust everybody
		panic("api: trusted proxies: " + err.Error())
	}
	e.NoRoute(p.wrap("unknown", false, noRoute))
	e.NoMethod(p.wrap("unknown", false, noMethod))
	add := func(method, path string, handler gin.HandlerFunc) {
		e.Handle(method, path, handler)
		if method == http.MethodGet { // net/http sends no body in answer to HEAD (RFC 9110, section 9.3.2)
			e.Handle(http.MethodHead, path, handler)
		}
	}
	handle := func(method, path string, handler gin.HandlerFunc) {
		add(method, path, p.wrap(path, false, handler))
	}
	a.resourceRoutes(handle)
	a.policyRoutes(handle)
	a.evaluationRoutes(handle)
	a.complianceRoutes(handle)
	a.costRoutes(handle)
	a.eventRoutes(handle)
	a.cacheRoutes(handle)
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
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.engine.ServeHTTP(w, r) }

// Drain makes /readyz say that this server takes no more work. Requests are still answered.
func (a *API) Drain() { a.draining.Store(true) }
