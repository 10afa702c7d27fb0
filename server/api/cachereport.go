package api

import (
	"net/http"

	"github.com/gin-gonic/gin"
)

const cacheReportPath = "/api/v1/cache/report"

func (a *API) cacheRoutes(handle handleFunc) {
	handle(http.MethodGet, cacheReportPath, a.cacheReport)
}

// cacheReport sends what the cache of this instance knows of its performance: see report.Report. It names no tenant, so it
// asks for none.
func (a *API) cacheReport(c *gin.Context) {
	if c.Request.URL.RawQuery != "" {
		refuse(c, http.StatusBadRequest, "The cache report takes no query parameters.")
		return
	}
	sendJSON(c, http.StatusOK, a.cache.Report())
}
