package loadgen

import (
	"io"
	"net/http"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"github.com/policycortex/headroom/loadgen/record"
	"github.com/policycortex/headroom/loadgen/request"
)

// exchange is a request of the vegeta engine whose answer is inspected or fails, or that is a step of a flow. Vegeta hands on
// neither bodies in part nor a place to look at them, so the worker that reads the answer also inspects it, records the
// outcome, and sends what follows in the flow: the flow holds the worker from its begin to its end.
type exchange struct {
	draw    request.Draw
	outcome outcome
	answer  request.Answer
	texts   request.Texts
	size    int64
	failing bool   // by its status
	keep    []byte // of a trial: the body's beginning; else nil
	ended   bool   // the answer came whole
}

// newExchange begins the exchange of an iteration whose answer's head has come.
func (a *vegetaAttack) newExchange(n int64, sent time.Duration, sentBytes int64, resp *http.Response) *exchange {
	x := &exchange{draw: a.requests.Draw(n)}
	x.draw.Flow = &x.texts
	x.outcome = outcome{request: x.draw.Request, intended: a.intended(n, sent), sent: sent, sentBytes: max(0, sentBytes), iteration: n, texts: &x.texts}
	x.begin(a, resp)
	return x
}

// begin takes the head of an answer.
func (x *exchange) begin(a *vegetaAttack, resp *http.Response) {
	x.outcome.status, x.outcome.cache = resp.StatusCode, resp.Header.Get("X-Cache")
	x.size, x.ended, x.failing = 0, false, !request.Expected(&a.scenario.Requests[x.outcome.request], resp.StatusCode)
	x.answer.Start(a.requests.Inspection(x.outcome.request))
	x.answer.TakeHeaders(resp.Header)
}

// inspect inspects an answer that came whole. goesOn says that the next step of its flow follows.
func (x *exchange) inspect(requests *request.Set) (goesOn bool) {
	x.outcome.answer = &x.answer
	x.outcome.found, goesOn = requests.Inspect(&x.answer, x.outcome.request, x.outcome.status, x.size, &x.texts)
	return goesOn
}

// Write takes what was read of the body.
func (x *exchange) Write(b []byte) (int, error) {
	x.size += int64(len(b))
	if x.keep != nil {
		x.keep = append(x.keep, b[:min(len(b), maxTriedBody-len(x.keep))]...)
	}
	switch {
	case x.answer.InspectsBody():
		x.answer.Piece(b)
	case x.failing:
		x.answer.Beginning(b)
	}
	return len(b), nil
}

// settle records the outcome, and sends the rest of the flow.
func (a *vegetaAttack) settle(x *exchange) {
	goesOn := x.inspect(a.requests)
	for goesOn {
		a.record(&x.outcome)
		goesOn = a.follow(x)
	}
	a.record(&x.outcome)
	if x.outcome.errorClass != record.ErrorCut {
		a.skipRest(x.outcome.request, x.outcome.done)
	}
}

// follow sends the next step of a flow, whose time counts from the end of the one before.
func (a *vegetaAttack) follow(x *exchange) (goesOn bool) {
	x.draw.Request++
	x.outcome = outcome{request: x.draw.Request, intended: x.outcome.done, iteration: x.draw.N, texts: &x.texts}
	var target vegeta.Target
	a.write(&target, &x.draw)
	x.outcome.sent = time.Since(a.start)
	err := a.exchange(x, &target)
	x.outcome.done = time.Since(a.start)
	if err != nil {
		x.outcome.errorClass, x.outcome.errorText = record.ClassOfText(err.Error(), a.context.Err() != nil), err.Error()
		return false
	}
	return x.inspect(a.requests)
}

// exchange sends a step and reads its answer.
func (a *vegetaAttack) exchange(x *exchange, target *vegeta.Target) error {
	req, err := target.Request()
	if err != nil {
		return err
	}
	resp, err := a.fetch(x, req)
	if resp != nil && a.timing.Window.Has(x.outcome.intended) {
		a.received[a.recorder.seriesOf(x.draw.Request, x.outcome.intended)].Add(x.size)
	}
	return err
}

// fetch sends a request and reads its answer to the end. There may be an answer and an error: it then was cut.
func (a *vegetaAttack) fetch(x *exchange, req *http.Request) (*http.Response, error) {
	x.outcome.sentBytes = max(0, req.ContentLength)
	resp, cancel, err := a.sender.send(req, x.draw.Request)
	defer cancel()
	if err != nil {
		return nil, err
	}
	x.begin(a, resp)
	defer resp.Body.Close()
	_, err = io.Copy(x, resp.Body)
	return resp, err
}

// record counts an outcome; any worker may call it.
func (a *vegetaAttack) record(o *outcome) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.book.record(o)
}

// skipRest counts the steps of a flow that come after one that failed.
func (a *vegetaAttack) skipRest(failed int, now time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.book.skip(failed, now)
}

// exchanges reports whether the worker that reads the answer of that status to a request records its outcome.
func (a *vegetaAttack) exchanges(index, status int) bool {
	s := a.requests
	return s.Inspection(index) != nil || s.Continues(index) || !request.Expected(s.Plan(index), status)
}
