package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/policycortex/headroom/server/cache"
	"github.com/policycortex/headroom/server/store"
)

// batchAnswer lists what was created and, by index, what was not.
type batchAnswer struct {
	Created []uuid.UUID   `json:"created"`
	Errors  []store.Fault `json:"errors"`
}

const conflictMessage = "a resource with this azure_resource_id exists already"

func (a *API) insertResources(c *gin.Context) {
	tenant, err := tenantOf(c.Request)
	if err != nil {
		refuse(c, http.StatusBadRequest, err.Error())
		return
	}
	elements, ok := readBatch(c)
	if !ok {
		return
	}
	resources, faults := decodeBatch(elements)
	if faults != nil {
		refuseBatch(c, faults)
		return
	}
	ctx, cancel := context.WithTimeout(c.Request.Context(), a.timeout)
	defer cancel()
	inserted, committed, err := a.store.InsertResources(ctx, tenant, resources)
	lists := cache.Scope{Tenant: tenant, Kind: cache.Resources}
	if err != nil {
		a.invalidateUnsure(ctx, lists)
		a.fail(c, err)
		return
	}
	a.invalidate(ctx, committed, lists)
	sendBatch(c, inserted)
}

// readBatch reads the body {"resources":[…]} as far as its elements. When it cannot, it has answered.
func readBatch(c *gin.Context) (elements []json.RawMessage, ok bool) {
	body, ok := readBody(c)
	if !ok {
		return nil, false
	}
	var batch struct {
		Resources []json.RawMessage `json:"resources"`
	}
	if err := decodeStrictly(body, &batch); err != nil {
		refuse(c, http.StatusBadRequest, `The body must be {"resources":[…]}: `+err.Error())
		return nil, false
	}
	if n := len(batch.Resources); n == 0 || n > store.MaxBatch {
		refuse(c, http.StatusUnprocessableEntity, fmt.Sprintf("A batch has 1 to %d resources; this one has %d.", store.MaxBatch, n))
		return nil, false
	}
	return batch.Resources, true
}

// decodeBatch decodes and validates every element, so that all faults are reported at once.
func decodeBatch(elements []json.RawMessage) ([]store.NewResource, []store.Fault) {
	resources := make([]store.NewResource, len(elements))
	var faults []store.Fault
	for i, element := range elements {
		if err := decodeStrictly(element, &resources[i]); err != nil {
			faults = append(faults, store.Fault{Index: i, Field: fieldOf(err), Message: err.Error()})
			continue
		}
		for _, fault := range resources[i].Validate() {
			fault.Index = i
			faults = append(faults, fault)
		}
	}
	return resources, faults
}

// decodeStrictly refuses unknown fields and anything after the value.
func decodeStrictly(data []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		var wrongType *json.UnmarshalTypeError
		switch {
		case errors.As(err, &wrongType) && wrongType.Field != "":
			return &decodeError{wrongType.Field, fmt.Sprintf("%s: a %s is not allowed here", wrongType.Field, wrongType.Value)}
		case errors.As(err, &wrongType):
			return fmt.Errorf("a %s where an object was expected", wrongType.Value)
		case errors.Is(err, io.EOF):
			return errors.New("it is empty")
		case errors.Is(err, io.ErrUnexpectedEOF):
			return errors.New("the JSON ends too early")
		}
		return errors.New(err.Error()[len(jsonPrefix(err)):])
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the JSON value")
	}
	return nil
}

// decodeError is about one field of what was sent.
type decodeError struct{ field, message string }

func (e *decodeError) Error() string { return e.message }

// fieldOf returns the field that an error is about, or "".
func fieldOf(err error) string {
	var about *decodeError
	if errors.As(err, &about) {
		return about.field
	}
	return ""
}

// jsonPrefix is what encoding/json puts before its messages, which says nothing to a client.
func jsonPrefix(err error) string {
	const prefix = "json: "
	if message := err.Error(); len(message) > len(prefix) && message[:len(prefix)] == prefix {
		return prefix
	}
	return ""
}

func refuseBatch(c *gin.Context, faults []store.Fault) {
	refuseFields(c, "Nothing was inserted. errors says what is wrong, by the index of the resource in the batch.", batchErrors(faults))
}

func sendBatch(c *gin.Context, inserted store.Inserted) {
	answer := batchAnswer{
		Created: make([]uuid.UUID, len(inserted.Created)),
		Errors:  make([]store.Fault, len(inserted.Conflicts)),
	}
	for i, id := range inserted.Created {
		answer.Created[i] = id
	}
	for i, index := range inserted.Conflicts {
		answer.Errors[i] = store.Fault{Index: index, Message: conflictMessage}
	}
	status := http.StatusCreated
	if len(inserted.Conflicts) > 0 {
		status = http.StatusMultiStatus
	}
	sendJSON(c, status, answer)
}
