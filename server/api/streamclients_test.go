package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/google/uuid"
)

// streamed is an event as a stream sends it.
type streamed struct {
	Place      string
	Type       string
	StreamID   uuid.UUID `json:"stream_id"`
	Version    int
	Payload    struct{ Name string }
	OccurredAt time.Time `json:"occurred_at"`

	raw string
}

// stream is a client's end of a stream, over either protocol.
type stream interface {
	// next returns the next event, and an error when the stream ends before.
	next() (streamed, error)
	// last is the last position that was received, also without an event.
	last() string
	leave()
}

// kinds of streams, by the names of tests.
var kinds = map[string]func(t testing.TB, url, tenant, after string) stream{
	"server-sent events": func(t testing.TB, url, tenant, after string) stream {
		return openEvents(t, url+streamPath, tenant, after)
	},
	"WebSocket": openWebSocket,
}

// streamTimeout bounds a stream that gets nothing, so that a test that waits in vain ends.
const streamTimeout = time.Minute

// eventSource reads server-sent events.
type eventSource struct {
	response *http.Response
	lines    *bufio.Scanner
	cancel   context.CancelFunc
	id       string
	retry    string
	beats    int // events without data
}

func openEvents(t testing.TB, url, tenant, lastEventID string) *eventSource {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), streamTimeout)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Tenant-ID", tenant)
	if lastEventID != "" {
		r.Header.Set("Last-Event-ID", lastEventID)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	s := &eventSource{response: response, lines: bufio.NewScanner(response.Body), cancel: cancel, id: lastEventID}
	s.lines.Buffer(nil, 1<<20)
	t.Cleanup(s.leave)
	if response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") != "text/event-stream" {
		body, _ := io.ReadAll(response.Body)
		t.Fatalf("status %d, headers %v: %s", response.StatusCode, response.Header, body)
	}
	return s
}

// block reads up to an empty line: one event, with or without data.
func (s *eventSource) block() (data string, err error) {
	for s.lines.Scan() {
		name, value, _ := strings.Cut(s.lines.Text(), ": ")
		switch name {
		case "":
			return data, nil
		case "id":
			s.id = value
		case "data":
			data += value
		case "retry":
			s.retry = value
		default:
			return "", fmt.Errorf("an unexpected line: %q", s.lines.Text())
		}
	}
	err = s.lines.Err()
	if err == nil {
		err = io.EOF
	}
	return "", err
}

func (s *eventSource) next() (streamed, error) {
	for {
		data, err := s.block()
		switch {
		case err != nil:
			return streamed{}, err
		case data == "":
			s.beats++
			continue
		}
		e, err := readStreamed(data)
		if err == nil && e.Place != s.id {
			err = fmt.Errorf("the id %s of an event at %s", s.id, e.Place)
		}
		return e, err
	}
}

func (s *eventSource) last() string { return s.id }

func (s *eventSource) leave() {
	s.cancel()
	s.response.Body.Close()
}

func readStreamed(data string) (streamed, error) {
	e := streamed{raw: data}
	err := json.Unmarshal([]byte(data), &e)
	return e, err
}

// webSocket reads the messages of a WebSocket.
type webSocket struct {
	conn   *websocket.Conn
	ctx    context.Context
	cancel context.CancelFunc
	place  string
}

func openWebSocket(t testing.TB, url, tenant, after string) stream {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), streamTimeout)
	if after != "" {
		after = "?after=" + after
	}
	conn, _, err := websocket.Dial(ctx, url+streamPath+after,
		&websocket.DialOptions{HTTPHeader: http.Header{"X-Tenant-Id": {tenant}}})
	if err != nil {
		t.Fatal(err)
	}
	conn.SetReadLimit(1 << 20)
	s := &webSocket{conn: conn, ctx: ctx, cancel: cancel, place: strings.TrimPrefix(after, "?after=")}
	t.Cleanup(s.leave)
	return s
}

func (s *webSocket) next() (streamed, error) {
	for {
		kind, message, err := s.conn.Read(s.ctx)
		if err != nil {
			return streamed{}, err
		}
		e, err := readStreamed(string(message))
		if kind != websocket.MessageText || e.Place == "" {
			err = fmt.Errorf("a message of kind %v: %s", kind, message)
		}
		s.place = e.Place
		if err != nil || e.Type != "" {
			return e, err
		}
	}
}

func (s *webSocket) last() string { return s.place }

func (s *webSocket) leave() {
	s.conn.CloseNow()
	s.cancel()
}

func expectEvent(t testing.TB, s stream) streamed {
	t.Helper()
	e, err := s.next()
	if err != nil {
		t.Fatal(err)
	}
	return e
}
