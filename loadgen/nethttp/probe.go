package nethttp

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/policycortex/headroom/loadgen/connect"
	"github.com/policycortex/headroom/loadgen/record"
	"github.com/policycortex/headroom/loadgen/request"
)

// maxKept bounds what a probe keeps of an answer's body, in bytes.
const maxKept = 64 << 10

// Prober sends single iterations, one request after the other.
type Prober struct {
	requests *request.Set
	client   *client
	start    time.Time
	exchange *exchange
}

// NewProber returns a prober of a scenario's requests to the target, as in [Config].
func NewProber(ctx context.Context, to *connect.To, target []connect.Place, requests *request.Set) *Prober {
	return &Prober{requests: requests, client: newClient(ctx, to, target, requests, 1, nil, true), start: time.Now()}
}

// Probe is a request that a prober has sent, and its answer.
type Probe struct {
	Request  *http.Request  // nil: it could not be rendered
	Sent     []byte         // its body
	Response *http.Response // nil: none came; its body is read
	Body     []byte         // of the answer, its first 64 KiB, decompressed
	Size     int64          // of all of it, in bytes; as it was sent where Body is not all of it
	Outcome  record.Outcome // the times are since the prober was made
	Pause    time.Duration  // before the next request, where Outcome.GoesOn says that there is one
	Err      error          // no request was made, or no whole answer came
}

// Begin begins iteration n with the request of that index, to a place of the target. user is who sends it; nil where
// users keep nothing.
func (p *Prober) Begin(index int, n int64, to int, user *request.Session) {
	p.exchange = &exchange{to: to, user: user, began: p.start}
	p.exchange.start(p.requests.DrawOf(index, n))
}

// Send sends the request of that index, which is that of Begin or a later step of its flow. ctx may have a trace.
func (p *Prober) Send(ctx context.Context, index int) Probe {
	x := p.exchange
	x.draw.Request = index
	x.outcome = record.Outcome{Request: index, Iteration: x.draw.N, Texts: &x.texts, Session: x.user}
	x.keep, x.size = make([]byte, 0, 4096), 0
	var probe Probe
	probe.Request, probe.Err = p.client.request(&x.draw, x.to)
	if probe.Err == nil {
		probe.Sent = sentBody(probe.Request)
		p.client.context = ctx // net/http takes its trace from there, the plain transport from the request
		x.outcome.Sent = time.Since(p.start)
		probe.Response, probe.Err = p.fetch(x, probe.Request.WithContext(ctx))
		x.outcome.Done = time.Since(p.start)
	}
	if probe.Err == nil {
		probe.Pause = x.inspect(p.requests)
	}
	probe.Body, probe.Size, probe.Outcome = x.keep, x.size, x.outcome
	if probe.Response != nil {
		text, whole := request.Readable(x.keep, probe.Response.Header.Get("Content-Encoding"))
		probe.Body = text
		if whole && x.size == int64(len(x.keep)) {
			probe.Size = int64(len(text))
		}
	}
	return probe
}

// sentBody is the body that a request will have.
func sentBody(req *http.Request) []byte {
	if req.GetBody == nil {
		return nil
	}
	body, err := req.GetBody()
	if err != nil {
		return nil
	}
	content, _ := io.ReadAll(body) // it lies in memory
	return content
}

// fetch sends a request and reads its answer to the end. There may be an answer and an error: it then was cut.
func (p *Prober) fetch(x *exchange, req *http.Request) (*http.Response, error) {
	resp, cancel, err := p.client.send(req, &x.draw, x.to)
	defer cancel()
	if err != nil {
		return nil, err
	}
	return resp, x.read(resp, p.requests)
}

// Next is the index of the request that follows in the flow, after a probe whose Outcome.GoesOn.
func (p *Prober) Next() int { return p.exchange.draw.Request }

// CheckResults are those of the answer to a probe.
func (p *Prober) CheckResults(probe *Probe) []request.CheckResult {
	o := &probe.Outcome
	return p.requests.CheckResults(o.Request, &p.exchange.answer, o.Status, o.Found)
}

// Texts are what the flow of the iteration has extracted so far.
func (p *Prober) Texts() request.Texts { return p.exchange.texts }

// Conceal is a message about a probe without the secrets of request and answer.
func (p *Prober) Conceal(probe *Probe, text string) string {
	x := p.exchange
	conceal := p.requests.Concealer(x.draw.N, probe.Outcome.Request, &x.texts, &x.answer, x.user)
	return conceal.Text(text)
}

// Extracted are the texts that were extracted of the answer to a probe.
func (p *Prober) Extracted(probe *Probe) []request.Extracted {
	return p.requests.Extracted(probe.Outcome.Request, p.exchange.texts)
}
