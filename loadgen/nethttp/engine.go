// Package nethttp sends a scenario's requests by net/http, for what the wire engine does not speak: HTTPS, HTTP/2,
// proxies and redirects. Vegeta's attacker releases the requests and takes their times.
package nethttp

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"github.com/policycortex/headroom/loadgen/arrival"
	"github.com/policycortex/headroom/loadgen/connect"
	"github.com/policycortex/headroom/loadgen/record"
	"github.com/policycortex/headroom/loadgen/request"
	"github.com/policycortex/headroom/loadgen/rpc"
)

// Config is what an engine needs: when to send what where, and who counts what becomes of it.
type Config struct {
	Timing    *arrival.Timing
	Requests  *request.Set
	Collector *record.Collector
	Target    []connect.Place
	To        *connect.To
	Users     *request.Pool // nil where users keep nothing
}

// Engine sends the requests of one scenario.
//
// Vegeta's workers take ticks that its pacer releases, and number their requests. The pacer is the scenario's schedule.
// To vegeta all requests are alike, those to the base URL; the engine is the transport beneath it, which reads vegeta's
// number of a request, sends the request of the iteration of that number in its place, and keeps the exchange until
// vegeta hands over its result of that number.
//
// Of each request, Sent is taken here, when it is rendered, and Done by vegeta, when it has read the answer: so what
// the report says of an engine that is a witness of another one rests on vegeta's reading. Answers that are inspected,
// that fail or that belong to a flow end here, when the last byte is read, because what follows takes its time.
type Engine struct {
	timing    *arrival.Timing
	requests  *request.Set
	target    []connect.Place
	several   bool // instances
	named     bool // answers name the instance behind the only one, and the load is told apart by that
	to        *connect.To
	transport http.RoundTripper // in tests; else nil
	workers   int64

	start    time.Time
	context  context.Context // of the run
	client   *client
	crowd    *crowd        // of users who do not all send at once, over and over; else nil
	admitted chan struct{} // has one for each exchange that is under way where users wait for connections; else nil
	shortage arrival.Shortage
	inFlight atomic.Int64
	lastFull atomic.Int64 // nanoseconds since start at which all workers were last busy

	mu        sync.Mutex
	recorder  *record.Recorder
	busy      []int                // users of a closed load at each place
	users     *request.Pool        // that are free; nil where users keep nothing
	exchanges map[uint64]*exchange // those under way, by vegeta's number
	spare     []*exchange          // that have ended
}

// New prepares an engine. It holds nothing until it runs.
func New(c Config) *Engine {
	e := &Engine{
		timing: c.Timing, requests: c.Requests, target: c.Target, to: c.To, workers: int64(c.Timing.Users),
		recorder: c.Collector.NewRecorder(), exchanges: map[uint64]*exchange{}, users: c.Users,
		busy: make([]int, len(c.Target)), several: c.Target[len(c.Target)-1].Instance > 1,
	}
	e.named = !e.several && c.Collector.ByInstance()
	if most := c.To.HTTP.MaxConnections; most > 0 && most < c.Timing.Users && !rpc.Needed(c.Requests) {
		e.admitted = make(chan struct{}, most)
	}
	if t := c.Timing; t.Think != nil || t.Ramp != nil || t.Count != nil { // else a worker is a user
		e.crowd = newCrowd(t)
	}
	return e
}

// Name says how the target was reached where that was not by plain HTTP.
func (e *Engine) Name() string {
	if e.client == nil || e.client.protocol.Load() == nil {
		return "vegeta v12"
	}
	by := *e.client.protocol.Load()
	if e.client.places[0].plain != nil && e.client.calls == nil {
		return "vegeta v12"
	}
	if e.to.Proxy != "" {
		by += ", through a proxy"
	}
	return "vegeta v12 (" + by + ")"
}

// Discard has nothing to free.
func (e *Engine) Discard() {}

// Run sends the scenario's requests, from start on, until its schedule and gracefulStop end or ctx is cancelled. What
// is in flight then is cut.
func (e *Engine) Run(ctx context.Context, start time.Time) {
	// by stopAtEnd: a deadline of ctx would look like a timeout
	requests, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	e.start, e.context = start, ctx
	e.client = newClient(requests, e.to, e.target, e.requests, int(e.workers), e.transport, false)
	attacker := vegeta.NewAttacker(
		vegeta.Client(&http.Client{
			Transport:     e,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}),
		vegeta.Workers(uint64(e.workers)), vegeta.MaxWorkers(uint64(e.workers)), vegeta.MaxBody(0),
	)
	stopped := make(chan struct{})
	defer close(stopped)
	go e.stopAtEnd(ctx, attacker, cut, stopped)
	same := func(t *vegeta.Target) error {
		t.Method, t.URL = http.MethodGet, e.target[0].URL
		return nil
	}
	for r := range attacker.Attack(same, pacer{e, ctx}, 0, "") {
		x := e.take(r.Seq)
		done := r.Timestamp.Add(r.Latency).Sub(start)
		if e.crowd != nil {
			e.crowd.end(x.turn, done)
		}
		if !x.recorded {
			x.complete(r, done, ctx.Err() != nil)
			e.record(&x.outcome)
			if x.outcome.ErrorClass != "" {
				e.skipRest(&x.outcome)
			}
		}
		e.putBack(x)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.recorder.Close()
}

// complete takes what vegeta's result says of an exchange.
func (x *exchange) complete(r *vegeta.Result, done time.Duration, ended bool) {
	o := &x.outcome
	o.Done, o.ReceivedBytes = done, x.size
	if x.ended {
		x.takeEvents()
		return
	}
	o.First = 0
	o.SentBytes, o.Status, o.Cache, o.Answer = 0, 0, record.CacheUnknown, nil
	o.ErrorText = r.Error
	if _, text, found := strings.Cut(r.Error, `": `); found { // url.Error's method and URL stand before it
		o.ErrorText = text
	}
	o.ErrorClass = record.ClassOfText(o.ErrorText, ended)
}

// takeEvents has the outcome tell of the events of an answer that came whole.
func (x *exchange) takeEvents() {
	if x.events.Streamed() {
		x.outcome.Events = &x.events
	}
}

// stopAtEnd ends the attack when gracefulStop has passed after the schedule's end, or when ctx is cancelled. Until then
// it advances the recorder, which otherwise only an outcome does.
func (e *Engine) stopAtEnd(ctx context.Context, attacker *vegeta.Attacker, cut func(), stopped <-chan struct{}) {
	left := func() time.Duration { return time.Until(e.start.Add(e.timing.LatestEnd())) }
	end := time.NewTimer(left())
	defer end.Stop()
	advance := time.NewTicker(patience)
	defer advance.Stop()
	for fixed := e.timing.Window.Fixed(); ; {
		select {
		case <-stopped:
			return
		case <-fixed:
			end.Reset(left())
			fixed = nil
			continue
		case <-advance.C:
			e.mu.Lock()
			e.recorder.Advance(time.Since(e.start))
			e.mu.Unlock()
			continue
		case <-ctx.Done():
		case <-end.C:
		}
		attacker.Stop()
		cut()
		return
	}
}

// patience is how long something may wait for what the end of the run, or of an automatic warm-up, can make needless.
// It is shorter than any measured part.
const patience = 100 * time.Millisecond

// sequence is the header in which vegeta numbers its requests. It is not sent.
const sequence = "X-Vegeta-Seq"

// RoundTrip sends the request of the iteration whose number vegeta's request has.
func (e *Engine) RoundTrip(numbered *http.Request) (*http.Response, error) {
	number, err := strconv.ParseUint(numbered.Header.Get(sequence), 10, 64)
	if err != nil {
		return nil, fmt.Errorf("vegeta's request has no number: %w", err)
	}
	e.recorder.SetInFlight(e.inFlight.Add(1))
	x := e.newExchange(number)
	x.turn.n = e.timing.Shard.Iteration(int64(number))
	if e.crowd != nil {
		x.turn = e.crowd.take()
	}
	x.start(e.requests.Draw(x.turn.n))
	x.outcome.Instance = e.sentTo(x)
	req, err := e.client.request(&x.draw, x.to)
	wanted := e.admit()
	e.begin(x)
	x.outcome.Intended = min(x.outcome.Intended, wanted)
	x.outcome.Began = x.outcome.Intended
	if err != nil {
		e.end(x)
		return nil, err
	}
	x.outcome.SentBytes = max(0, req.ContentLength)
	resp, cancel, err := e.send(req, x)
	if err != nil {
		cancel()
		e.end(x)
		return nil, err
	}
	e.client.note(resp)
	x.begin(resp, e.requests)
	x.body = body{ReadCloser: resp.Body, engine: e, exchange: x, cancel: cancel}
	resp.Body = &x.body
	resp.Header.Del("Location") // http.Client would look whether it could follow it, which it is not to do
	return resp, nil
}

// admit waits for a connection where users share them, and returns since when. At the end of the run the exchanges that
// it waits for are cut.
func (e *Engine) admit() (since time.Duration) {
	if e.admitted == nil {
		return math.MaxInt64
	}
	since = time.Since(e.start)
	e.admitted <- struct{}{}
	return since
}

// begin notes that an exchange begins, and how late it does when it is measured.
func (e *Engine) begin(x *exchange) {
	o, t := &x.outcome, e.timing
	o.Sent = time.Since(e.start)
	o.Intended = t.Intended(o.Iteration, o.Sent)
	if t.Open() && t.Window.Has(o.Intended) {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.recorder.Late(o.Sent-o.Intended, o.Sent-max(o.Intended, time.Duration(e.lastFull.Load())))
	}
}

// newExchange returns an exchange for vegeta's request of that number, in the memory of one that has ended.
func (e *Engine) newExchange(number uint64) *exchange {
	e.mu.Lock()
	defer e.mu.Unlock()
	var x *exchange
	if n := len(e.spare); n > 0 {
		x, e.spare = e.spare[n-1], e.spare[:n-1]
	} else {
		x = &exchange{named: e.named, began: e.start}
	}
	x.to, x.user = e.nextPlace(number), e.users.Take()
	e.exchanges[number] = x
	return x
}

// sentTo is the number, from 1, of the instance that an exchange is with; 0 where what answers is not known yet.
func (e *Engine) sentTo(x *exchange) int {
	if !e.several {
		return 0
	}
	return e.target[x.to].Instance
}

// nextPlace takes the place that vegeta's request of that number goes to. Those of an open load go to one after the
// other. Of users each stays with its place, as far as that can be told from outside: it is the one that has the
// fewest.
func (e *Engine) nextPlace(number uint64) (at int) {
	if e.timing.Open() {
		return int(number % uint64(len(e.busy)))
	}
	for i, users := range e.busy {
		if users < e.busy[at] {
			at = i
		}
	}
	e.busy[at]++
	return at
}

// putBack takes back an exchange that nobody uses any more.
func (e *Engine) putBack(x *exchange) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.spare = append(e.spare, x)
}

// take takes out the exchange of vegeta's request of that number, which has ended.
func (e *Engine) take(number uint64) *exchange {
	e.mu.Lock()
	defer e.mu.Unlock()
	x := e.exchanges[number]
	if x == nil {
		panic(fmt.Sprintf("vegeta has a result of request %d, which it did not send", number))
	}
	delete(e.exchanges, number)
	return x
}

// end notes that the requests of an exchange are no longer in flight.
func (e *Engine) end(x *exchange) {
	if e.admitted != nil {
		<-e.admitted
	}
	if !e.timing.Open() || e.users != nil { // else nobody counts
		e.release(x)
	}
	left := e.inFlight.Add(-1)
	e.recorder.SetInFlight(left)
	if left == e.workers-1 {
		e.lastFull.Store(int64(time.Since(e.start)))
	}
}

// release takes note that a user is free.
func (e *Engine) release(x *exchange) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.timing.Open() {
		e.busy[x.to]--
	}
	e.users.Put(x.user)
}

// send sends the request of an exchange; cancel frees what its timeout holds. A user for whom there was no file or port
// is held for a while.
func (e *Engine) send(req *http.Request, x *exchange) (resp *http.Response, cancel func(), err error) {
	resp, cancel, err = e.client.send(req, &x.draw, x.to)
	if call, ok := req.Body.(*rpc.Exchange); ok && err != nil {
		x.size = call.Size // what came before
	}
	if err != nil && !e.timing.Open() && record.IsShortage(record.ClassOf(err)) {
		now := time.Since(e.start)
		_ = sleep(e.client.context, min(e.shortage.Pause(now), e.timing.Window.End()-now)) // the error is the request's
	}
	return resp, cancel, err
}

// record counts an outcome; any worker may call it.
func (e *Engine) record(o *record.Outcome) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.recorder.Record(o)
}

// skipRest counts the steps of a flow that come after one that failed.
func (e *Engine) skipRest(failed *record.Outcome) {
	if failed.ErrorClass == record.ErrorCut {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.recorder.Skip(failed.Request, failed.Done)
}

// finish inspects an answer that came whole, records the outcome, and sends the rest of its flow, which holds the
// worker until its end.
func (e *Engine) finish(x *exchange) {
	x.recorded = true
	x.outcome.ReceivedBytes = x.size
	x.takeEvents()
	o := &x.outcome
	for pause := x.inspect(e.requests); o.GoesOn; pause = e.follow(x) {
		e.record(o)
		x.due = o.Done + pause
		if pause > 0 && sleep(e.client.context, x.due-time.Since(e.start)) != nil {
			e.abandon(x)
			return
		}
	}
	e.record(o)
	if o.ErrorClass != "" || o.Found.Extraction != "" || !request.Expected(e.requests.Plan(o.Request), o.Status) {
		e.skipRest(o)
	}
}

// abandon gives up a flow between two of its requests, because the run ends.
func (e *Engine) abandon(x *exchange) {
	if e.context.Err() != nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.recorder.Abandon(x.draw.Request, x.outcome.Began, time.Since(e.start))
}

// follow sends the next request of a flow, whose time counts from the end of the one before and of the pause after it.
// Where the flow goes on, it says how long the user pauses then.
func (e *Engine) follow(x *exchange) (pause time.Duration) {
	req, err := e.client.request(&x.draw, x.to)
	x.outcome = record.Outcome{
		Request: x.draw.Request, Iteration: x.draw.N, Trace: x.draw.Trace, Texts: &x.texts, Intended: x.due,
		Sent:     time.Since(e.start),
		Instance: e.sentTo(x), Began: x.outcome.Began, Later: true, Session: x.user,
	}
	if err == nil {
		err = e.fetch(x, req)
	}
	x.outcome.Done, x.outcome.ReceivedBytes = time.Since(e.start), x.size
	if err != nil {
		x.outcome.ErrorClass, x.outcome.ErrorText = record.ClassOfText(err.Error(), e.context.Err() != nil), err.Error()
		x.outcome.First = 0
		return 0
	}
	x.takeEvents()
	return x.inspect(e.requests)
}

// fetch sends a step and reads its answer to the end.
func (e *Engine) fetch(x *exchange, req *http.Request) error {
	x.size = 0
	x.outcome.SentBytes = max(0, req.ContentLength)
	resp, cancel, err := e.send(req, x)
	defer cancel()
	if err != nil {
		return err
	}
	return x.read(resp, e.requests)
}

// sleep waits for d or until ctx is cancelled.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
