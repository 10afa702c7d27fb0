package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/policycortex/headroom/server/realtime"
	"github.com/policycortex/headroom/server/store"
)

// EventFormat appends a server-sent event to dst.
type EventFormat func(dst []byte, e *realtime.Event) []byte

// Follow answers with a tenant's events as they are committed, after a place or from now on, until the client leaves.
// Between them comments are sent. A stream that the server ends just ends, and the client can continue elsewhere.
func (a *API) Follow(c *gin.Context, tenant store.ID, after *store.EventPosition, format EventFormat) {
	if a.hub == nil {
		refuse(c, http.StatusNotImplemented, "This server has no streams of events.")
		return
	}
	s, ok := a.subscribe(c, tenant, after)
	if !ok {
		return
	}
	defer s.Close()
	beginEvents(c)
	w := underneath(c.Writer)
	to := &formatted{
		serverSent: serverSent{w: w, control: http.NewResponseController(w), timeout: a.streamTimeout}, format: format,
	}
	err := to.bound()
	switch {
	case errors.Is(err, http.ErrNotSupported):
		to.once(c.Request.Context(), s)
	case err == nil:
		a.deliver(c.Request.Context(), c, s, to)
	}
}

// formatted writes server-sent events in another format.
type formatted struct {
	serverSent
	format EventFormat
}

func (f *formatted) send(events []*realtime.Event) error {
	err := f.bound()
	if err != nil {
		return err
	}
	for _, e := range events {
		f.text = f.format(f.text[:0], e)
		_, err = f.w.Write(f.text)
		if err != nil {
			return err
		}
	}
	return f.control.Flush()
}

// quietly is a comment, which no client takes for an event.
var quietly = []byte(":\n\n")

func (f *formatted) place(store.EventPosition) error {
	err := f.bound()
	if err != nil {
		return err
	}
	_, err = f.w.Write(quietly)
	if err != nil {
		return err
	}
	return f.control.Flush()
}

// end says nothing: a word that the stream is complete would keep the client from continuing.
func (f *formatted) end(store.EventPosition, error) {}

// once writes what there is at present: see [serverSent.once].
func (f *formatted) once(ctx context.Context, from *realtime.Subscription) {
	atOnce := make(chan time.Time)
	close(atOnce)
	for {
		events, err := from.Next(ctx, atOnce)
		if err != nil || len(events) == 0 {
			return
		}
		for _, e := range events {
			f.text = f.format(f.text[:0], e)
			f.w.Write(f.text) // an error means that the client has left
		}
	}
}
