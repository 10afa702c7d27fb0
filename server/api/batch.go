package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/gin-gonic/gin"

	"github.com/policycortex/headroom/server/cache"
	"github.com/policycortex/headroom/server/store"
)

// batchChange stores a batch, all or nothing.
type batchChange[T any] struct {
	name   string // of the list in the body
	faults func(elements []T) []store.Fault
	store  func(ctx context.Context, tenant store.ID, elements []T) (committed store.LSN, err error)
	scopes func(tenant store.ID, elements []T) []cache.Scope // what it invalidates
}

// apply stores the batch in a request and returns its number of elements. If ok is false, it has answered the request.
func (b *batchChange[T]) apply(a *API, c *gin.Context) (stored int, ok bool) {
	tenant, raw, ok := readElements(c, b.name)
	if !ok {
		return 0, false
	}
	elements, faults := decodeElements(raw, b.faults)
	if faults != nil {
		refuseElements(c, faults)
		return 0, false
	}
	ctx, cancel := a.changing(c)
	defer cancel()
	committed, err := b.store(ctx, tenant, elements)
	var invalid *store.ValidationError
	switch {
	case errors.As(err, &invalid):
		refuseElements(c, invalid.Faults)
		return 0, false
	case err != nil:
		a.invalidateInDoubt(ctx, b.scopes(tenant, elements)...)
		a.fail(c, err)
		return 0, false
	}
	a.invalidate(ctx, committed, b.scopes(tenant, elements)...)
	return len(elements), true
}

// appendScopes appends a scope for each different id.
func appendScopes(scopes []cache.Scope, tenant store.ID, kind cache.Kind, ids []store.ID) []cache.Scope {
	seen := make(map[store.ID]bool, len(ids))
	for _, id := range ids {
		if !seen[id] {
			seen[id] = true
			scopes = append(scopes, cache.Scope{Tenant: tenant, Kind: kind, ID: id})
		}
	}
	return scopes
}

// readElements reads a body of the form {"<name>":[…]} with 1 to store.MaxBatch elements. If ok is false, it has
// answered the request.
func readElements(c *gin.Context, name string) (tenant store.ID, elements []json.RawMessage, ok bool) {
	tenant, err := tenantOf(c.Request)
	if err != nil {
		refuse(c, http.StatusBadRequest, err.Error())
		return tenant, nil, false
	}
	body, ok := readBody(c)
	if !ok {
		return tenant, nil, false
	}
	var batch map[string][]json.RawMessage
	err = decodeStrictly(body, &batch)
	if _, named := batch[name]; err == nil && (!named || len(batch) != 1) {
		err = errors.New("it has missing or unknown fields")
	}
	if err != nil {
		refuse(c, http.StatusBadRequest, fmt.Sprintf(`The body must be {%q:[…]}: %v`, name, err))
		return tenant, nil, false
	}
	elements = batch[name]
	if n := len(elements); n == 0 || n > store.MaxBatch {
		refuse(c, http.StatusUnprocessableEntity,
			fmt.Sprintf("A batch has 1 to %d %s; this one has %d.", store.MaxBatch, name, n))
		return tenant, nil, false
	}
	return tenant, elements, true
}

// decodeElements decodes every element and validates those that it could decode, so that all errors are reported at
// once. validate returns the errors of a batch by index.
func decodeElements[T any](elements []json.RawMessage, validate func([]T) []store.Fault) (all []T,
	faults []store.Fault,
) {
	all = make([]T, len(elements))
	undecoded := map[int]bool{}
	for i, element := range elements {
		if err := decodeStrictly(element, &all[i]); err != nil {
			undecoded[i] = true
			faults = append(faults, store.Fault{Index: i, Field: fieldOf(err), Message: err.Error()})
		}
	}
	for _, fault := range validate(all) {
		if !undecoded[fault.Index] {
			faults = append(faults, fault)
		}
	}
	slices.SortStableFunc(faults, func(a, b store.Fault) int { return a.Index - b.Index })
	return all, faults
}

func refuseElements(c *gin.Context, faults []store.Fault) {
	refuseFields(c, "Nothing was stored. errors lists what is wrong, by the index of the element in the batch.",
		batchErrors(faults))
}
