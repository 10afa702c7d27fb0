package nethttp

import (
	"io"
	"net/http"
	"time"

	"github.com/policycortex/headroom/loadgen/record"
	"github.com/policycortex/headroom/loadgen/request"
	"github.com/policycortex/headroom/loadgen/rpc"
)

// exchange is a request, its answer, and what became of them; of a flow, those of one step after the other.
type exchange struct {
	draw     request.Draw
	to       int              // the place that it is sent to
	user     *request.Session // nil where users keep nothing
	named    bool             // the answer names the instance behind it, and the load is told apart by that
	outcome  record.Outcome
	answer   request.Answer
	texts    request.Texts
	events   request.Events // of a streamed answer
	began    time.Time      // from when the times of the outcome count
	body     body           // which vegeta reads
	size     int64          // of the answer's body, as far as it was read
	failing  bool           // by its status
	ended    bool           // the answer came whole
	recorded bool           // by the worker that read it
	due      time.Duration  // when the next request of its flow is
	turn     turn           // that it carries out
	keep     []byte         // of a probe: the body's beginning; else nil
	call     *rpc.Exchange  // of a call of gRPC; else nil
}

// start makes it the exchange of an iteration.
func (x *exchange) start(d request.Draw) {
	x.draw, x.size, x.failing, x.ended, x.recorded = d, 0, false, false, false
	x.draw.Begin(&x.texts)
	x.draw.Session = x.user
	x.outcome = record.Outcome{Request: d.Request, Iteration: d.N, Trace: d.Trace, Texts: &x.texts, Session: x.user}
}

// begin takes the head of an answer.
func (x *exchange) begin(resp *http.Response, requests *request.Set) {
	x.outcome.Status, x.outcome.Cache = resp.StatusCode, record.CacheOf([]byte(resp.Header.Get("X-Cache")))
	if x.named {
		x.outcome.Instance = record.InstanceOf(resp.Header.Get(record.InstanceHeader))
	}
	x.size, x.ended, x.failing = 0, false, !request.Expected(requests.Plan(x.outcome.Request), resp.StatusCode)
	x.answer.Start(requests.Inspection(x.outcome.Request))
	x.answer.TakeHeaders(resp.Header)
	x.outcome.First, x.outcome.Handshake = time.Since(x.began), handshakeOf(resp)
	x.events.Start("")
	x.call, _ = resp.Body.(*rpc.Exchange)
	if x.call != nil {
		x.beginCall(requests)
		return
	}
	if !x.failing {
		x.events.Start(requests.Plan(x.outcome.Request).Stream)
	}
}

// beginCall takes the answer of a call of gRPC, which has come whole.
func (x *exchange) beginCall(requests *request.Set) {
	sent := x.call.Began().Sub(x.began)
	x.outcome.First, x.size = sent+x.call.First(), x.call.Size
	if x.failing {
		x.answer.Beginning([]byte(x.call.Reason))
		return
	}
	x.events.Start(requests.Plan(x.outcome.Request).Stream)
	if x.events.Streamed() {
		for _, at := range x.call.Arrivals {
			x.events.Arrive(sent + at)
		}
		x.events.Count = x.call.Count
	}
}

// takeMessages takes the messages of the answer of a call, as JSON.
func (x *exchange) takeMessages() {
	messages := x.call.Messages
	x.call.Messages = nil // the exchange outlives them
	if x.failing || x.keep == nil && !x.answer.InspectsBody() {
		return
	}
	if x.call.TooBig {
		x.answer.TooBig()
		return
	}
	text, err := x.call.Call().AppendAnswer(nil, messages)
	if err != nil {
		text = []byte(err.Error())
	}
	if x.keep != nil {
		x.keep = append(x.keep, text[:min(len(text), maxKept-len(x.keep))]...)
	}
	if x.answer.InspectsBody() {
		x.answer.Piece(text)
	}
}

// Write takes what was read of the body.
func (x *exchange) Write(b []byte) (int, error) {
	x.size += int64(len(b))
	if x.keep != nil {
		x.keep = append(x.keep, b[:min(len(b), maxKept-len(x.keep))]...)
	}
	if x.events.Streamed() {
		x.events.Feed(b, time.Since(x.began))
	}
	switch {
	case x.answer.InspectsBody():
		x.answer.Piece(b)
	case x.failing:
		x.answer.Beginning(b)
	}
	return len(b), nil
}

// read takes an answer to its end.
func (x *exchange) read(resp *http.Response, requests *request.Set) error {
	x.begin(resp, requests)
	defer resp.Body.Close()
	_, err := io.Copy(x, resp.Body)
	return err
}

// inspect inspects an answer that came whole. Where its flow goes on, it says how long the user pauses before that.
func (x *exchange) inspect(requests *request.Set) (pause time.Duration) {
	o := &x.outcome
	o.Answer = &x.answer
	if x.call != nil {
		x.takeMessages()
	}
	o.Found, pause, o.GoesOn = requests.Inspect(&x.answer, &x.draw, o.Status, x.size)
	return pause
}

// isFinishedHere reports whether the worker that reads the answer records the outcome: where it inspects the answer,
// keeps some of it because it fails, or goes on with a flow.
func (x *exchange) isFinishedHere(requests *request.Set) bool {
	i := x.outcome.Request
	return x.failing || requests.Inspection(i) != nil || requests.Continues(i)
}

// body is the body of an answer whose exchange takes note of what is read of it.
type body struct {
	io.ReadCloser
	engine   *Engine
	exchange *exchange
	cancel   func()
	closed   bool
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	x := b.exchange
	_, _ = x.Write(p[:n]) // it does not fail
	if err == io.EOF && !x.ended {
		x.ended, x.outcome.Done = true, time.Since(b.engine.start)
	}
	return n, err
}

func (b *body) Close() error {
	err := b.ReadCloser.Close()
	if !b.closed {
		b.closed = true
		b.cancel()
		if b.exchange.ended && b.exchange.isFinishedHere(b.engine.requests) {
			b.engine.finish(b.exchange)
		}
		b.engine.end(b.exchange)
	}
	return err
}
