package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/policycortex/headroom/server/cache"
	"github.com/policycortex/headroom/server/store"
)

// changing returns the context of a change. It does not end when the client leaves, because Postgres may be committing
// then, and only after the commit can the invalidation be final.
func (a *API) changing(c *gin.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(c.Request.Context()), a.timeout)
}

// invalidate is called after a change has been committed and before it is acknowledged.
func (a *API) invalidate(ctx context.Context, committed store.LSN, scopes ...cache.Scope) {
	a.tellStreams(scopes)
	// The change is made, whether or not its client still waits for the response.
	if err := a.cache.Invalidate(context.WithoutCancel(ctx), committed, scopes...); err != nil {
		a.logger.Warn("another instance may serve values from before a change", "error", err)
	}
	a.invalidateEdges(ctx, scopes)
}

// invalidateInDoubt is called after a failed change, which may have been committed nevertheless.
func (a *API) invalidateInDoubt(ctx context.Context, scopes ...cache.Scope) {
	a.tellStreams(scopes)
	if err := a.cache.InvalidateInDoubt(context.WithoutCancel(ctx), scopes...); err != nil {
		a.logger.Warn("values from before a failed change may be served for now", "error", err)
	}
	a.invalidateEdges(ctx, scopes)
}

// invalidateEdges comes after the invalidation behind the edges, from where they fill up again. An edge that does not
// answer is logged where that is found out, and the change is made whatever it does.
func (a *API) invalidateEdges(ctx context.Context, scopes []cache.Scope) {
	_ = a.edges.Invalidate(context.WithoutCancel(ctx), scopes...)
}

// tellStreams tells those who follow events of the tenants that may have new ones.
func (a *API) tellStreams(scopes []cache.Scope) {
	if a.hub == nil {
		return
	}
	for i := range scopes {
		if i == 0 || scopes[i].Tenant != scopes[i-1].Tenant {
			a.hub.Changed(scopes[i].Tenant)
		}
	}
}

// readBody reads a body, whose size the middleware limits. If ok is false, it has answered the request.
func readBody(c *gin.Context) (body []byte, ok bool) {
	if c.Request.ContentLength > maxBody { // the header announces it, so none of it is read
		refuseBody(c)
		return nil, false
	}
	body, err := io.ReadAll(c.Request.Body)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		refuseBody(c)
		return nil, false
	case err != nil:
		refuse(c, http.StatusBadRequest, "The body could not be read completely.")
		return nil, false
	}
	return body, true
}

func refuseBody(c *gin.Context) {
	c.Writer.Header()["Connection"] = []string{"close"} // the rest of the body is not read
	refuse(c, http.StatusRequestEntityTooLarge,
		fmt.Sprintf("The body is larger than %d bytes. Send less per request.", maxBody))
}
