package loadgen

import (
	"net/http"
	"time"
)

// exchange is a request of the vegeta engine whose answer is inspected. Vegeta hands on neither bodies in part nor a
// place to look at them, so the worker that reads the answer also inspects it and records the outcome.
type exchange struct {
	outcome outcome
	answer  answer
	size    int64
	ended   bool // the answer came whole
}

// newExchange begins the inspection of an answer whose head has come.
func (a *vegetaAttack) newExchange(request int, n int64, sent time.Duration, resp *http.Response) *exchange {
	x := &exchange{outcome: outcome{
		request: request, intended: sent, sent: sent, status: resp.StatusCode, cache: resp.Header.Get("X-Cache"),
		sentBytes: max(0, resp.Request.ContentLength),
	}}
	if a.schedule != nil {
		x.outcome.intended = a.schedule.at(n)
	}
	x.answer.start(a.requests.requests[request].inspect)
	x.answer.takeHeaders(resp.Header)
	return x
}

func (a *answer) takeHeaders(h http.Header) {
	for i, name := range a.want.headers {
		if v := h.Values(name); len(v) > 0 {
			a.headers[i] = keptHeader{true, []byte(v[0])}
		}
	}
}

// read takes what was read of the body.
func (x *exchange) read(b []byte) {
	x.size += int64(len(b))
	if x.answer.want.body {
		x.answer.piece(b)
	}
}

// settle inspects the answer and records the outcome.
func (a *vegetaAttack) settle(x *exchange) {
	x.outcome.checks = x.answer.passed(x.outcome.status, x.size)
	a.record(&x.outcome)
}

// record counts an outcome; any worker may call it.
func (a *vegetaAttack) record(o *outcome) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.book.record(o)
}

// inspects reports whether the outcomes of a request are recorded by the worker that reads the answer, when there is
// one.
func (a *vegetaAttack) inspects(request int) bool { return a.requests.requests[request].inspect != nil }
