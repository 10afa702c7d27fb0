package api

import (
	"net/http"

	"github.com/gin-gonic/gin"
)

// Routes lists what the engine serves.
func (a *API) Routes() gin.RoutesInfo { return a.engine.Routes() }

// CursorKeyID is what the keys of pages end with.
func (a *API) CursorKeyID() string { return a.cursors.keyID }

// ServeDescription serves the description without an API, of a server that authenticates requests or one that does not.
func ServeDescription(w http.ResponseWriter, r *http.Request, authenticated bool) {
	description := newOpenAPI(authenticated)
	e := gin.New()
	e.GET("/openapi.json", description.describe)
	e.ServeHTTP(w, r)
}
