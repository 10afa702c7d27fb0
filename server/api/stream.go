package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/policycortex/headroom/server/realtime"
	"github.com/policycortex/headroom/server/store"
)

const (
	streamPath = "/api/v1/stream"

	defaultHeartbeat          = 15 * time.Second
	defaultStreamWriteTimeout = 10 * time.Second
)

func (a *API) streamRoutes(handle handleFunc) { handle(http.MethodGet, streamPath, a.stream) }

// parseStreamRequest returns the position after which a stream begins; nil for now. An EventSource that reconnects
// sends the id of the last event that it got in a header, and the parameter that it began with.
func parseStreamRequest(query string, lastEventID []string) (after *store.EventPosition, err error) {
	parse := func(what, text string) error {
		at, err := store.ParseEventPosition(text)
		if err != nil {
			return fmt.Errorf("%s: %w; send the id of the last event that was received, or leave it out", what, err)
		}
		after = &at
		return nil
	}
	err = eachParameter(query, func(name, value string) error {
		if name == "after" {
			return parse("query parameter after", value)
		}
		return unknownParameter(name, "after")
	})
	if err == nil && len(lastEventID) > 0 && lastEventID[0] != "" {
		err = parse("the header Last-Event-ID", lastEventID[0])
	}
	return after, err
}

// stream sends the events of a tenant as they are committed, until the client leaves: as server-sent events, or over a
// WebSocket if the client asks for one.
func (a *API) stream(c *gin.Context) {
	var after *store.EventPosition
	tenant, ok := asked(c, func(query string) (err error) {
		after, err = parseStreamRequest(query, c.Request.Header["Last-Event-Id"])
		return err
	})
	if !ok {
		return
	}
	s, ok := a.subscribe(c, tenant, after)
	if !ok {
		return
	}
	defer s.Close()
	if wantsWebSocket(c.Request) {
		a.streamWebSocket(c, s)
	} else {
		a.streamEvents(c, s)
	}
}

// subscribe begins a stream. If ok is false, it has answered the request.
func (a *API) subscribe(c *gin.Context, tenant store.ID, after *store.EventPosition) (s *realtime.Subscription,
	ok bool,
) {
	// The server's time limit for reading a request would end the stream. An error would come again with the first
	// write.
	http.NewResponseController(c.Writer).SetReadDeadline(time.Time{})
	ctx, cancel := context.WithTimeout(c.Request.Context(), a.timeout)
	s, err := a.hub.Subscribe(ctx, tenant, after)
	cancel()
	if err != nil {
		a.refuseStream(c, err)
		return nil, false
	}
	// A stream is not one of the requests under way: the hub bounds their number.
	a.pipeline.leave(exchangeOf(c))
	return s, true
}

func (a *API) refuseStream(c *gin.Context, err error) {
	switch {
	case errors.Is(err, realtime.ErrUnknownPosition):
		refuse(c, http.StatusBadRequest, "No event of this database has such an id yet, so it comes from another "+
			"one. Leave out Last-Event-ID and after to begin now.")
	case errors.Is(err, realtime.ErrFull):
		c.Writer.Header()["Retry-After"] = retrySoon
		refuse(c, http.StatusServiceUnavailable,
			"The server has as many streams as it allows. Try again after the time in Retry-After.")
	case errors.Is(err, realtime.ErrClosed):
		c.Writer.Header()["Retry-After"] = retryNext
		refuse(c, http.StatusServiceUnavailable,
			"The server is shutting down. Try again after the time in Retry-After.")
	default:
		a.fail(c, err)
	}
}

// streamWriter is a client's end of a stream.
type streamWriter interface {
	// send writes events, and place the position up to which there are no others. Both return when the client's system
	// has taken what they wrote, or may take it without waiting.
	send(events []*realtime.Event) error
	place(at store.EventPosition) error
	// end says why the stream ends, if the client can be told, and where to continue.
	end(at store.EventPosition, why error)
}

// deliver writes a stream until it ends. What is measured of its request is the time until then: the rest takes as long
// as the client stays.
func (a *API) deliver(ctx context.Context, c *gin.Context, s *realtime.Subscription, to streamWriter) {
	a.pipeline.measure(c, exchangeOf(c))
	err := to.place(s.At())
	quiet := time.NewTimer(a.heartbeat)
	defer quiet.Stop()
	for err == nil {
		events, ended := s.Next(ctx, quiet.C)
		switch {
		case ended != nil:
			a.endStream(ctx, s.At(), to, ended)
			return
		case len(events) == 0:
			err = to.place(s.At())
		default:
			err = to.send(events)
		}
		if err == nil {
			a.metrics.streams.delivered(events, s.Current())
			quiet.Reset(a.heartbeat)
		}
	}
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) { // else it has left
		a.metrics.streams.dropped.Inc()
	}
}

// endStream ends a stream that its client has not ended.
func (a *API) endStream(ctx context.Context, at store.EventPosition, to streamWriter, why error) {
	switch {
	case ctx.Err() != nil: // it has
		return
	case errors.Is(why, realtime.ErrSlow):
		a.metrics.streams.dropped.Inc()
	case !errors.Is(why, realtime.ErrClosed):
		a.logger.Warn("a stream ended, since its events could not be read", "at", at, "error", why)
	}
	to.end(at, why)
}

// wantsWebSocket reports whether a request asks for a WebSocket; whether it does so correctly is seen later.
func wantsWebSocket(r *http.Request) bool {
	for _, protocols := range r.Header["Upgrade"] {
		for protocol := range strings.SplitSeq(protocols, ",") {
			if strings.EqualFold(strings.TrimSpace(protocol), "websocket") {
				return true
			}
		}
	}
	return false
}
