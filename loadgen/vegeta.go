package loadgen

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// EngineVegeta names the engine in the run's record.
const EngineVegeta = "vegeta v12"

// attack is one scenario's run on the vegeta engine.
//
// Vegeta's workers take ticks that its pacer releases and time each request from its actual sending. Here the pacer is
// the scenario's schedule, the targeter renders iteration n, and n travels in the fragment of the target's URL (which
// is never sent) to the result, where the schedule tells the intended instant.
type attack struct {
	scenario *scenarios.Scenario
	requests *requestSet
	schedule *schedule // nil for constant-vus
	recorder *recorder
	target   string
	start    time.Time

	transport http.RoundTripper // nil: TCP

	next     atomic.Int64 // iteration
	full     int64        // requests in flight at which no worker is free
	inFlight atomic.Int64
	lastFull atomic.Int64   // nanoseconds since start at which all workers were last busy
	received []atomic.Int64 // bytes of answers' bodies, a request name

	mu          sync.Mutex
	lag, ownLag *results.Histogram
}

func newAttack(s *scenarios.Scenario, requests *requestSet, sc *schedule, rec *recorder, target string, start time.Time) *attack {
	return &attack{
		scenario: s, requests: requests, schedule: sc, recorder: rec, target: target, start: start,
		full: int64(workers(s)), received: make([]atomic.Int64, len(s.Requests)), lag: results.NewHistogram(), ownLag: results.NewHistogram(),
	}
}

// workers is the most requests that a scenario has in flight at once.
func workers(s *scenarios.Scenario) int {
	if s.Executor == scenarios.ConstantVUs {
		return s.VUs
	}
	return s.MaxVUs
}

// run sends the scenario's requests until its schedule and gracefulStop end or ctx is cancelled. What is in flight
// then is cut.
func (a *attack) run(ctx context.Context) {
	requests, cut := context.WithCancel(ctx)
	defer cut()
	client := &http.Client{
		Transport:     a.newTransport(requests),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	attacker := vegeta.NewAttacker(vegeta.Client(client), vegeta.Workers(uint64(a.full)),
		vegeta.MaxWorkers(uint64(a.full)), vegeta.MaxBody(0))

	stopped := make(chan struct{})
	defer close(stopped)
	go a.stopAtEnd(ctx, attacker, cut, stopped)
	for r := range attacker.Attack(a.render, pacer{a, ctx}, 0, "") {
		o := a.outcome(r, ctx.Err() != nil)
		a.recorder.record(&o)
	}
	a.close(min(time.Since(a.start), a.scenario.Duration))
}

// dialTimeout bounds the making of a connection.
const dialTimeout = 10 * time.Second

// newTransport returns the transport to the target: our own for plain HTTP, net/http's for HTTPS. What is in flight is
// cut when ctx is cancelled.
func (a *attack) newTransport(ctx context.Context) *instrumented {
	t := &instrumented{a: a, context: ctx, next: a.transport}
	if t.next != nil {
		return t
	}
	if target, err := url.Parse(a.target); err == nil && target.Scheme == "http" {
		t.plain = newPlainTransport(ctx, target)
		context.AfterFunc(ctx, t.plain.close)
		return t
	}
	next := &http.Transport{
		DialContext:         (&net.Dialer{Timeout: dialTimeout}).DialContext,
		MaxIdleConns:        int(a.full),
		MaxIdleConnsPerHost: int(a.full),
		IdleConnTimeout:     90 * time.Second,
		DisableCompression:  true, // decompressing would cost the generator CPU and hide the bytes of the wire
	}
	context.AfterFunc(ctx, next.CloseIdleConnections)
	t.next = next
	return t
}

// stopAtEnd cuts the attack when gracefulStop has passed after the schedule's end, or when ctx is cancelled.
func (a *attack) stopAtEnd(ctx context.Context, attacker *vegeta.Attacker, cut func(), stopped <-chan struct{}) {
	end := time.NewTimer(time.Until(a.start.Add(a.scenario.Duration + a.scenario.GracefulStop)))
	defer end.Stop()
	select {
	case <-stopped:
		return
	case <-ctx.Done():
	case <-end.C:
	}
	attacker.Stop()
	cut()
}

func (a *attack) close(ended time.Duration) {
	var planned, measured int64
	if a.schedule != nil {
		planned = a.schedule.until(ended)
		measured = planned - min(planned, a.schedule.until(a.scenario.Warmup))
	}
	for i, s := range a.recorder.series {
		s.BytesReceived = a.received[i].Load()
	}
	a.recorder.finish(planned, measured, a.lag, a.ownLag, ended)
}

// skip closes the books of a scenario that the end of the run did not let start.
func (a *attack) skip() { a.recorder.finish(0, 0, a.lag, a.ownLag, 0) }

// pacer releases iteration n at its intended instant, or at once when that has passed.
type pacer struct {
	a   *attack
	ctx context.Context
}

func (p pacer) Rate(time.Duration) float64 { return 0 } // only vegeta's command asks

func (p pacer) Pace(_ time.Duration, hits uint64) (wait time.Duration, stop bool) {
	now := time.Since(p.a.start)
	if p.ctx.Err() != nil {
		return 0, true
	}
	if p.a.schedule == nil {
		return 0, now >= p.a.scenario.Duration
	}
	if int64(hits) >= p.a.schedule.total || now >= p.a.scenario.Duration+p.a.scenario.GracefulStop {
		return 0, true
	}
	return p.a.schedule.at(int64(hits)) - now, false
}

// render is vegeta's targeter: it writes the next iteration's request.
func (a *attack) render(t *vegeta.Target) error {
	n := a.next.Add(1) - 1
	d := a.requests.draw(n)
	r := &a.requests.requests[d.request]
	var space [256]byte
	url := append(space[:0], a.target...)
	url = r.append(url, r.path, &d, true)
	url = append(url, '#')
	url = strconv.AppendInt(url, int64(d.request), 10)
	url = append(url, '-')
	url = strconv.AppendInt(url, n, 10)
	t.Method, t.URL = r.plan.Method, string(url)
	if len(r.body) > 0 {
		t.Body = r.append(nil, r.body, &d, false)
	}
	t.Header = make(http.Header, len(r.headers)+1)
	t.Header["User-Agent"] = userAgent
	for _, h := range r.headers {
		v := h.static
		if v == "" {
			v = string(r.append(nil, h.value, &d, false))
		}
		t.Header.Set(h.name, v)
	}
	return nil
}

var userAgent = []string{"headroom"}

// parseFragment reads what render put behind the URL's last '#'.
func parseFragment(fragment string) (request int, n int64, err error) {
	before, after, _ := strings.Cut(fragment, "-")
	request, err = strconv.Atoi(before)
	if err == nil {
		n, err = strconv.ParseInt(after, 10, 64)
	}
	if err != nil {
		return 0, 0, fmt.Errorf("attribute a request by %q: %w", fragment, err)
	}
	return request, n, nil
}

// outcome turns vegeta's result into ours.
func (a *attack) outcome(r *vegeta.Result, ended bool) outcome {
	o := outcome{status: int(r.Code), sent: r.Timestamp.Sub(a.start), sentBytes: int64(r.BytesOut)}
	o.done = o.sent + r.Latency
	request, n, err := parseFragment(r.URL[strings.LastIndexByte(r.URL, '#')+1:])
	if err != nil {
		panic(err) // render wrote it
	}
	o.request, o.n = request, n
	if r.Headers == nil { // no answer, or not to its end
		_, o.errorText, _ = strings.Cut(r.Error, `": `) // url.Error's method and URL go before
		o.errorClass = classify(r.Error, ended)
		return o
	}
	if v := r.Headers["X-Cache"]; len(v) > 0 {
		o.cache = v[0]
	}
	return o
}

// The classes of errors, but for "status NNN".
const (
	errorTimeout    = "timeout"
	errorUnanswered = "unanswered at the end of gracefulStop"
	errorRefused    = "connection refused"
	errorReset      = "connection reset"
	errorClosed     = "connection closed before the answer ended"
	errorLookup     = "host name not found"
	errorUnsent     = "not sent: the generator was out of ports or files"
	errorTLS        = "TLS"
	errorMalformed  = "malformed answer"
	errorOther      = "other"
	errorCut        = "cut off by the end of the run"
)

// classify finds the class of an error's text; vegeta hands on nothing else. ended tells a request that the end of the
// run cut off from one that gracefulStop did.
func classify(text string, ended bool) string {
	for _, c := range [...]struct{ sign, class string }{
		{"context deadline exceeded", errorTimeout},
		{"i/o timeout", errorTimeout},
		{"context canceled", errorUnanswered},
		{"operation was canceled", errorUnanswered},           // a dial
		{"use of closed network connection", errorUnanswered}, // by us: nobody else closes our end
		{"connection refused", errorRefused},
		{"connection reset", errorReset},
		{"broken pipe", errorReset},
		{"cannot assign requested address", errorUnsent},
		{"too many open files", errorUnsent},
		{"EOF", errorClosed},
		{"server closed idle connection", errorClosed},
		{"no such host", errorLookup},
		{"tls: ", errorTLS},
		{"HTTP response to HTTPS client", errorTLS},
		{"x509: ", errorTLS},
		{"malformed HTTP", errorMalformed},
	} {
		if strings.Contains(text, c.sign) {
			if c.class == errorUnanswered && ended {
				return errorCut
			}
			return c.class
		}
	}
	return errorOther
}

// instrumented is the transport: it gives each request its timeout, counts the bytes of its answer, and knows how many
// are in flight, which tells a send that was late because every connection was busy from one that the generator itself
// delayed.
type instrumented struct {
	a       *attack
	plain   *plainTransport // or else next
	next    http.RoundTripper
	context context.Context // cancelled when what is in flight is to be cut
}

func (t *instrumented) RoundTrip(req *http.Request) (*http.Response, error) {
	request, n, err := parseFragment(req.URL.Fragment)
	if err != nil {
		return nil, err
	}
	measured := t.a.begin(n)
	resp, cancel, err := t.send(req, t.a.scenario.Requests[request].Timeout)
	if err != nil {
		cancel()
		t.a.end()
		return nil, err
	}
	b := &body{ReadCloser: resp.Body, a: t.a, cancel: cancel}
	if measured {
		b.count = &t.a.received[request]
	}
	resp.Body = b
	return resp, nil
}

// send hands the request to the transport; cancel frees what its timeout holds.
func (t *instrumented) send(req *http.Request, timeout time.Duration) (resp *http.Response, cancel func(), err error) {
	if t.plain != nil {
		resp, err = t.plain.roundTrip(req, timeout)
		return resp, func() {}, err
	}
	ctx, cancel := context.WithTimeout(t.context, timeout)
	resp, err = t.next.RoundTrip(req.WithContext(ctx))
	return resp, cancel, err
}

// begin notes that iteration n is being sent, and whether it is to be measured.
func (a *attack) begin(n int64) bool {
	a.inFlight.Add(1)
	now := time.Since(a.start)
	if a.schedule == nil {
		return now >= a.scenario.Warmup
	}
	intended := a.schedule.at(n)
	if intended < a.scenario.Warmup {
		return false
	}
	free := time.Duration(a.lastFull.Load())
	a.mu.Lock()
	a.lag.Record(now - intended)
	a.ownLag.Record(now - max(intended, free))
	a.mu.Unlock()
	return true
}

// end notes that a request is no longer in flight.
func (a *attack) end() {
	if a.inFlight.Add(-1) == a.full-1 {
		a.lastFull.Store(int64(time.Since(a.start)))
	}
}

// body counts what is read of an answer.
type body struct {
	io.ReadCloser
	a      *attack
	cancel func()
	count  *atomic.Int64 // nil in the warm-up
	closed bool
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.count != nil {
		b.count.Add(int64(n))
	}
	return n, err
}

func (b *body) Close() error {
	err := b.ReadCloser.Close()
	if !b.closed {
		b.closed = true
		b.cancel()
		b.a.end()
	}
	return err
}
