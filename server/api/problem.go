package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/policycortex/headroom/server/store"
)

// problem is an error response (RFC 9457). Its type is the default "about:blank" and omitted.
type problem struct {
	Title  string       `json:"title"`
	Status int          `json:"status"`
	Detail string       `json:"detail,omitempty"`
	Errors []fieldError `json:"errors,omitempty"`
}

// fieldError describes an error in one part of a request: a field of the body, a query parameter or header, or an
// element of a batch by its index.
type fieldError struct {
	Index   *int   `json:"index,omitempty"`
	Field   string `json:"field,omitempty"`
	Message string `json:"error"`
}

// batchErrors converts the errors of a batch for the client.
func batchErrors(faults []store.Fault) []fieldError {
	told := make([]fieldError, len(faults))
	for i := range faults {
		told[i] = fieldError{Index: &faults[i].Index, Field: faults[i].Field, Message: faults[i].Message}
	}
	return told
}

// faultsOfOne converts the errors of a single object, which needs no index.
func faultsOfOne(faults []store.Fault) []fieldError {
	told := make([]fieldError, len(faults))
	for i, fault := range faults {
		told[i] = fieldError{Field: fault.Field, Message: fault.Message}
	}
	return told
}

// statusClientGone is nginx's code for a client that left before the response. Only the metrics see it.
const statusClientGone = 499

var problemContentType = []string{"application/problem+json"}

func refuse(c *gin.Context, status int, detail string) {
	sendProblem(c, problem{Title: http.StatusText(status), Status: status, Detail: detail})
}

// refuseFields answers 422 with everything that is wrong, by field.
func refuseFields(c *gin.Context, detail string, errors []fieldError) {
	const status = http.StatusUnprocessableEntity
	sendProblem(c, problem{Title: http.StatusText(status), Status: status, Detail: detail, Errors: errors})
}

func sendProblem(c *gin.Context, p problem) {
	body, err := json.Marshal(p)
	if err != nil {
		// It contains only text and numbers.
		panic("api: a problem cannot be written as JSON: " + err.Error())
	}
	header := c.Writer.Header()
	header["Cache-Control"] = noStore
	header["Content-Type"] = problemContentType
	header["Content-Length"] = []string{strconv.Itoa(len(body))}
	c.Writer.WriteHeader(p.Status)
	c.Writer.Write(body) // an error means that the client has left
}

// fail answers and logs an error that is not the client's fault. The response does not contain the error's text, which
// may name tables and addresses.
func (a *API) fail(c *gin.Context, err error) {
	if c.Request.Context().Err() != nil {
		c.Writer.WriteHeader(statusClientGone)
		return
	}
	if errors.Is(err, store.ErrTooMany) {
		refuse(c, http.StatusUnprocessableEntity, tooManyDetail)
		return
	}
	status, detail := failure(err)
	if status != http.StatusInternalServerError {
		c.Writer.Header()["Retry-After"] = retrySoon
	}
	a.logger.Error("request failed", "id", exchangeOf(c).id(), "method", c.Request.Method, "path", c.Request.URL.Path,
		"status", status, "error", err)
	refuse(c, status, detail)
}

const tooManyDetail = "The response would be too long. Request a shorter period or a single service."

// failure returns what a client is told of an error that is not its fault.
func failure(err error) (status int, detail string) {
	switch {
	case store.IsLockTimeout(err):
		return http.StatusGatewayTimeout, "What this request needs was locked by another one for too long. " +
			"It changed nothing. Try again after the time in Retry-After."
	case store.IsStatementTimeout(err):
		return http.StatusGatewayTimeout, "The database took too long and gave this request up. " +
			"It changed nothing. Ask for less, or try again after the time in Retry-After."
	case errors.Is(err, context.DeadlineExceeded):
		return http.StatusGatewayTimeout,
			"The database did not answer in time. Try again after the time in Retry-After."
	case errors.Is(err, store.ErrUnavailable):
		return http.StatusServiceUnavailable,
			"The database cannot be reached. Try again after the time in Retry-After."
	}
	return http.StatusInternalServerError, "Internal error. The server's log has the cause."
}

// retrySoon is a little more than the pause after which a breaker lets a probe through, in seconds.
var retrySoon = []string{"2"}

func noRoute(c *gin.Context) {
	refuse(c, http.StatusNotFound,
		"Nothing exists at this path. Resources are at /api/v1/resources; /openapi.json describes all paths.")
}

func noMethod(c *gin.Context) {
	refuse(c, http.StatusMethodNotAllowed,
		"This path does not support "+c.Request.Method+"; the header Allow lists the methods that it supports.")
}
