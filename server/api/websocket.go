package api

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"
	"github.com/gin-gonic/gin"

	"github.com/policycortex/headroom/server/realtime"
	"github.com/policycortex/headroom/server/store"
)

// socket writes the messages of a WebSocket: an event as in a list of events, or a position alone.
type socket struct {
	conn    *websocket.Conn
	timeout time.Duration // of one write
	text    []byte
}

// streamWebSocket answers with a WebSocket. A message from the client ends it.
func (a *API) streamWebSocket(c *gin.Context, s *realtime.Subscription) {
	// Compression would cost every subscriber its own work and memory.
	conn, err := websocket.Accept(&handshake{ResponseWriter: c.Writer, c: c}, c.Request,
		&websocket.AcceptOptions{CompressionMode: websocket.CompressionDisabled})
	if err != nil {
		return // and answered
	}
	defer conn.CloseNow()
	ctx, cancel := context.WithCancel(c.Request.Context())
	defer cancel()
	go func() { // ends with the connection
		defer cancel()
		// It also answers pings and closing. (The library's CloseRead waits 15 s for itself when a message comes.)
		if _, _, err := conn.Reader(ctx); err == nil {
			conn.Close(websocket.StatusPolicyViolation, "this WebSocket sends events and takes no messages")
		}
	}()
	a.deliver(ctx, c, s, &socket{conn: conn, timeout: a.streamTimeout})
}

// handshake turns the plain text with which the library refuses a handshake into a problem.
type handshake struct {
	gin.ResponseWriter
	c       *gin.Context
	refused int // the status; 0 unless it is refused
}

// WriteHeader keeps the status of a refusal until its text is known.
func (h *handshake) WriteHeader(status int) {
	if status >= http.StatusBadRequest {
		h.refused = status
		return
	}
	h.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (h *handshake) Write(text []byte) (int, error) {
	if h.refused == 0 {
		return h.ResponseWriter.Write(text)
	}
	refuse(h.c, h.refused, "This is no handshake of a WebSocket: "+strings.TrimSpace(string(text))+".")
	return len(text), nil
}

func (s *socket) send(events []*realtime.Event) error {
	ctx, cancel := context.WithTimeout(context.Background(), s.timeout)
	defer cancel()
	for _, e := range events {
		if err := s.conn.Write(ctx, websocket.MessageText, e.JSON()); err != nil {
			return err
		}
	}
	return nil
}

func (s *socket) place(at store.EventPosition) error {
	ctx, cancel := context.WithTimeout(context.Background(), s.timeout)
	defer cancel()
	s.text = append(s.text[:0], `{"place":"`...)
	s.text = append(at.Append(s.text), `"}`...)
	return s.conn.Write(ctx, websocket.MessageText, s.text)
}

func (s *socket) end(at store.EventPosition, why error) {
	status := websocket.StatusInternalError
	switch {
	case errors.Is(why, realtime.ErrClosed):
		status = websocket.StatusServiceRestart
	case errors.Is(why, realtime.ErrSlow):
		status = websocket.StatusTryAgainLater
	}
	s.conn.Close(status, "continue after "+at.String()) // an error means that the client has left
}
