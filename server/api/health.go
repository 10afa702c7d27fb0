package api

import (
	"context"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/policycortex/headroom/server/cache/report"
)

// pingTimeout is how long /readyz waits for Postgres and the cache together.
const pingTimeout = 2 * time.Second

// healthz reports that the process is alive. It does not check dependencies, because a restart would not repair them.
func healthz(c *gin.Context) { sendJSON(c, http.StatusOK, map[string]string{"status": "alive"}) }

type readiness struct {
	Status   string `json:"status"` // "ready", "warming", "draining" or "not ready"
	Postgres string `json:"postgres"`
	Cache    string `json:"cache"`
	// Keys reports whether bearer tokens can be verified; omitted where keys are not fetched.
	Keys string `json:"keys,omitempty"`
	// Warming is the progress of warming the cache; omitted when it is not warmed.
	Warming *report.Warming `json:"warming,omitempty"`
}

// readyz reports whether this server should get requests: Postgres answers, the cache is warm if that is required, and
// the server is not shutting down. Without L2 the server is slower but ready.
func (a *API) readyz(c *gin.Context) {
	ctx, cancel := context.WithTimeout(c.Request.Context(), pingTimeout)
	defer cancel()
	answer := readiness{Status: "ready", Postgres: "ok", Cache: "ok", Warming: a.cache.Warming()}
	status := http.StatusOK
	if a.readyWhenWarm && (answer.Warming == nil || !answer.Warming.Done()) {
		answer.Status, status = "warming", http.StatusServiceUnavailable
	}
	if err := a.cache.Ping(ctx); err != nil {
		answer.Cache = "unreachable"
	}
	if err := a.store.Ping(ctx); err != nil {
		a.logger.Warn("not ready", "error", err)
		answer.Postgres = "unreachable"
		answer.Status, status = "not ready", http.StatusServiceUnavailable
	}
	if a.verifier != nil && a.verifier.Keys() != nil {
		answer.Keys = "ok"
		if !a.verifier.Keys().Known() {
			answer.Keys = "unknown"
			answer.Status, status = "not ready", http.StatusServiceUnavailable
		}
	}
	if a.draining.Load() {
		answer.Status, status = "draining", http.StatusServiceUnavailable
	}
	sendJSON(c, status, answer)
}
