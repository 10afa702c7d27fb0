package api

import (
	"net/http"

	"github.com/gin-gonic/gin"
)

// Routes lists what the engine serves.
func (a *API) Routes() gin.RoutesInfo { return a.engine.Routes() }

// ServeDescription serves the description without an API.
func ServeDescription(w http.ResponseWriter, r *http.Request) {
	description := newOpenAPI()
	e := gin.New()
	e.GET("/openapi.json", description.describe)
	e.ServeHTTP(w, r)
}
