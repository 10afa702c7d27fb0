package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/google/uuid"

	"github.com/policycortex/headroom/server/api"
	"github.com/policycortex/headroom/server/middleware"
	"github.com/policycortex/headroom/server/realtime"
	"github.com/policycortex/headroom/server/store"
)

const streamPath = "/api/v1/stream"

// TestStreams: an event arrives with its position and its time, in the same words over both protocols, and in those of
// the feed. Its time lies between that before the change and that of its receipt.
func TestStreams(t *testing.T) {
	s, tenant := newService(t), newTenant()
	server := serveWith(t, s, api.Options{})
	var open []stream
	for _, kind := range kinds {
		open = append(open, kind(t, server.URL, tenant, ""))
	}
	before := time.Now().Truncate(time.Microsecond) // what Postgres keeps
	p := s.createPolicy(t, tenant, "p")
	raw := ""
	for _, one := range open {
		e := expectEvent(t, one)
		if e.Type != "policy.created" || e.StreamID != p.ID || e.Version != 1 || e.Payload.Name != "p" ||
			one.last() != e.Place {
			t.Errorf("got %s", e.raw)
		}
		if e.OccurredAt.Before(before) || e.OccurredAt.After(time.Now()) {
			t.Errorf("it occurred at %s, and was asked for after %s", e.OccurredAt, before)
		}
		if raw != "" && raw != e.raw {
			t.Errorf("one protocol sent %s, the other %s", raw, e.raw)
		}
		raw = e.raw
	}
	if feed := s.get(t, tenant, "/api/v1/events").Body.String(); !strings.Contains(feed, "["+raw+"]") {
		t.Errorf("the feed has %s, the streams %s", feed, raw)
	}
	eventually(t, "the metrics of both", func() bool {
		_, metrics := over(t, http.MethodGet, server.URL+"/metrics", nil)
		return strings.Contains(metrics, "\nheadroom_stream_subscribers 2\n") &&
			strings.Contains(metrics, "\nheadroom_stream_events_total 2\n") &&
			// An event that comes before a subscriber has caught up does not count.
			strings.Contains(metrics, "\nheadroom_stream_lag_seconds_count ") &&
			strings.Contains(metrics, "\nheadroom_stream_dropped_total 0\n")
	})
}

// TestStreamIsContinuedWithoutGapOrDouble over many connections, now of one protocol and now of the other, now at one
// instance and now at another, while several writers write through both.
func TestStreamIsContinuedWithoutGapOrDouble(t *testing.T) {
	first, second, tenant := newService(t), newService(t), newTenant()
	servers := []*httptest.Server{serveWith(t, first, api.Options{}), serveWith(t, second, api.Options{})}
	const writers, each = 4, 50
	start := openEvents(t, servers[0].URL+streamPath, tenant, "")
	if _, err := start.block(); err != nil { // retry
		t.Fatal(err)
	}
	if _, err := start.block(); err != nil { // where it begins
		t.Fatal(err)
	}
	last := start.last()
	start.leave()
	var writing sync.WaitGroup
	var want []string
	for w := range writers {
		for i := range each {
			want = append(want, fmt.Sprintf("w%d.%d", w, i))
		}
		s := []*service{first, second}[w%2]
		writing.Go(func() {
			for i := range each {
				s.createPolicy(t, tenant, fmt.Sprintf("w%d.%d", w, i))
			}
		})
	}
	defer writing.Wait()
	var got []string
	at, err := store.ParseEventPosition(last)
	if err != nil {
		t.Fatal(err)
	}
	for connection := 0; len(got) < len(want); connection++ {
		kind := []string{"server-sent events", "WebSocket"}[connection/2%2]
		reader := kinds[kind](t, servers[connection%2].URL, tenant, last)
		for range min(1+connection*7%13, len(want)-len(got)) {
			e := expectEvent(t, reader)
			place, err := store.ParseEventPosition(e.Place)
			if err != nil || place.Compare(at) <= 0 {
				t.Fatalf("%s (error %v) came after %s", e.Place, err, at)
			}
			at, last = place, e.Place
			got = append(got, e.Payload.Name)
		}
		reader.leave()
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got %d events, not each of %d once: %v", len(got), len(want), got)
	}
}

// TestStreamsAreThoseOfTheTenant: of two tenants each gets its own events, in the order of its changes, and no others.
func TestStreamsAreThoseOfTheTenant(t *testing.T) {
	s := newService(t)
	server := serveWith(t, s, api.Options{})
	for name, kind := range kinds {
		tenants := []string{newTenant(), newTenant()}
		var streams []stream
		for _, tenant := range tenants {
			streams = append(streams, kind(t, server.URL, tenant, ""))
		}
		const changes = 10
		for i := range changes {
			for k, tenant := range tenants {
				s.createPolicy(t, tenant, fmt.Sprintf("%d of %d", i, k))
			}
		}
		for k := range tenants {
			for i := range changes {
				if e := expectEvent(t, streams[k]); e.Payload.Name != fmt.Sprintf("%d of %d", i, k) {
					t.Errorf("%s: tenant %d got %s as its event %d", name, k, e.raw, i)
				}
			}
		}
		// a position of the other one's is only a position
		other := kind(t, server.URL, tenants[0], streams[1].last())
		s.createPolicy(t, tenants[1], "of the other")
		s.createPolicy(t, tenants[0], "own")
		if e := expectEvent(t, other); e.Payload.Name != "own" {
			t.Errorf("%s: from the position of another tenant: %s", name, e.raw)
		}
	}
}

// TestSlowReaderIsDroppedAndContinues: who does not read is dropped, and who then continues with the last id that has
// arrived misses nothing.
func TestSlowReaderIsDroppedAndContinues(t *testing.T) {
	s, tenant := newService(t), newTenant()
	server := httptest.NewUnstartedServer(api.New(api.Options{
		Store: s.store, Cache: s.cache, Hub: s.hub, Logger: slog.New(slog.DiscardHandler),
		StreamWriteTimeout: 100 * time.Millisecond,
	}))
	server.Config.ConnState = func(c net.Conn, state http.ConnState) {
		if state == http.StateNew { // the system would keep megabytes of events before a write waits
			_ = c.(*net.TCPConn).SetWriteBuffer(32 << 10)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	drops := 0
	for name, kind := range kinds {
		slow := kind(t, server.URL, tenant, "")
		drops++
		dropped := func() bool {
			_, metrics := over(t, http.MethodGet, server.URL+"/metrics", nil)
			return strings.Contains(metrics, fmt.Sprintf("\nheadroom_stream_dropped_total %d\n", drops))
		}
		written := 0
		for !dropped() {
			if written > 2000 {
				t.Fatalf("%s: after %d events nobody is dropped", name, written)
			}
			s.appendEvent(t, tenant, fmt.Sprint(written), 200_000)
			written++
		}
		read := 0
		expect := func(from stream) error {
			e, err := from.next()
			if err == nil && e.Payload.Name != fmt.Sprint(read) {
				t.Fatalf("%s: event %d is %.200s", name, read, e.raw)
			}
			if err == nil {
				read++
			}
			return err
		}
		last := slow.last()
		for expect(slow) == nil {
			last = slow.last()
		}
		if read == written {
			t.Errorf("%s: all %d events had arrived", name, read)
		}
		next := kind(t, server.URL, tenant, last)
		for read < written {
			if err := expect(next); err != nil {
				t.Fatalf("%s: after %d of %d events: %v", name, read, written, err)
			}
		}
		next.leave()
	}
}

// appendEvent writes an event with a payload of some bytes and tells the hub.
func (s *service) appendEvent(t testing.TB, tenant, name string, bytes int) {
	t.Helper()
	id := store.ID(uuid.MustParse(tenant))
	payload := fmt.Sprintf(`{"name":%q,"filler":%q}`, name, strings.Repeat("x", bytes))
	if _, err := s.store.AppendEvent(t.Context(), id, store.ID(uuid.New()), 0, "test.happened",
		json.RawMessage(payload)); err != nil {
		t.Fatal(err)
	}
	s.hub.Changed(id)
}

// TestKilledListenerLosesNothing: the connections over which instances hear of each other are killed again and again
// while one instance writes and subscribers of another read.
func TestKilledListenerLosesNothing(t *testing.T) {
	writer, reader, tenant := newService(t), newService(t), newTenant()
	server := serveWith(t, reader, api.Options{})
	admin := connect(t)
	var streams []stream
	for _, kind := range kinds {
		streams = append(streams, kind(t, server.URL, tenant, ""))
	}
	const changes = 30
	killed := 0
	for i := range changes {
		var n int
		err := admin.QueryRow(t.Context(), `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
 WHERE application_name = 'headroom events' AND datname = current_database()`).Scan(&n)
		if err != nil {
			t.Fatal(err)
		}
		killed += n
		writer.createPolicy(t, tenant, fmt.Sprint(i))
	}
	if killed < 2 {
		t.Fatalf("%d connections were killed: this shows nothing", killed)
	}
	for _, one := range streams {
		for i := range changes {
			if e := expectEvent(t, one); e.Payload.Name != fmt.Sprint(i) {
				t.Fatalf("event %d is %s", i, e.raw)
			}
		}
	}
}

// TestStreamOutlivesTheLimitsOfRequests: those of the server on reading and writing, that on requests under way, and
// that of a request's time. What is measured of it is the time until it begins. It is not compressed.
func TestStreamOutlivesTheLimitsOfRequests(t *testing.T) {
	s, tenant := newService(t), newTenant()
	a := api.New(api.Options{
		Store: s.store, Cache: s.cache, Hub: s.hub, StreamHeartbeat: 20 * time.Millisecond, MaxUnderWay: 1,
		Timeout: time.Second, Rate: middleware.Rate{PerSecond: 1000, Burst: 1000},
		Logger: slog.New(slog.DiscardHandler),
	})
	server := httptest.NewUnstartedServer(a)
	const limit = 400 * time.Millisecond
	server.Config.ReadTimeout, server.Config.WriteTimeout = limit, limit
	server.Start()
	t.Cleanup(server.Close)
	events := openEvents(t, server.URL+streamPath, tenant, "")
	socket := openWebSocket(t, server.URL, tenant, "")
	for began := time.Now(); events.beats < 30 || time.Since(began) < 2*limit; {
		if _, err := events.block(); err != nil {
			t.Fatalf("after %s and %d heartbeats: %v", time.Since(began), events.beats, err)
		}
		events.beats++
	}
	s.createPolicy(t, tenant, "p")
	for _, one := range []stream{events, socket} {
		if e := expectEvent(t, one); e.Payload.Name != "p" {
			t.Errorf("got %s", e.raw)
		}
	}
	header := events.response.Header
	if header.Get("Content-Encoding") != "" || header.Get("Etag") != "" || header.Get("X-Request-Id") == "" ||
		header.Get("X-Ratelimit-Remaining") == "" || header.Get("Cache-Control") != "no-store" {
		t.Errorf("headers: %v", header)
	}
	response, _ := over(t, http.MethodGet, server.URL+resourcesPath, nil, "X-Tenant-ID", tenant)
	if response.StatusCode != http.StatusOK {
		t.Errorf("beside the streams, status %d", response.StatusCode)
	}
	stats := a.RouteStats()[streamPath]
	if stats.Requests["2xx"] != 1 || stats.Requests["1xx"] != 1 || stats.Durations.Max() >= 1_000_000 {
		t.Errorf("measured: %v, the longest %d µs", stats.Requests, stats.Durations.Max())
	}
}

// TestStreamsEndWithTheServer: they say when and where to continue, and new ones are refused.
func TestStreamsEndWithTheServer(t *testing.T) {
	s, tenant := newService(t), newTenant()
	server := serveWith(t, s, api.Options{})
	events := openEvents(t, server.URL+streamPath, tenant, "")
	socket := openWebSocket(t, server.URL, tenant, "").(*webSocket)
	p := s.createPolicy(t, tenant, "p")
	for _, one := range []stream{events, socket} {
		if e := expectEvent(t, one); e.StreamID != p.ID {
			t.Errorf("got %s", e.raw)
		}
	}
	place, retry := events.last(), events.retry
	events.retry = ""
	s.EndStreams()
	if e, err := events.next(); !errors.Is(err, io.EOF) || events.retry == "" || retry == "" {
		t.Errorf("got %s, error %v, retry %q and %q", e.raw, err, retry, events.retry)
	}
	at, errAt := store.ParseEventPosition(place)
	end, errEnd := store.ParseEventPosition(events.last())
	if errAt != nil || errEnd != nil || end.Compare(at) < 0 {
		t.Errorf("the stream is to be continued after %s; the last event was at %s", events.last(), place)
	}
	e, err := socket.next()
	if websocket.CloseStatus(err) != websocket.StatusServiceRestart ||
		!strings.Contains(err.Error(), "continue after") {
		t.Errorf("got %s, error %v", e.raw, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), streamTimeout)
	defer cancel()
	if err := s.WaitForStreams(ctx); err != nil {
		t.Error(err)
	}
	if w := s.get(t, tenant, streamPath); w.Code != http.StatusServiceUnavailable ||
		w.Header().Get("Retry-After") == "" {
		t.Errorf("a new one: status %d, headers %v", w.Code, w.Header())
	}
}

func TestRefusedStreams(t *testing.T) {
	s, tenant := newService(t), newTenant()
	server := serveWith(t, s, api.Options{Hub: newHub(t, realtime.Options{Store: s.store, MaxSubscribers: 1})})
	const future = "9000000000000000000-1"
	for name, c := range map[string]struct {
		query   string
		headers []string
		status  int
		mention string
	}{
		"a wrong id":            {"", []string{"Last-Event-ID", "x"}, http.StatusBadRequest, "Last-Event-ID"},
		"a wrong parameter":     {"?after=-1", nil, http.StatusBadRequest, "after"},
		"an unknown parameter":  {"?since=1-1", nil, http.StatusBadRequest, "since"},
		"another database's id": {"", []string{"Last-Event-ID", future}, http.StatusBadRequest, "no event"},
		"no tenant":             {"", []string{"X-Tenant-ID", ""}, http.StatusBadRequest, "X-Tenant-ID"},
		"half a handshake": {
			"", []string{"Upgrade", "websocket"}, http.StatusUpgradeRequired, "handshake",
		},
		"an old handshake": {
			"",
			[]string{"Upgrade", "websocket", "Connection", "Upgrade", "Sec-WebSocket-Version", "8"},
			http.StatusBadRequest, "handshake",
		},
		"another site's handshake": {
			"", []string{
				"Upgrade", "websocket", "Connection", "Upgrade", "Sec-WebSocket-Version", "13",
				"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==", "Origin", "https://example.com",
			}, http.StatusForbidden, "handshake",
		},
	} {
		headers := append([]string{"X-Tenant-ID", tenant}, c.headers...)
		response, body := over(t, http.MethodGet, server.URL+streamPath+c.query, nil, headers...)
		var p problem
		if err := json.Unmarshal([]byte(body), &p); err != nil || response.StatusCode != c.status ||
			!strings.Contains(strings.ToLower(p.Detail), strings.ToLower(c.mention)) || p.Status != c.status {
			t.Errorf("%s: status %d: %s (error %v)", name, response.StatusCode, body, err)
		}
	}
	head, _ := over(t, http.MethodHead, server.URL+streamPath, nil, "X-Tenant-ID", tenant)
	if head.StatusCode != http.StatusOK || head.Header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("HEAD: status %d, headers %v", head.StatusCode, head.Header)
	}
	only := openEvents(t, server.URL+streamPath, tenant, "")
	response, body := over(t, http.MethodGet, server.URL+streamPath, nil, "X-Tenant-ID", newTenant())
	if response.StatusCode != http.StatusServiceUnavailable || response.Header.Get("Retry-After") == "" {
		t.Errorf("one more than allowed: status %d: %s", response.StatusCode, body)
	}
	only.leave()
	eventually(t, "a place for another", func() bool {
		response, _ := over(t, http.MethodHead, server.URL+streamPath, nil, "X-Tenant-ID", tenant)
		return response.StatusCode == http.StatusOK
	})
}

// TestWebSocketIsForReading: a client that sends a message is told that this is not what it is for.
func TestWebSocketIsForReading(t *testing.T) {
	s := newService(t)
	socket := openWebSocket(t, serveWith(t, s, api.Options{}).URL, newTenant(), "").(*webSocket)
	if err := socket.conn.Write(socket.ctx, websocket.MessageText, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if e, err := socket.next(); websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
		t.Errorf("got %s, error %v", e.raw, err)
	}
	eventually(t, "the end of its subscription", func() bool { return s.hub.Subscribers() == 0 })
}
