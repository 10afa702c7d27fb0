package api

import (
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/policycortex/headroom/server/cache/report"
	"github.com/policycortex/headroom/server/tuning"
)

const cacheReportPath = "/api/v1/cache/report"

func (a *API) cacheRoutes(handle handleFunc) {
	handle(http.MethodGet, cacheReportPath, a.cacheReport)
}

// reportWithTuning has what the tuning has changed in the cache, or advises, besides the cache's own report.
type reportWithTuning struct {
	report.Report
	Tuning []tuning.Action `json:"tuning"`
}

// Tuning makes the API show what the tuning does: in the metrics, and what concerns the cache in its report. Call it at
// most once, before the first request.
func (a *API) Tuning(metrics prometheus.Collector, ofCache func() []tuning.Action) {
	a.metrics.registry.MustRegister(metrics)
	a.tuning = ofCache
}

// RequestTotals returns the number of requests to the API since the start, and the time that they took together.
func (a *API) RequestTotals() (count int64, sum time.Duration) {
	for path, r := range a.metrics.routes {
		if !strings.HasPrefix(path, "/api/") {
			continue
		}
		n, took := r.durations.Total()
		count += n
		sum += took
	}
	return count, sum
}

// cacheReport sends the performance of this instance's cache: see report.Report. It concerns no tenant, so it needs
// none.
func (a *API) cacheReport(c *gin.Context) {
	if c.Request.URL.RawQuery != "" {
		refuse(c, http.StatusBadRequest, "The cache report takes no query parameters.")
		return
	}
	r := reportWithTuning{Report: a.cache.Report(), Tuning: []tuning.Action{}}
	if a.tuning != nil {
		r.Tuning = a.tuning()
	}
	sendJSON(c, http.StatusOK, r)
}
