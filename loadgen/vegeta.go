package loadgen

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"github.com/policycortex/headroom/loadgen/arrival"
	"github.com/policycortex/headroom/loadgen/record"
	"github.com/policycortex/headroom/loadgen/request"
	"github.com/policycortex/headroom/results"
)

// vegetaAttack is one scenario's run on the vegeta engine.
//
// Vegeta's workers take ticks that its pacer releases and time each request from its actual sending. Here the pacer is
// the scenario's schedule, the targeter renders iteration n, and n travels in the fragment of the target's URL (which
// is never sent) to the result, where the schedule tells the intended instant.
type vegetaAttack struct {
	*attack
	book      *book             // guarded by mu while there are workers
	transport http.RoundTripper // nil: TCP
	proxy     string            // the address of what stands before the target; may be empty
	context   context.Context   // of the run
	crowd     *crowd            // of users who think; else nil
	sender    *instrumented

	shortage arrival.Shortage
	next     atomic.Int64   // iteration of the shard
	full     int64          // requests in flight at which no worker is free
	lastFull atomic.Int64   // nanoseconds since start at which all workers were last busy
	received []atomic.Int64 // bytes of answers' bodies, by series

	mu          sync.Mutex
	lag, ownLag *results.Histogram
}

func newVegetaAttack(a *attack, proxy string) *vegetaAttack {
	v := &vegetaAttack{
		attack: a, proxy: proxy, book: a.recorder.newBook(), full: int64(a.scenario.Load.Workers()),
		received: make([]atomic.Int64, len(a.recorder.series)), lag: results.NewHistogram(), ownLag: results.NewHistogram(),
	}
	if a.timing.Think != nil {
		v.crowd = newCrowd(a.timing.Think, int(v.full))
	}
	return v
}

// name says the way to the target where it was not the plain one.
func (a *vegetaAttack) name() string {
	if a.sender == nil || a.sender.plain != nil || a.sender.protocol.Load() == nil {
		return "vegeta v12"
	}
	way := *a.sender.protocol.Load()
	if a.proxy != "" {
		way += ", through a proxy"
	}
	return "vegeta v12 (" + way + ")"
}

// run sends the scenario's requests until its schedule and gracefulStop end or ctx is cancelled. What is in flight
// then is cut.
func (a *vegetaAttack) run(ctx context.Context) {
	requests, cut := context.WithCancel(context.WithoutCancel(ctx)) // by stopAtEnd: a deadline of ctx would look like a timeout
	defer cut()
	a.context, a.sender = ctx, a.newTransport(requests)
	client := &http.Client{
		Transport:     a.sender,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	attacker := vegeta.NewAttacker(vegeta.Client(client), vegeta.Workers(uint64(a.full)),
		vegeta.MaxWorkers(uint64(a.full)), vegeta.MaxBody(0))

	stopped := make(chan struct{})
	defer close(stopped)
	go a.stopAtEnd(ctx, attacker, cut, stopped)
	for r := range attacker.Attack(a.render, pacer{a, ctx}, 0, "") {
		n, o := a.outcome(r, ctx.Err() != nil)
		if a.crowd != nil {
			a.crowd.think(n, o.done)
		}
		switch {
		case o.errorClass != "":
			a.record(&o)
			if o.errorClass != record.ErrorCut {
				a.skipRest(o.request, o.done)
			}
		case !a.exchanges(o.request, o.status):
			a.record(&o)
		}
	}
	a.close()
	a.finish()
}

func (a *vegetaAttack) discard() {} // nothing is made before it runs

// close adds what the workers counted themselves, and closes the book.
func (a *vegetaAttack) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	p := a.book.page
	merge(p.lag, a.lag)
	merge(p.ownLag, a.ownLag)
	p.written = p.written || p.lag.Count() > 0
	for i := range p.tallies { // users of a closed executor have bytes, and no lag
		n := a.received[i].Load()
		p.tallies[i].bytesReceived += n
		p.written = p.written || n > 0
	}
	a.book.close()
}

// stopAtEnd cuts the attack when gracefulStop has passed after the schedule's end, or when ctx is cancelled. Until then it
// turns the pages of the book, which otherwise only an answer does.
func (a *vegetaAttack) stopAtEnd(ctx context.Context, attacker *vegeta.Attacker, cut func(), stopped <-chan struct{}) {
	left := func() time.Duration { return time.Until(a.start.Add(a.timing.Window.End() + a.scenario.GracefulStop)) }
	end := time.NewTimer(left())
	defer end.Stop()
	turn := time.NewTicker(patience)
	defer turn.Stop()
	for settled := a.timing.Window.Fixed(); ; {
		select {
		case <-stopped:
			return
		case <-settled:
			end.Reset(left())
			settled = nil
			continue
		case <-turn.C:
			a.mu.Lock()
			a.book.advance(time.Since(a.start))
			a.mu.Unlock()
			continue
		case <-ctx.Done():
		case <-end.C:
		}
		attacker.Stop()
		cut()
		return
	}
}

// pacer releases iteration n at its intended instant, or at once when that has passed.
type pacer struct {
	a   *vegetaAttack
	ctx context.Context
}

func (p pacer) Rate(time.Duration) float64 { return 0 } // only vegeta's command asks

func (p pacer) Pace(_ time.Duration, hits uint64) (wait time.Duration, stop bool) {
	a := p.a
	if !a.timing.Open() {
		return 0, !p.user()
	}
	n := a.timing.Shard.Iteration(int64(hits))
	for {
		now := time.Since(a.start)
		if p.ctx.Err() != nil || n >= a.timing.Window.Iterations() || now >= a.timing.Window.End()+a.scenario.GracefulStop {
			return 0, true
		}
		if wait = a.timing.Schedule.At(n) - now; wait <= patience {
			return wait, false
		}
		pause := wait - patience     // here and not in vegeta, which would sleep whatever happens
		if a.timing.Window.Moves() { // what is due later may be due no more when the warm-up has ended
			pause = min(pause, patience)
		}
		if sleep(p.ctx, pause) != nil {
			return 0, true
		}
	}
}

// patience is how long something may wait for what the end of the run, or of an automatic warm-up, can make needless. It is
// shorter than any measured part.
const patience = 100 * time.Millisecond

// user waits for a user who is to send, and says whether there is one before the schedule ends.
func (p pacer) user() bool {
	if p.a.crowd != nil {
		return p.a.crowd.next(p.ctx, p.a.start, p.a.timing.Window)
	}
	return p.ctx.Err() == nil && time.Since(p.a.start) < p.a.timing.Window.End()
}

// render is vegeta's targeter: it writes the next iteration's request.
func (a *vegetaAttack) render(t *vegeta.Target) error {
	d := a.requests.Draw(a.timing.Shard.Iteration(a.next.Add(1) - 1))
	a.write(t, &d)
	return nil
}

// write renders a request.
func (a *vegetaAttack) write(t *vegeta.Target, d *request.Draw) {
	var space [256]byte
	url := a.requests.AppendPath(append(space[:0], a.target...), d)
	url = append(url, '#')
	url = strconv.AppendInt(url, int64(d.Request), 10)
	url = append(url, '-')
	url = strconv.AppendInt(url, d.N, 10)
	t.Method, t.URL, t.Body, t.Header = a.requests.Method(d), string(url), a.requests.Body(d), a.requests.Header(d)
}

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

// intended is the instant at which iteration n was meant to be sent: in a closed executor, when it was.
func (a *vegetaAttack) intended(n int64, sent time.Duration) time.Duration {
	if !a.timing.Open() {
		return sent
	}
	return a.timing.Schedule.At(n)
}

// outcome turns vegeta's result of iteration n into ours.
func (a *vegetaAttack) outcome(r *vegeta.Result, ended bool) (n int64, o outcome) {
	o = outcome{status: int(r.Code), sent: r.Timestamp.Sub(a.start), sentBytes: int64(r.BytesOut)}
	o.done = o.sent + r.Latency
	request, n, err := parseFragment(r.URL[strings.LastIndexByte(r.URL, '#')+1:])
	if err != nil {
		panic(err) // render wrote it
	}
	o.request, o.intended, o.iteration = request, a.intended(n, o.sent), n
	if r.Headers == nil { // no answer, or not to its end
		o.errorText = r.Error
		if _, text, found := strings.Cut(r.Error, `": `); found { // url.Error's method and URL go before
			o.errorText = text
		}
		o.errorClass = record.ClassOfText(o.errorText, ended)
		return n, o
	}
	if v := r.Headers["X-Cache"]; len(v) > 0 {
		o.cache = v[0]
	}
	return n, o
}
