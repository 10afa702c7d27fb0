package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/policycortex/headroom/server/cache"
	"github.com/policycortex/headroom/server/store"
)

// How changes behave when a client repeats them, because it has not heard of the first:
//
//   - creating a resource again is refused with 409, as is one in a batch: the azure_resource_id is its key
//   - replacing one again makes another version with the same content; with If-Match it is refused with 412
//   - deleting one again is refused with 404

func (a *API) createResource(c *gin.Context) {
	tenant, resource, ok := readResourceBody(c)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(c.Request.Context(), a.timeout)
	defer cancel()
	body, id, committed, err := a.store.CreateResource(ctx, nil, tenant, &resource)
	if err != nil {
		a.refuseChange(c, err, tenant, id)
		return
	}
	a.invalidate(ctx, committed, cache.Scope{Tenant: tenant, Kind: cache.Resources})
	c.Writer.Header()["Location"] = []string{resourcesPath + "/" + formatUUID(id)}
	sendResource(c, http.StatusCreated, body)
}

func (a *API) replaceResource(c *gin.Context) {
	tenant, resource, ok := readResourceBody(c)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(c.Request.Context(), a.timeout)
	defer cancel()
	id, version, ok := a.changedResource(ctx, c, tenant)
	if !ok {
		return
	}
	body, committed, err := a.store.ReplaceResource(ctx, nil, tenant, id, version, &resource)
	if err != nil {
		a.refuseChange(c, err, tenant, id)
		return
	}
	a.invalidate(ctx, committed, resourceScopes(tenant, id)...)
	sendResource(c, http.StatusOK, body)
}

func (a *API) deleteResource(c *gin.Context) {
	tenant, err := tenantOf(c.Request)
	if err != nil {
		refuse(c, http.StatusBadRequest, err.Error())
		return
	}
	ctx, cancel := context.WithTimeout(c.Request.Context(), a.timeout)
	defer cancel()
	id, version, ok := a.changedResource(ctx, c, tenant)
	if !ok {
		return
	}
	committed, err := a.store.DeleteResource(ctx, tenant, id, version)
	if err != nil {
		a.refuseChange(c, err, tenant, id)
		return
	}
	a.invalidate(ctx, committed, resourceScopes(tenant, id)...)
	c.Writer.WriteHeader(http.StatusNoContent)
}

// resourceScopes is what a change of a resource makes old.
func resourceScopes(tenant, id store.ID) []cache.Scope {
	return []cache.Scope{{Tenant: tenant, Kind: cache.Resource, ID: id}, {Tenant: tenant, Kind: cache.Resources}}
}

// invalidate is called after a change has been committed and before it is acknowledged.
func (a *API) invalidate(ctx context.Context, committed store.LSN, scopes ...cache.Scope) {
	// The change is made, whether its client still waits for the answer or not.
	if err := a.cache.Invalidate(context.WithoutCancel(ctx), committed, scopes...); err != nil {
		a.logger.Warn("another instance may serve what was cached before a change", "error", err)
	}
}

// invalidateUnsure is called after a change that failed, as it may have been committed without our having heard of it.
// Where the primary tells its present position, no replica is read again before it has that.
func (a *API) invalidateUnsure(ctx context.Context, scopes ...cache.Scope) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	present, err := a.store.Position(ctx)
	if err != nil {
		a.logger.Warn("a change failed, and the primary does not tell its position either", "error", err)
	}
	a.invalidate(ctx, present, scopes...)
}

// refuseChange answers for a change that was not made.
func (a *API) refuseChange(c *gin.Context, err error, tenant, id store.ID) {
	var invalid *store.ValidationError
	switch {
	case errors.As(err, &invalid):
		refuseFields(c, nothingChanged, faultsOfOne(invalid.Faults))
	case errors.Is(err, store.ErrNotFound):
		refuse(c, http.StatusNotFound, nothingThere[cache.Resource])
	case errors.Is(err, store.ErrConflict):
		refuse(c, http.StatusConflict, "This tenant has another resource with this azure_resource_id.")
	case errors.Is(err, store.ErrVersion):
		refuse(c, http.StatusPreconditionFailed, "The resource is not the one that If-Match names: it has been changed meanwhile. "+
			"Read it again, and decide whether your change still holds.")
	default:
		a.invalidateUnsure(c.Request.Context(), resourceScopes(tenant, id)...)
		a.fail(c, err)
	}
}

// changedResource returns which resource a request is about, and the version that its If-Match allows to be changed.
// When it cannot, it has answered.
func (a *API) changedResource(ctx context.Context, c *gin.Context, tenant store.ID) (id store.ID, version int, ok bool) {
	id, err := parseUUID(c.Param("id"))
	if err != nil {
		refuse(c, http.StatusBadRequest, "The resource id: "+err.Error())
		return id, 0, false
	}
	tags, err := ifMatch(c.Request)
	switch {
	case err != nil:
		refuse(c, http.StatusBadRequest, err.Error())
		return id, 0, false
	case tags == nil:
		return id, store.AnyVersion, true
	}
	// A replica does not have everything up to the largest position, so the primary answers.
	const everything = ^store.LSN(0)
	present, err := a.store.AppendResource(ctx, nil, tenant, id, everything)
	if err == nil {
		version, err = matching(present, tags)
	}
	if err != nil {
		a.refuseChange(c, err, tenant, id)
		return id, 0, false
	}
	return id, version, true
}

// matching returns the version of a resource if one of the tags is its own. Its ETag is a weak one, and If-Match should
// compare strong ones (RFC 9110, section 13.1.1); ours is weak because compressed bodies have it too, and the same for
// the same content, so it is taken. "3", the version by itself, is taken as well.
func matching(resource []byte, tags []string) (version int, err error) {
	if version, err = store.ResourceVersion(resource); err != nil {
		return 0, err
	}
	etag, byVersion := cache.ETag(resource), `"`+strconv.Itoa(version)+`"`
	for _, tag := range tags {
		if tag == etag || tag == byVersion {
			return version, nil
		}
	}
	return 0, store.ErrVersion
}

// ifMatch returns the entity tags of If-Match; none when the header is missing or "*".
func ifMatch(r *http.Request) ([]string, error) {
	var tags []string
	for _, line := range r.Header["If-Match"] {
		for tag := range strings.SplitSeq(line, ",") {
			tag = strings.Trim(tag, " \t")
			bare := strings.TrimPrefix(tag, "W/")
			switch {
			case tag == "*" && line == "*" && len(r.Header["If-Match"]) == 1:
				return nil, nil
			case len(bare) < 2 || bare[0] != '"' || strings.IndexByte(bare[1:], '"') != len(bare)-2:
				return nil, fmt.Errorf(`the header If-Match is %.60q; it must be the ETag of the resource as it was read, such as W/"3w5e11264sgsf", `+
					`or its version in quotes, such as "3"`, line)
			}
			tags = append(tags, tag)
		}
	}
	return tags, nil
}

// readResourceBody reads a request whose body is one resource. When it cannot, it has answered.
func readResourceBody(c *gin.Context) (tenant store.ID, resource store.NewResource, ok bool) {
	tenant, err := tenantOf(c.Request)
	if err != nil {
		refuse(c, http.StatusBadRequest, err.Error())
		return tenant, resource, false
	}
	body, ok := readBody(c)
	if !ok {
		return tenant, resource, false
	}
	if err := decodeStrictly(body, &resource); err != nil {
		if field := fieldOf(err); field != "" {
			refuseFields(c, nothingChanged, []fieldError{{Field: field, Message: err.Error()}})
		} else {
			refuse(c, http.StatusBadRequest, "The body must be a resource as a JSON object: "+err.Error())
		}
		return tenant, resource, false
	}
	return tenant, resource, true
}

// readBody reads a body of any kind, which the middleware has limited. When it cannot, it has answered.
func readBody(c *gin.Context) (body []byte, ok bool) {
	if c.Request.ContentLength > maxBody { // it says so itself: none of it is read
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
		refuse(c, http.StatusBadRequest, "The body could not be read to its end.")
		return nil, false
	}
	return body, true
}

func refuseBody(c *gin.Context) {
	c.Writer.Header()["Connection"] = []string{"close"} // the rest of the body is not read
	refuse(c, http.StatusRequestEntityTooLarge, fmt.Sprintf("The body is larger than %d bytes. Send less at a time.", maxBody))
}

const nothingChanged = "Nothing was changed. errors says what is wrong, by field."

func sendResource(c *gin.Context, status int, body []byte) {
	c.Writer.Header()["Etag"] = []string{cache.ETag(body)}
	sendBody(c, status, body)
}
