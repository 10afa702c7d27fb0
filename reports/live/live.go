// Package live serves the page of a run while it goes on. It takes next to nothing from the run: what it is told once a
// second it keeps, and it judges and draws only for those who look, for a bounded part of one CPU's time.
package live

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/policycortex/headroom/reports"
	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/judge"
	"github.com/policycortex/headroom/scenarios"
)

const (
	// mostViewers is how many pages may follow a run at once.
	mostViewers = 8
	// restShare is how many times as long as it took to draw, nothing is drawn again.
	restShare = 50
	// mostJudging is how long gates are judged in one second; the last one that was begun is judged to its end.
	mostJudging = 10 * time.Millisecond
	// writeTimeout bounds what a viewer may take to receive an event.
	writeTimeout = 5 * time.Second
	// farewell bounds how long the viewers may take to receive the end.
	farewell = 2 * time.Second
)

// Second is what a run has measured until now. What it points to is only read until [Server.Second] returns.
type Second struct {
	Elapsed, Total time.Duration
	Scenarios      []reports.LiveScenario
	// Measurements have the points and the health of the seconds since the last call alone.
	Measurements *results.Measurements
	Flushed      []float64 // one a load: until when it has been measured, in seconds since the start
}

// Server serves the page of one run after another.
type Server struct {
	listener net.Listener
	http     http.Server
	served   chan struct{} // closed when it has stopped
	draw     chan struct{} // has one element when something is to be drawn
	stop     chan struct{} // closed when nothing is to be drawn any more
	drawn    sync.WaitGroup

	mu         sync.Mutex
	now        reports.Live
	thresholds []scenarios.Threshold
	judgedAt   []float64                  // when each was, in seconds since the start
	nextGate   int                        // that is judged
	firsts     map[string]map[string]bool // by scenario, the requests with which its flows begin
	viewers    map[chan frame]bool
}

// frame is an event of the page.
type frame struct {
	kind string // state or end
	data []byte
}

// Listen begins to serve at an address of this machine alone: "127.0.0.1:8080", where the port 0 is any that is free.
func Listen(address string) (*Server, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("%q is no address: write host and port, such as 127.0.0.1:8080", address)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	if !isLoopback(host) {
		return nil, fmt.Errorf("%s can be reached from other machines: the page is for this one alone; give a "+
			"loopback address, such as 127.0.0.1:%s, and look at it through a tunnel (ssh -L)", address, port)
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, err
	}
	s := &Server{
		listener: listener, served: make(chan struct{}), draw: make(chan struct{}, 1), stop: make(chan struct{}),
		viewers: map[chan frame]bool{},
	}
	s.Begin("", nil)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.page)
	mux.HandleFunc("GET /events", s.events)
	s.http.Handler = fromHere(mux)
	s.http.ReadHeaderTimeout = writeTimeout
	s.drawn.Go(s.drawing)
	go func() {
		defer close(s.served)
		_ = s.http.Serve(listener) // ends when it is closed
	}()
	return s, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// fromHere refuses requests with the name of another machine: a page from elsewhere whose name has been made to lead
// here must not read what the run does.
func fromHere(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		if !isLoopback(host) {
			http.Error(w, "this page is for the machine that it is on", http.StatusForbidden)
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	})
}

// URL is where the page is.
func (s *Server) URL() string {
	port := s.listener.Addr().(*net.TCPAddr).Port
	host, _, _ := net.SplitHostPort(s.listener.Addr().String())
	return "http://" + net.JoinHostPort(host, strconv.Itoa(port)) + "/"
}

// Begin has the page show a run that is about to start.
func (s *Server) Begin(name string, thresholds []scenarios.Threshold) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = reports.Live{
		Name: name, State: "starting", Measurements: &results.Measurements{}, Gates: unjudged(thresholds),
	}
	s.thresholds, s.judgedAt, s.nextGate, s.firsts = thresholds, make([]float64, len(thresholds)), 0, nil
	s.wake()
}

// Second notes what a run has measured. It is called about once a second, from one goroutine.
func (s *Server) Second(u Second) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now.State = "running"
	s.now.Elapsed, s.now.Total, s.now.Scenarios = u.Elapsed.Seconds(), u.Total.Seconds(), u.Scenarios
	s.keep(u.Measurements)
	if len(s.viewers) > 0 && len(s.thresholds) > 0 {
		s.judge(u)
	}
	s.wake()
}

// keep adds to what has been measured. What is drawn of it does not change any more.
func (s *Server) keep(m *results.Measurements) {
	kept := *s.now.Measurements // those of before may be drawn at this moment
	kept.Started = m.Started
	kept.Loads, kept.Streams = nil, nil
	for _, s := range m.Streams {
		kept.Streams = append(kept.Streams, &results.Stream{Scenario: s.Scenario})
	}
	for _, l := range m.Loads {
		load := *l
		load.Lag, load.OwnLag, load.Stages = nil, nil, slices.Clone(l.Stages)
		kept.Loads = append(kept.Loads, &load)
	}
	if s.firsts == nil {
		s.firsts = map[string]map[string]bool{}
		for _, l := range m.Loads {
			if names, flows := m.Beginnings(l.Scenario); flows {
				s.firsts[l.Scenario] = names
			}
		}
		for _, q := range m.Series {
			kept.Series = append(kept.Series, &results.Series{Scenario: q.Scenario, Name: q.Name, Tags: q.Tags})
		}
	}
	for _, p := range m.Points {
		if p.Request == "" || s.firsts[p.Scenario][p.Request] {
			kept.Points = append(kept.Points, p)
		}
	}
	kept.StreamPoints = append(kept.StreamPoints, m.StreamPoints...)
	if m.Health != nil {
		health := *m.Health
		if before := s.now.Measurements.Health; before != nil {
			health.Seconds = append(before.Seconds, health.Seconds...)
		}
		kept.Health = &health
	}
	s.now.Measurements = &kept
}

// judge holds what has been measured against the thresholds, one after the other, until that has taken as long as it
// may in a second; the next second goes on with the others. A fault is left to the verdict at the end.
func (s *Server) judge(u Second) {
	begun := time.Now()
	gates := slices.Clone(s.now.Gates) // those of before may be drawn at this moment
	m := *u.Measurements               // which has the points and the health of the last second alone
	m.Points, m.Health = s.now.Measurements.Points, s.now.Measurements.Health
	for range s.thresholds {
		one, err := judge.Sofar(&m, s.thresholds[s.nextGate:s.nextGate+1], u.Flushed)
		if err == nil {
			gates[s.nextGate], s.judgedAt[s.nextGate] = one[0], u.Elapsed.Seconds()
		}
		s.nextGate = (s.nextGate + 1) % len(s.thresholds)
		if time.Since(begun) > mostJudging {
			break
		}
	}
	s.now.Gates, s.now.GatesFrom, s.now.GatesTo = gates, slices.Min(s.judgedAt), slices.Max(s.judgedAt)
}

// unjudged are the gates of thresholds before anything was measured.
func unjudged(thresholds []scenarios.Threshold) (gates []results.Gate) {
	for _, t := range thresholds {
		gates = append(gates, results.Gate{
			Threshold: t, Metric: t.Name(), Expression: t.Source, Op: t.Op, Target: t.Limit, NotReached: true,
			Reason: "not judged yet",
		})
	}
	return gates
}

// End has the page say what the run came to.
func (s *Server) End(text string) {
	s.mu.Lock()
	s.now.Ended = text
	s.mu.Unlock()
	s.send()
}

// Close stops serving when the viewers have received the end, or had the time to.
func (s *Server) Close() error {
	close(s.stop)
	s.drawn.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = s.http.Close()
	}
	<-s.served
	return err
}

func (s *Server) wake() {
	select {
	case s.draw <- struct{}{}:
	default: // it is to be drawn already
	}
}

// drawing draws what there is to draw, as often as it may.
func (s *Server) drawing() {
	for {
		select {
		case <-s.stop:
			return
		case <-s.draw:
		}
		begun := time.Now()
		s.send()
		rest := time.NewTimer(restShare * time.Since(begun))
		select {
		case <-s.stop:
			rest.Stop()
			return
		case <-rest.C:
		}
	}
}

// send sends the state to the viewers; nothing is drawn when there are none. A viewer that has not received the state
// before gets this one in its place.
func (s *Server) send() {
	s.mu.Lock()
	now, viewers := s.now, len(s.viewers)
	s.mu.Unlock()
	if viewers == 0 {
		return
	}
	data, err := reports.LiveEvent(now)
	if err != nil {
		return // the report at the end has the same fault, and says it
	}
	f := frame{"state", data}
	if now.Ended != "" {
		f.kind = "end"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Ended != s.now.Ended {
		return // the end has been sent meanwhile
	}
	for viewer := range s.viewers {
		select {
		case <-viewer:
		default:
		}
		viewer <- f // there is room for one, and nobody else sends meanwhile
	}
}

func (s *Server) page(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	now := s.now
	s.mu.Unlock()
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = reports.LivePage(w, now) // what cannot be written has nobody who reads it
}

func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	viewer := make(chan frame, 1)
	s.mu.Lock()
	full := len(s.viewers) >= mostViewers
	if !full {
		s.viewers[viewer] = true
	}
	s.mu.Unlock()
	if full {
		http.Error(w, fmt.Sprintf("%d pages follow this run already", mostViewers), http.StatusServiceUnavailable)
		return
	}
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.viewers, viewer)
	}()
	w.Header().Set("Content-Type", "text/event-stream")
	out := http.NewResponseController(w)
	s.wake()
	for {
		select {
		case <-r.Context().Done():
			return
		case f := <-viewer:
			if err := write(w, out, f); err != nil || f.kind == "end" {
				return
			}
		}
	}
}

// write writes an event. Its data has no line ends: JSON escapes them.
func write(w http.ResponseWriter, out *http.ResponseController, f frame) error {
	err := out.SetWriteDeadline(time.Now().Add(writeTimeout))
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "event: %s\ndata: %s\n\n", f.kind, f.data)
	return errors.Join(err, out.Flush())
}
