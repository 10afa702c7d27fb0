package api

import (
	"context"
	"fmt"
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/policycortex/headroom/server/cache"
	"github.com/policycortex/headroom/server/store"
)

const (
	eventsPath    = "/api/v1/events"
	defaultEvents = 100
	maxEvents     = 1000
	eventBuffer   = 512 // slightly more than a typical event
)

func (a *API) eventRoutes(handle handleFunc) { handle(http.MethodGet, eventsPath, a.getEvents) }

// eventRequest is what a query string asks for: the events after a position among all events, or after a version of one
// stream.
type eventRequest struct {
	stream  *store.ID
	place   store.EventPosition
	version int32
	limit   int
}

func parseEventRequest(query string) (eventRequest, error) {
	req, after := eventRequest{limit: defaultEvents}, ""
	err := eachParameter(query, func(name, value string) error {
		switch name {
		case "stream":
			return setID(&req.stream, name, value)
		case "after":
			return setText(&after, name, value)
		case "limit":
			return setNumber(&req.limit, name, value, maxEvents)
		}
		return unknownParameter(name, "after, stream and limit")
	})
	if err != nil || after == "" {
		return req, err
	}
	if req.stream == nil {
		req.place, err = store.ParseEventPosition(after)
		if err != nil {
			err = fmt.Errorf("query parameter after: %w; use next_after of the previous response", err)
		}
		return req, err
	}
	version, err := strconv.ParseInt(after, 10, 32)
	if err != nil || version < 0 {
		return req, fmt.Errorf("query parameter after is %.40q; in a stream it must be a version, such as 3", after)
	}
	req.version = int32(version)
	return req, nil
}

// getEvents is not cached: a follower requests what nobody has requested before.
func (a *API) getEvents(c *gin.Context) {
	var req eventRequest
	tenant, ok := asked(c, func(query string) (err error) {
		req, err = parseEventRequest(query)
		return err
	})
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(c.Request.Context(), a.timeout)
	defer cancel()
	body, err := a.readEvents(ctx, tenant, &req)
	if err != nil {
		a.fail(c, err)
		return
	}
	sendBody(c, http.StatusOK, body)
}

func (a *API) readEvents(ctx context.Context, tenant store.ID, req *eventRequest) ([]byte, error) {
	// Each change that writes an event invalidates one of these before it is acknowledged.
	after := a.cache.RequiredLSN(cache.Scope{Tenant: tenant, Kind: cache.Resources},
		cache.Scope{Tenant: tenant, Kind: cache.Policies},
		cache.Scope{Tenant: tenant, Kind: cache.Evaluations}, cache.Scope{Tenant: tenant, Kind: cache.Costs})
	return a.appendEvents(ctx, make([]byte, 0, listBuffer+min(req.limit, 50)*eventBuffer), tenant, req, after)
}

// appendEvents ends with the position to continue from, which is the requested one when no event has followed it.
func (a *API) appendEvents(ctx context.Context, body []byte, tenant store.ID, req *eventRequest,
	after store.LSN,
) ([]byte, error) {
	body = append(body, `{"data":`...)
	var more bool
	var err error
	if req.stream != nil {
		var last int32
		body, last, more, err = a.store.AppendStream(ctx, body, tenant, *req.stream, req.version, req.limit, after)
		if err != nil {
			return nil, err
		}
		body = append(body, `,"next_after":"`...)
		body = strconv.AppendInt(body, int64(last), 10)
	} else {
		var last store.EventPosition
		body, last, more, err = a.store.AppendEvents(ctx, body, tenant, req.place, req.limit, after)
		if err != nil {
			return nil, err
		}
		body = append(body, `,"next_after":"`...)
		body = last.Append(body)
	}
	body = append(body, `","has_more":`...)
	return append(strconv.AppendBool(body, more), '}'), nil
}
