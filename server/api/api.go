// Package api is the HTTP interface: resources of a tenant, read through the cache and inserted in batches, and what
// an operator needs beside them.
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

// requestTimeout bounds what a request may take in the database. Reads are bounded to the same by the cache.
const requestTimeout = 30 * time.Second

// maxBody is the largest request body in bytes.
const maxBody = 1 << 20

// API serves requests. It is safe for concurrent use.
type API struct {
	store    *store.Store
	cache    *cache.Cache
	logger   *slog.Logger
	engine   *gin.Engine
	draining atomic.Bool

	// Bound once: a method value made for every request would be an allocation for every request.
	loadResource  cache.LoadFunc
	loadResources cache.LoadFunc
}

// New makes an API over a store and a cache, which stay the caller's to close.
func New(s *store.Store, c *cache.Cache, logger *slog.Logger) *API {
	gin.SetMode(gin.ReleaseMode)
	a := &API{store: s, cache: c, logger: logger, engine: gin.New()}
	a.loadResource = a.readResource
	a.loadResources = a.readResources

	m := newMetrics(s, c)
	e := a.engine
	e.HandleMethodNotAllowed = true
	e.RedirectTrailingSlash = false
	e.NoRoute(a.observe(m, "unknown"), noRoute)
	e.NoMethod(a.observe(m, "unknown"), noMethod)
	handle := func(method, path string, handler gin.HandlerFunc) {
		e.Handle(method, path, a.observe(m, path), handler)
	}
	handle(http.MethodGet, "/api/v1/resources", a.listResources)
	handle(http.MethodGet, "/api/v1/resources/:id", a.getResource)
	handle(http.MethodPost, "/api/v1/resources/batch", a.insertResources)
	handle(http.MethodGet, "/healthz", healthz)
	handle(http.MethodGet, "/readyz", a.readyz)
	e.GET("/metrics", gin.WrapH(m.handler()))
	return a
}

// ServeHTTP implements http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.engine.ServeHTTP(w, r) }

// Drain makes /readyz say that this server takes no more work. Requests are still answered.
func (a *API) Drain() { a.draining.Store(true) }
