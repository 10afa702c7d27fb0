package loadgen

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/policycortex/headroom/loadgen/record"
	"github.com/policycortex/headroom/loadgen/wire"
	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// byNetHTTP stands for the vegeta engine with net/http's transport, as for HTTPS, redirects and proxies, and byPlain
// for the same with our own.
const (
	byPlain   wire.Backend = "vegeta"
	byNetHTTP wire.Backend = "vegeta, net-http"
)

// senders are all ways to send that there are.
func senders() []wire.Backend { return append(wire.Backends(), byPlain, byNetHTTP) }

// onSenders runs a test on every way to send, side by side.
func onSenders(t *testing.T, f func(t *testing.T, by wire.Backend)) {
	t.Helper()
	sideBySide(t, senders(), f)
}

// runBy has a plan of one scenario sent in that way.
func runBy(t *testing.T, ctx context.Context, by wire.Backend, plan *scenarios.Plan, url string,
	others ...string,
) *results.Measurements {
	t.Helper()
	o := Options{Others: others}
	switch by {
	case byNetHTTP: // there is a request that follows redirects, and it is never drawn
		never := plan.Scenarios[0].Requests[0]
		never.Name, never.Weight, never.Redirects = "never", 0, 1
		plan.Scenarios[0].Requests = append(slices.Clone(plan.Scenarios[0].Requests), never)
		plan.Engine = scenarios.EngineVegeta
	case byPlain:
		plan.Engine = scenarios.EngineVegeta
	default:
		o.backend = by
	}
	m, err := Run(ctx, plan, url, o)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

const okAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// hostile is a server that does with a connection what it should not; it counts the requests that it has taken.
type hostile struct {
	c     net.Conn
	r     *bufio.Reader
	taken *atomic.Int64
}

func (h hostile) take() bool {
	req, err := http.ReadRequest(h.r)
	if err != nil {
		return false
	}
	h.taken.Add(1)
	_, err = io.Copy(io.Discard, req.Body)
	return err == nil
}

func (h hostile) say(text string) bool {
	_, err := io.WriteString(h.c, text)
	return err == nil
}

// always answers everything with the same.
func always(text string) func(h hostile) {
	return func(h hostile) {
		for h.take() && h.say(text) {
		}
	}
}

// second answers the first request of a connection well, and the second with that before it closes.
func second(text string) func(h hostile) {
	return func(h hostile) {
		if h.take() && h.say(okAnswer) && h.take() {
			h.say(text)
		}
	}
}

// early answers after the first line, and closes after a while.
func early(wait time.Duration) func(h hostile) {
	return func(h hostile) {
		h.r.ReadString('\n')
		h.taken.Add(1)
		h.say("HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")
		time.Sleep(wait)
	}
}

// hostileServer is a server and what is to be counted of some requests to it.
type hostileServer struct {
	name   string
	serve  func(h hostile)
	method string
	body   int
	// requests are fewer where each takes much time of the CPU; 0: ten.
	requests int
	failed   int64
	class    string // of those that failed
	taken    int64  // requests that the server has read
	idle     bool   // it misbehaves on idle connections, which takes it a while
	after    bool   // it does something right after a good answer
	not      wire.Backend
}

// TestHostileServers: whatever a server does with its connections, each request is counted once and by what became of
// it, and no answer is taken for that to another request.
func TestHostileServers(t *testing.T) {
	for _, tt := range []hostileServer{
		{name: "closes after three", method: "POST", taken: 10, after: true, serve: func(h hostile) {
			for range 3 {
				if !h.take() || !h.say(okAnswer) {
					return
				}
			}
		}},
		{name: "closes when idle", method: "POST", taken: 10, idle: true, serve: func(h hostile) {
			for h.take() && h.say(okAnswer) {
				h.c.SetReadDeadline(time.Now().Add(3 * time.Millisecond))
			}
		}},
		{name: "says 408 when idle", method: "POST", taken: 10, idle: true, serve: func(h hostile) {
			if h.take() && h.say(okAnswer) {
				time.Sleep(3 * time.Millisecond)
				h.say("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
			}
		}},
		{name: "answers in part and closes", serve: second("HTTP/1.1 20"), failed: 5, taken: 10},
		{
			name: "gives a hint and closes", serve: second("HTTP/1.1 103 Early Hints\r\n\r\n"), failed: 5,
			class: record.ErrorClosed, taken: 10,
		},
		{name: "junk after the answer", serve: always(okAnswer + "junk"), taken: 10, after: true},
		{
			name: "two answers", serve: always(okAnswer + "HTTP/1.1 500 Wrong\r\nContent-Length: 0\r\n\r\n"), taken: 10,
			after: true,
		},
		{name: "another answer later", taken: 10, idle: true, serve: func(h hostile) {
			for h.take() && h.say(okAnswer) {
				time.Sleep(3 * time.Millisecond)
				h.say("HTTP/1.1 500 Wrong\r\nContent-Length: 0\r\n\r\n")
			}
		}},
		{
			name: "a body where there is none", serve: always("HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nok"),
			taken: 10, after: true,
		},
		{
			name: "two lengths", serve: always("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok"),
			failed: 10, class: record.ErrorMalformed, taken: 10,
		},
		{
			name: "a length below zero", serve: always("HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok"), failed: 10,
			class: record.ErrorMalformed, taken: 10,
		},
		{
			name:   "a chunk of no size",
			serve:  always("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n\r\n"),
			failed: 10, class: record.ErrorMalformed, taken: 10,
		},
		{
			name: "a header without a colon", serve: always("HTTP/1.1 200 OK\r\nnone\r\nContent-Length: 0\r\n\r\n"),
			failed: 10, class: record.ErrorMalformed, taken: 10,
		},
		{
			name: "a status below 100", serve: always("HTTP/1.1 099 None\r\nContent-Length: 0\r\n\r\n"), failed: 10,
			class: "status 99", taken: 10,
		},
		{name: "another protocol", serve: always("HTTP/1.1 101 Switching Protocols\r\nConnection: " +
			"Upgrade\r\nUpgrade: other\r\n\r\n"), failed: 10, class: "status 101", taken: 10},
		{
			name:  "a redirect to nowhere",
			serve: always("HTTP/1.1 302 Found\r\nLocation: http://[::1\r\nContent-Length: 0\r\n\r\n"), taken: 10,
		},
		{
			name: "a head without end", requests: 3, failed: 3, class: record.ErrorMalformed, taken: 3,
			serve: func(h hostile) {
				if h.take() && h.say("HTTP/1.1 200 OK\r\nX: ") {
					for h.say(strings.Repeat("x", 64<<10)) {
					}
				}
			},
		},
		{
			name: "a trailer without end", requests: 3, failed: 3, class: record.ErrorMalformed, taken: 3,
			serve: func(h hostile) {
				if h.take() && h.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n") {
					for h.say("X: " + strings.Repeat("x", 1000) + "\r\n") {
					}
				}
			},
		},
		{
			name: "a framing line without end", requests: 3, failed: 3, class: record.ErrorMalformed, taken: 3,
			serve: func(h hostile) {
				if h.take() && h.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;") {
					for h.say(strings.Repeat("x", 1000)) {
					}
				}
			},
		},
		{
			name: "no HTTP server", requests: 3, failed: 3, class: record.ErrorMalformed, taken: 3,
			serve: func(h hostile) {
				if h.take() && h.say("SSH-2.0-OpenSSH_9.2p1\r\n") {
					io.Copy(io.Discard, h.r)
				}
			},
		},
		// net/http looks at the answer first or at the reset, as it happens.
		{
			name: "answers early and closes", method: "POST", body: 8 << 20, serve: early(0), requests: 3,
			failed: 3, class: "status 413", taken: 3, not: byNetHTTP,
		},
		{
			name: "answers early and reads no more", method: "POST", body: 8 << 20, serve: early(time.Second),
			requests: 3, failed: 3, class: "status 413", taken: 3,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if !tt.idle && !tt.after { // those depend on when the generator hears of it
				t.Parallel()
			}
			inTurn(t, senders(), func(t *testing.T, by wire.Backend) {
				if by == tt.not {
					return
				}
				wrong := someRequests(t, by, &tt)
				// On a machine that stalls, the next request may be sent before the generator hears of what came after
				// an answer.
				for more := 2; wrong != "" && (tt.idle || tt.after) && more > 0; more-- {
					wrong = someRequests(t, by, &tt)
				}
				if wrong != "" {
					t.Error(wrong)
				}
			})
		})
	}
}

// someRequests sends requests to a server, and says what is wrong with what was counted.
func someRequests(t *testing.T, by wire.Backend, tt *hostileServer) string {
	t.Helper()
	var taken atomic.Int64
	url, _ := rawServer(t, func(c net.Conn, r *bufio.Reader) { tt.serve(hostile{c, r, &taken}) })
	requests, rate := cmp.Or(tt.requests, 10), 100
	if tt.idle {
		rate = 40
	}
	load := scenarios.ConstantRate{
		Rate: float64(rate), Duration: time.Duration(requests) * time.Second / time.Duration(rate), MaxVUs: 1,
	}
	plan := planOf(scenarios.Scenario{Load: load})
	q := &plan.Scenarios[0].Requests[0]
	// Nothing here ends by these, and a head without end is 10 MiB by net/http: a second with the race detector.
	q.Timeout, plan.Scenarios[0].GracefulStop = 10*time.Second, time.Minute
	if tt.method != "" {
		q.Method, q.Body = tt.method, literal(strings.Repeat("x", max(1, tt.body)))
	}
	s := runBy(t, t.Context(), by, plan, url).Series[0]
	for class, text := range s.ErrorSamples {
		if len(text) > 700 {
			return fmt.Sprintf("%s has a message of %d bytes", class, len(text))
		}
	}
	switch {
	case s.Requests != int64(requests) || s.Failed != tt.failed || taken.Load() != tt.taken || tt.class != "" &&
		s.Errors[tt.class] != tt.failed,
		tt.failed == 0 && len(s.Errors) > 0,
		len(s.ErrorSamples) == 0 && tt.failed > 0 && !strings.HasPrefix(tt.class, "status"):
		return fmt.Sprintf("%d requests, %d failed, %v %v; the server took %d", s.Requests, s.Failed, s.Errors,
			s.ErrorSamples, taken.Load())
	}
	return ""
}

// TestEndlessAnswer: a server that sends without end takes the time of its own request only.
func TestEndlessAnswer(t *testing.T) {
	inTurn(t, senders(), func(t *testing.T, by wire.Backend) {
		url, _ := rawServer(t, func(c net.Conn, r *bufio.Reader) {
			req, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			if req.URL.Path != "/endless" {
				io.WriteString(c, okAnswer)
				return
			}
			io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
			for block := strings.Repeat("x", 1<<20); err == nil; {
				_, err = io.WriteString(c, block)
			}
		})
		plan := planOf(scenarios.Scenario{Load: scenarios.ConstantRate{
			Rate: 20, Duration: 500 * time.Millisecond,
			MaxVUs: 10,
		}})
		plan.Scenarios[0].Requests = []scenarios.Request{
			{Name: "endless", Weight: 1, Method: "GET", Path: literal("/endless"), Timeout: 500 * time.Millisecond},
			{Name: "short", Weight: 2, Method: "GET", Path: literal("/"), Timeout: 5 * time.Second},
		}
		m := runBy(t, t.Context(), by, plan, url)
		endless, short := m.Series[0], m.Series[1]
		if endless.Requests == 0 || endless.Errors[record.ErrorTimeout] != endless.Requests ||
			endless.BytesReceived == 0 {
			t.Errorf("%d without end, %d bytes, %v", endless.Requests, endless.BytesReceived, endless.Errors)
		}
		if short.Requests == 0 || short.Failed > 0 || m.Elapsed > 5 {
			t.Errorf("%d short ones, %v, in %.1f s", short.Requests, short.Errors, m.Elapsed)
		}
	})
}

// TestInterruptedBetweenRequests: a run that waits for an instant far away ends when it is interrupted.
func TestInterruptedBetweenRequests(t *testing.T) {
	t.Parallel()
	onSenders(t, func(t *testing.T, by wire.Backend) {
		url := serve(t, func(http.ResponseWriter, *http.Request) {})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		m := runBy(t, ctx, by,
			planOf(scenarios.Scenario{Load: scenarios.ConstantRate{Rate: 0.02, Duration: 2 * time.Minute}}), url)
		if !m.Interrupted || m.Loads[0].Sent != 1 || m.Elapsed > 10 {
			t.Errorf("interrupted %v after %.1f s, %d sent", m.Interrupted, m.Elapsed, m.Loads[0].Sent)
		}
	})
}

// TestEndedByADeadline: what the end of the context cuts off has not timed out, also where that end is a deadline.
func TestEndedByADeadline(t *testing.T) {
	t.Parallel()
	onSenders(t, func(t *testing.T, by wire.Backend) {
		url, _ := rawServer(t, func(_ net.Conn, r *bufio.Reader) { io.Copy(io.Discard, r) })
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		m := runBy(t, ctx, by, planOf(scenarios.Scenario{Load: scenarios.ConstantRate{Rate: 100, Duration: time.Hour}}),
			url)
		if s := m.Series[0]; !m.Interrupted || s.Requests != 0 || s.Failed != 0 {
			t.Errorf("interrupted %v, %d requests, errors %v", m.Interrupted, s.Requests, s.Errors)
		}
	})
}

// TestFirstXCache: of several headers of a name the first counts, whichever engine.
func TestFirstXCache(t *testing.T) {
	t.Parallel()
	onSenders(t, func(t *testing.T, by wire.Backend) {
		url, _ := rawServer(t, func(c net.Conn, r *bufio.Reader) {
			always("HTTP/1.1 200 OK\r\nX-Cache: HIT\r\nX-Cache: MISS\r\nContent-Length: 0\r\n\r\n")(hostile{
				c, r,
				new(atomic.Int64),
			})
		})
		s := runBy(t, t.Context(), by,
			planOf(scenarios.Scenario{Load: scenarios.ConstantRate{Rate: 50, Duration: 100 * time.Millisecond}}),
			url).Series[0]
		if s.CacheAnswers != 5 || s.CacheHits != 5 {
			t.Errorf("%d of %d answers came from a cache", s.CacheHits, s.CacheAnswers)
		}
	})
}

// TestAbortOnSilence: a server that answers nothing any more ends a run that is to abort, long before a timeout.
func TestAbortOnSilence(t *testing.T) {
	t.Parallel()
	onSenders(t, func(t *testing.T, by wire.Backend) {
		url := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		plan := planOf(scenarios.Scenario{Load: scenarios.ConstantRate{
			Rate: 20, Duration: 15 * time.Second,
			MaxVUs: 1000,
		}, GracefulStop: time.Second})
		plan.Scenarios[0].Requests[0].Timeout = time.Minute
		plan.Thresholds = []scenarios.Threshold{{
			Metric: "http_req_duration", Aggregation: scenarios.Aggregation{Name: "avg"}, Op: "<", Limit: 100,
			Source:      "avg<100 for 2s",
			AbortOnFail: true, Window: 2 * time.Second,
		}}
		m := runBy(t, t.Context(), by, plan, url)
		if m.Aborted == "" || m.Elapsed > 10 {
			t.Errorf("after %.1f s: aborted %q", m.Elapsed, m.Aborted)
		}
	})
}
