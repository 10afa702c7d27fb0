package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/policycortex/headroom/server/cache"
	"github.com/policycortex/headroom/server/store"
)

// What happens when a client repeats a change because it did not get the response to the first:
//
//   - creating a resource again is refused with 409, as is one in a batch: the azure_resource_id is its key
//   - replacing one again makes another version with the same content; with If-Match it is refused with 412
//   - deleting one again is refused with 404

// document is a kind of object that is read, created, replaced and deleted one at a time and has a version: a resource
// or a policy. T is what a client sends.
type document[T any] struct {
	api         *API
	name        string
	path        string     // of all of them; "/:id" follows for one
	item, lists cache.Kind // of one, and of the lists that it may be in
	conflict    string     // detail of a 409
	buffer      int        // the size of the first buffer for one

	create func(ctx context.Context, dst []byte, tenant store.ID, sent *T) (body []byte, id store.ID,
		committed store.LSN, err error)
	replace func(ctx context.Context, dst []byte, tenant, id store.ID, version int, sent *T) (body []byte,
		committed store.LSN, err error)
	remove  func(ctx context.Context, tenant, id store.ID, version int) (committed store.LSN, err error)
	read    func(ctx context.Context, dst []byte, tenant, id store.ID, after store.LSN) (body []byte, err error)
	version func(body []byte) (int, error)
	// readFields reads some fields of one; nil where all are always read.
	readFields func(ctx context.Context, dst []byte, tenant, id store.ID, fields store.Fields, after store.LSN) (
		body []byte, err error)
}

func (d *document[T]) routes(handle handleFunc) {
	handle(http.MethodGet, d.path+"/:id", d.get)
	handle(http.MethodPost, d.path, d.post)
	handle(http.MethodPut, d.path+"/:id", d.put)
	handle(http.MethodDelete, d.path+"/:id", d.delete)
}

func (d *document[T]) get(c *gin.Context) {
	tenant, err := tenantOf(c.Request)
	if err != nil {
		refuse(c, http.StatusBadRequest, err.Error())
		return
	}
	var fields store.Fields
	if query := c.Request.URL.RawQuery; query != "" && d.readFields == nil {
		refuse(c, http.StatusBadRequest, "A single "+d.name+" takes no query parameters.")
		return
	} else if query != "" {
		fields, err = parseFields(query)
		if err != nil {
			refuse(c, http.StatusBadRequest, err.Error())
			return
		}
	}
	id, ok := d.id(c)
	if !ok {
		return
	}
	// A key with some fields belongs to the scope of the document, so that a change of it invalidates all its keys.
	d.api.answer(c, cache.Key{Kind: d.item, Tenant: tenant, ID: id, Query: fieldsQuery(fields)}, d.api.Loader(d.item))
}

// readFor reads what a key names: all of a document, or some fields.
func (d *document[T]) readFor(ctx context.Context, dst []byte, key *cache.Key, after store.LSN) ([]byte, error) {
	if key.Query == "" {
		return d.read(ctx, dst, key.Tenant, key.ID, after)
	}
	fields, err := parseFields(key.Query)
	if err != nil {
		return nil, err
	}
	return d.readFields(ctx, dst, key.Tenant, key.ID, fields, after)
}

// load is a [cache.LoadFunc].
func (d *document[T]) load(ctx context.Context, key cache.Key, after store.LSN) ([]byte, error) {
	body, err := d.readFor(ctx, make([]byte, 0, d.buffer), &key, after)
	if errors.Is(err, store.ErrNotFound) && after != store.OnPrimary && d.api.store.Replicated() {
		// It may be newer than what the replica has: creating it invalidates no values of it, because there are none.
		body, err = d.readFor(ctx, body[:0], &key, store.OnPrimary)
	}
	if errors.Is(err, store.ErrNotFound) {
		return nil, cache.ErrNotFound
	}
	return body, err
}

// id reads the id in the path. If ok is false, it has answered the request.
func (d *document[T]) id(c *gin.Context) (id store.ID, ok bool) {
	id, err := parseUUID(c.Param("id"))
	if err != nil {
		refuse(c, http.StatusBadRequest, "The "+d.name+" id: "+err.Error())
	}
	return id, err == nil
}

func (d *document[T]) post(c *gin.Context) {
	tenant, sent, ok := d.sent(c)
	if !ok {
		return
	}
	ctx, cancel := d.api.changing(c)
	defer cancel()
	body, id, committed, err := d.create(ctx, nil, tenant, &sent)
	if err != nil {
		d.refuse(c, err, tenant, id)
		return
	}
	d.api.invalidate(ctx, committed, cache.Scope{Tenant: tenant, Kind: d.lists})
	c.Writer.Header()["Location"] = []string{d.path + "/" + formatUUID(id)}
	sendDocument(c, http.StatusCreated, body)
}

func (d *document[T]) put(c *gin.Context) {
	tenant, sent, ok := d.sent(c)
	if !ok {
		return
	}
	ctx, cancel := d.api.changing(c)
	defer cancel()
	id, version, ok := d.meant(ctx, c, tenant)
	if !ok {
		return
	}
	body, committed, err := d.replace(ctx, nil, tenant, id, version, &sent)
	if err != nil {
		d.refuse(c, err, tenant, id)
		return
	}
	d.api.invalidate(ctx, committed, d.scopes(tenant, id)...)
	sendDocument(c, http.StatusOK, body)
}

func (d *document[T]) delete(c *gin.Context) {
	tenant, err := tenantOf(c.Request)
	if err != nil {
		refuse(c, http.StatusBadRequest, err.Error())
		return
	}
	ctx, cancel := d.api.changing(c)
	defer cancel()
	id, version, ok := d.meant(ctx, c, tenant)
	if !ok {
		return
	}
	committed, err := d.remove(ctx, tenant, id, version)
	if err != nil {
		d.refuse(c, err, tenant, id)
		return
	}
	d.api.invalidate(ctx, committed, d.scopes(tenant, id)...)
	c.Writer.WriteHeader(http.StatusNoContent)
}

// scopes returns what a change of a document invalidates.
func (d *document[T]) scopes(tenant, id store.ID) []cache.Scope {
	return []cache.Scope{{Tenant: tenant, Kind: d.item, ID: id}, {Tenant: tenant, Kind: d.lists}}
}

// refuse answers a change that failed.
func (d *document[T]) refuse(c *gin.Context, err error, tenant, id store.ID) {
	var invalid *store.ValidationError
	switch {
	case errors.As(err, &invalid):
		refuseFields(c, nothingChanged, faultsOfOne(invalid.Faults))
	case errors.Is(err, store.ErrNotFound):
		refuse(c, http.StatusNotFound, nothingThere[d.item])
	case errors.Is(err, store.ErrConflict):
		refuse(c, http.StatusConflict, d.conflict)
	case errors.Is(err, store.ErrVersion):
		refuse(c, http.StatusPreconditionFailed,
			"The "+d.name+" has been changed since: If-Match does not name the current version. "+
				"Read it again and decide whether your change still applies.")
	default:
		// The change may have been made nevertheless.
		d.api.invalidateInDoubt(c.Request.Context(), d.scopes(tenant, id)...)
		d.api.fail(c, err)
	}
}

// meant returns the document that a request is about, and the version that If-Match and If-None-Match allow it to
// change. If ok is false, it has answered the request.
func (d *document[T]) meant(ctx context.Context, c *gin.Context, tenant store.ID) (id store.ID, version int, ok bool) {
	id, ok = d.id(c)
	if !ok {
		return id, 0, false
	}
	tags, err := ifMatch(c.Request)
	switch {
	case err != nil:
		refuse(c, http.StatusBadRequest, err.Error())
		return id, 0, false
	case tags == nil && c.Request.Header["If-None-Match"] == nil:
		return id, store.AnyVersion, true
	}
	present, err := d.read(ctx, nil, tenant, id, store.OnPrimary)
	if err == nil && tags != nil {
		version, err = d.matching(present, tags)
	}
	switch {
	case err != nil:
		d.refuse(c, err, tenant, id)
		return id, 0, false
	case tagMatches(c.Request.Header["If-None-Match"], cache.ETag(present)):
		refuse(c, http.StatusPreconditionFailed, "The "+d.name+" is one of those that If-None-Match names.")
		return id, 0, false
	}
	return id, version, true // store.AnyVersion for If-None-Match alone: the named version cannot return
}

// matching returns the version of a document if one of the tags names it. If-Match should compare strong tags only (RFC
// 9110, section 13.1.1). Our tags are weak because compressed bodies share them, but equal tags mean equal content, so
// they are accepted. The plain version, such as "3", is accepted too.
func (d *document[T]) matching(present []byte, tags []string) (version int, err error) {
	version, err = d.version(present)
	if err != nil {
		return 0, err
	}
	etag, byVersion := cache.ETag(present), `"`+strconv.Itoa(version)+`"`
	for _, tag := range tags {
		if tag == etag || tag == byVersion {
			return version, nil
		}
	}
	return 0, store.ErrVersion
}

// sent reads a request whose body is one document. If ok is false, it has answered the request.
func (d *document[T]) sent(c *gin.Context) (tenant store.ID, sent T, ok bool) {
	tenant, err := tenantOf(c.Request)
	if err != nil {
		refuse(c, http.StatusBadRequest, err.Error())
		return tenant, sent, false
	}
	body, ok := readBody(c)
	if !ok {
		return tenant, sent, false
	}
	if err := decodeStrictly(body, &sent); err != nil {
		if field := fieldOf(err); field != "" {
			refuseFields(c, nothingChanged, []fieldError{{Field: field, Message: err.Error()}})
		} else {
			refuse(c, http.StatusBadRequest, "The body must be a "+d.name+" as a JSON object: "+err.Error())
		}
		return tenant, sent, false
	}
	return tenant, sent, true
}

// ifMatch returns the entity tags of If-Match; none when the header is missing or "*".
func ifMatch(r *http.Request) ([]string, error) {
	var tags []string
	for _, line := range r.Header["If-Match"] {
		for tag, rest := cutTag(line); ; tag, rest = cutTag(rest) {
			bare := strings.TrimPrefix(tag, "W/")
			switch {
			case tag == "*" && line == "*" && len(r.Header["If-Match"]) == 1:
				return nil, nil
			case len(bare) < 2 || bare[0] != '"' || strings.IndexByte(bare[1:], '"') != len(bare)-2:
				return nil,
					fmt.Errorf(
						`the header If-Match is %.60q; it must be the ETag of the resource as it was read, such as W/"3w5e11264sgsf", `+
							`or its version in quotes, such as "3"`, line)
			}
			tags = append(tags, tag)
			if rest == "" {
				break
			}
		}
	}
	return tags, nil
}

const nothingChanged = "Nothing was changed. errors lists what is wrong, by field."

func sendDocument(c *gin.Context, status int, body []byte) {
	c.Writer.Header()["Etag"] = []string{cache.ETag(body)}
	sendBody(c, status, body)
}
