package api

import (
	"net/http"

	"github.com/gin-gonic/gin"
)

const cacheReportPath = "/api/v1/cache/report"

func (a *API) cacheRoutes(handle handleFunc) {
	handle(http.MethodGet, cacheReportPath, a.cacheReport)
}

// cacheReport sends the performance of this instance's cache: see report.Report. It concerns no tenant, so it needs
// none.
func (a *API) cacheReport(c *gin.Context) {
	if c.Request.URL.RawQuery != "" {
		refuse(c, http.StatusBadRequest, "The cache report takes no query parameters.")
		return
	}
	sendJSON(c, http.StatusOK, a.cache.Report())
}
