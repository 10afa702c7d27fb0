package api

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/policycortex/headroom/server/realtime"
	"github.com/policycortex/headroom/server/store"
)

var (
	eventStreamContentType = []string{"text/event-stream"}
	noProxyBuffer          = []string{"no"}
)

// serverSent writes server-sent events (WHATWG HTML, section 9.2).
type serverSent struct {
	w       http.ResponseWriter // net/http's own
	control *http.ResponseController
	timeout time.Duration // of one write
	text    []byte
}

// streamEvents answers with server-sent events.
func (a *API) streamEvents(c *gin.Context, s *realtime.Subscription) {
	beginEvents(c)
	if c.Request.Method == http.MethodHead {
		return
	}
	w := underneath(c.Writer)
	to := &serverSent{w: w, control: http.NewResponseController(w), timeout: a.streamTimeout}
	err := to.bound()
	if errors.Is(err, http.ErrNotSupported) {
		to.once(c.Request.Context(), s)
		return
	}
	if err == nil {
		err = to.retry(500*time.Millisecond, 1500*time.Millisecond)
	}
	if err == nil {
		a.deliver(c.Request.Context(), c, s, to)
	}
}

func beginEvents(c *gin.Context) {
	header := c.Writer.Header()
	header["Content-Type"] = eventStreamContentType
	header["Cache-Control"] = noStore
	header["X-Accel-Buffering"] = noProxyBuffer // nginx would keep the events back
	c.Writer.WriteHeader(http.StatusOK)
	c.Writer.WriteHeaderNow()
}

// underneath returns the writer that the middleware has wrapped. It tells of failures, and bounds a write in time.
func underneath(w http.ResponseWriter) http.ResponseWriter {
	for {
		wrapped, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return w
		}
		w = wrapped.Unwrap()
	}
}

// once writes what there is at present, over a connection on which writes cannot be bounded in time. Its client
// continues with its next request.
func (s *serverSent) once(ctx context.Context, from *realtime.Subscription) {
	atOnce := make(chan time.Time)
	close(atOnce)
	for {
		events, err := from.Next(ctx, atOnce)
		if err != nil || len(events) == 0 {
			s.w.Write(s.appendPlace(from.At())) // an error means that the client has left
			return
		}
		for _, e := range events {
			s.w.Write(e.ServerSent())
		}
	}
}

// retry says how long the client should wait before it connects again: a random time, so that many do not come at once.
func (s *serverSent) retry(least, most time.Duration) error {
	s.text = append(s.text[:0], "retry: "...)
	s.text = strconv.AppendInt(s.text, (least + rand.N(most-least)).Milliseconds(), 10)
	s.text = append(s.text, "\n\n"...)
	_, err := s.w.Write(s.text)
	return err
}

// bound gives the writes that follow their time.
func (s *serverSent) bound() error { return s.control.SetWriteDeadline(time.Now().Add(s.timeout)) }

func (s *serverSent) send(events []*realtime.Event) error {
	if err := s.bound(); err != nil {
		return err
	}
	for _, e := range events {
		if _, err := s.w.Write(e.ServerSent()); err != nil {
			return err
		}
	}
	return s.control.Flush()
}

// place writes an event that has an id and no data. A client takes note of the id, and is not told of an event.
func (s *serverSent) place(at store.EventPosition) error {
	if err := s.bound(); err != nil {
		return err
	}
	if _, err := s.w.Write(s.appendPlace(at)); err != nil {
		return err
	}
	return s.control.Flush()
}

func (s *serverSent) appendPlace(at store.EventPosition) []byte {
	s.text = append(s.text[:0], "id: "...)
	s.text = append(at.Append(s.text), "\n\n"...)
	return s.text
}

func (s *serverSent) end(at store.EventPosition, why error) {
	if err := s.bound(); err != nil {
		return
	}
	least, most := 500*time.Millisecond, 2500*time.Millisecond
	if errors.Is(why, realtime.ErrSlow) { // what it has missed has to be read from the store
		least, most = time.Second, 5*time.Second
	}
	if err := s.retry(least, most); err == nil {
		s.place(at)
	}
}
