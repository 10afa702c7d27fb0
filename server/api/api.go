// Package api is the HTTP interface: what is known of a tenant's resources, read through the cache and changed in the
// store, and what an operator needs beside it.
package api

import (
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/policycortex/headroom/server/cache"
	"github.com/policycortex/headroom/server/store"
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
	// EdgeTTL is how long a cache between this server and its clients may serve an answer, in whole seconds; 0 forbids it.
	EdgeTTL time.Duration
	// CursorKey signs the cursors of lists. Servers that share it take each other's. Without one, every process makes up
	// its own, and a client that continues a list at another process, or after a restart, must begin again.
	CursorKey []byte
}

const defaultTimeout = 30 * time.Second

// API serves requests. It is safe for concurrent use.
type API struct {
	store    *store.Store
	cache    *cache.Cache
	cursors  *cursorSigner
	logger   *slog.Logger
	engine   *gin.Engine
	timeout  time.Duration
	draining atomic.Bool

	cacheControl []string // of what may be kept

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

// New makes an API.
func New(o Options) *API {
	gin.SetMode(gin.ReleaseMode)
	a := &API{
		store: o.Store, cache: o.Cache, logger: o.Logger, engine: gin.New(),
		timeout: o.Timeout, cacheControl: cacheControl(o.EdgeTTL), cursors: newCursorSigner(o.CursorKey),
	}
	if a.timeout == 0 {
		a.timeout = defaultTimeout
	}
	m := newMetrics(o.Store, o.Cache)
	e := a.engine
	e.HandleMethodNotAllowed = true
	e.RedirectTrailingSlash = false
	e.NoRoute(a.observe(m, "unknown"), noRoute)
	e.NoMethod(a.observe(m, "unknown"), noMethod)
	handle := func(method, path string, handler gin.HandlerFunc) {
		e.Handle(method, path, a.observe(m, path), handler)
	}
	a.resourceRoutes(handle)
	a.policyRoutes(handle)
	a.evaluationRoutes(handle)
	a.complianceRoutes(handle)
	a.costRoutes(handle)
	a.eventRoutes(handle)
	handle(http.MethodGet, "/healthz", healthz)
	handle(http.MethodGet, "/readyz", a.readyz)
	description := newOpenAPI()
	handle(http.MethodGet, "/openapi.json", description.describe)
	e.GET("/metrics", gin.WrapH(m.handler()))
	return a
}

// ServeHTTP implements http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.engine.ServeHTTP(w, r) }

// Drain makes /readyz say that this server takes no more work. Requests are still answered.
func (a *API) Drain() { a.draining.Store(true) }
