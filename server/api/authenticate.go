package api

import (
	"errors"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/policycortex/headroom/server/auth"
)

// Challenges of RFC 6750, section 3.
var (
	challenge        = []string{`Bearer realm="headroom"`}
	challengeInvalid = []string{`Bearer realm="headroom", error="invalid_token"`}
	challengeTenant  = []string{`Bearer realm="headroom", error="insufficient_scope"`}
)

// authenticate sets the tenant of a request to that of its token, whatever the headers say. It answers the requests
// that it refuses. Verifying a token for the first time is expensive, so it counts against the rate limit of the
// sender's address.
func (p *pipeline) authenticate(c *gin.Context, x *exchange) bool {
	token, err := auth.Bearer(c.Request.Header["Authorization"])
	var id *auth.Identity
	if err == nil {
		id = p.verifier.Known(token)
	}
	if id == nil {
		if p.limiter != nil && !p.limit(c, x, p.address(c)) {
			return false
		}
		if err == nil {
			id, err = p.verifier.Verify(token)
		}
	}
	if err != nil {
		p.refuseToken(c, x, err)
		return false
	}
	if named := c.Request.Header["X-Tenant-Id"]; len(named) > 1 || len(named) == 1 &&
		!strings.EqualFold(named[0], id.Tenant[0]) {
		x.Header()["Www-Authenticate"] = challengeTenant
		refuse(c, http.StatusForbidden,
			"The header X-Tenant-ID names another tenant than the bearer token. Leave it out.")
		return false
	}
	c.Request.Header["X-Tenant-Id"] = id.Tenant
	x.trusted = true
	return true
}

func (p *pipeline) refuseToken(c *gin.Context, x *exchange, err error) {
	switch {
	case errors.Is(err, auth.ErrNoKeys):
		x.Header()["Retry-After"] = retryNext
		refuse(c, http.StatusServiceUnavailable,
			"The keys of bearer tokens are being fetched. Try again after the time in Retry-After.")
	case errors.Is(err, auth.ErrMissing):
		x.Header()["Www-Authenticate"] = challenge
		refuse(c, http.StatusUnauthorized, "Send a bearer token in the header Authorization.")
	case errors.Is(err, auth.ErrNoTenant):
		x.Header()["Www-Authenticate"] = challengeTenant
		refuse(c, http.StatusForbidden, "This is not allowed: "+err.Error()+".")
	default:
		x.Header()["Www-Authenticate"] = challengeInvalid
		refuse(c, http.StatusUnauthorized, "This cannot be authenticated: "+err.Error()+".")
	}
}
