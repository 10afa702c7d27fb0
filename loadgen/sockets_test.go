package loadgen

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/judge"
	"github.com/policycortex/headroom/scenarios"
)

// sockets is a service whose WebSockets break after some messages, one in two without a word. The messages of each
// subscriber are numbered.
type sockets struct {
	mu     sync.Mutex
	opened int
	last   map[string]int // number of the last message, by path
	hellos map[string]int // first messages of subscribers
}

const messagesOfSocket = 5

func (f *sockets) handle(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer conn.CloseNow()
	_, hello, err := conn.Read(r.Context())
	if err != nil {
		return
	}
	f.mu.Lock()
	f.opened++
	polite := f.opened%2 == 0
	f.hellos[r.URL.Path+" "+string(hello)]++
	f.mu.Unlock()
	for range messagesOfSocket {
		f.mu.Lock()
		f.last[r.URL.Path]++
		n := f.last[r.URL.Path]
		f.mu.Unlock()
		message := fmt.Sprintf(`{"id": %d, "at": %d}`, n, time.Now().UnixMicro())
		if conn.Write(r.Context(), websocket.MessageText, []byte(message)) != nil {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	if polite {
		conn.Close(websocket.StatusGoingAway, "restart")
	}
}

// TestSockets: messages of WebSockets are counted and timed as events are, and subscribers come again after breaks.
func TestSockets(t *testing.T) {
	t.Parallel()
	f := sockets{last: map[string]int{}, hellos: map[string]int{}}
	plan := liveOf(3, 500*time.Millisecond, scenarios.Template{{Literal: "/"}, {Value: scenarios.ValueIteration}})
	load := plan.Scenarios[0].Load.(scenarios.Subscribers)
	load.Protocol, load.Resume = scenarios.WebSocket, false
	plan.Scenarios[0].Load = load
	plan.Scenarios[0].Requests[0].Body = scenarios.Template{
		{Literal: "subscribe "},
		{Value: scenarios.ValueIteration},
	}
	m := run1(t, plan, serve(t, f.handle), Options{})
	s := m.Streams[0]
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range 3 {
		if hello := fmt.Sprintf("/%d subscribe %[1]d", i); f.hellos[hello] < 2 || len(f.hellos) != 3 {
			t.Errorf("said %v", f.hellos)
		}
	}
	if s.Breaks < 3 || s.Errors["ended by the service"] == 0 || s.Errors["ended by the service"] == s.Breaks ||
		s.Refused != 0 || s.Resumed != 0 || s.Opened < s.Breaks {
		t.Errorf("%+v", s.StreamCounts)
	}
	if s.Events < 3*messagesOfSocket || s.Numbered != s.Events || s.Repeated != 0 || s.Delivery.Count() != s.Events ||
		s.FromFuture != 0 || s.Bytes == 0 || s.FirstEvent.Count() == 0 || s.Gap.Count() != s.Events-3 {
		t.Errorf("%+v, %d timed, %d gaps", s.StreamCounts, s.Delivery.Count(), s.Gap.Count())
	}
	holdStreamSeconds(t, m)
	if m.Engine != "streams (WebSocket)" {
		t.Errorf("sent by %q", m.Engine)
	}
}

// TestSocketsOfAPage: an answer that opens no WebSocket is a failed attempt. Only what is temporary is tried again.
func TestSocketsOfAPage(t *testing.T) {
	t.Parallel()
	for status, again := range map[int]bool{
		http.StatusBadGateway: true, http.StatusOK: false, http.StatusFound: false, http.StatusForbidden: false,
	} {
		plan := liveOf(1, 300*time.Millisecond, literal("/"))
		load := plan.Scenarios[0].Load.(scenarios.Subscribers)
		load.Protocol = scenarios.WebSocket
		plan.Scenarios[0].Load = load
		m := run1(t, plan, serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }), Options{})
		s := m.Streams[0]
		if s.Opened != 0 || s.Errors[fmt.Sprintf("status %d", status)] == 0 || again != (s.Attempts > 1) ||
			again != (s.Refused == 0) {
			t.Errorf("%d: %+v", status, s.StreamCounts)
		}
		v, err := judge.Run(m, nil)
		if err != nil || v.Outcome != results.Fail {
			t.Errorf("%+v, %v", v, err)
		}
	}
}
