package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/policycortex/headroom/server/store"
)

// problem is an error answer as of RFC 9457. Its type is "about:blank", which is the default and left out.
type problem struct {
	Title  string        `json:"title"`
	Status int           `json:"status"`
	Detail string        `json:"detail,omitempty"`
	Errors []store.Fault `json:"errors,omitempty"` // what is wrong with which resource of a batch
}

// statusClientGone is nginx's code for a client that left before its answer. Nobody reads it but the metrics.
const statusClientGone = 499

var problemContentType = []string{"application/problem+json"}

func refuse(c *gin.Context, status int, detail string) {
	sendProblem(c, problem{Title: http.StatusText(status), Status: status, Detail: detail})
}

func sendProblem(c *gin.Context, p problem) {
	body, err := json.Marshal(p)
	if err != nil {
		// Only text and numbers are in it.
		panic("api: a problem cannot be written as JSON: " + err.Error())
	}
	header := c.Writer.Header()
	header["Content-Type"] = problemContentType
	header["Content-Length"] = []string{strconv.Itoa(len(body))}
	c.Writer.WriteHeader(p.Status)
	c.Writer.Write(body) // an error here means that the client has gone
}

// fail answers for an error that is not the client's fault, and logs it. What the error says stays here: it may name
// tables and addresses.
func (a *API) fail(c *gin.Context, err error) {
	if c.Request.Context().Err() != nil {
		c.Writer.WriteHeader(statusClientGone)
		return
	}
	status, detail := http.StatusInternalServerError, "The server could not do this. Its log says why."
	if tookTooLong(err) {
		status, detail = http.StatusGatewayTimeout, "The database did not answer in time. Try again later."
	}
	a.logger.Error("request failed", "method", c.Request.Method, "path", c.Request.URL.Path, "status", status, "error", err)
	refuse(c, status, detail)
}

func tookTooLong(err error) bool {
	const queryCanceled, lockNotAvailable = "57014", "55P03" // by statement_timeout and lock_timeout
	var fromPostgres *pgconn.PgError
	if errors.As(err, &fromPostgres) {
		return fromPostgres.Code == queryCanceled || fromPostgres.Code == lockNotAvailable
	}
	return errors.Is(err, context.DeadlineExceeded)
}

func noRoute(c *gin.Context) {
	refuse(c, http.StatusNotFound, "There is nothing at this path. The resources are at /api/v1/resources.")
}

func noMethod(c *gin.Context) {
	refuse(c, http.StatusMethodNotAllowed, "This path does not take "+c.Request.Method+"; the header Allow says what it takes.")
}
