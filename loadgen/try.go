package loadgen

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/policycortex/headroom/loadgen/connect"
	"github.com/policycortex/headroom/loadgen/nethttp"
	"github.com/policycortex/headroom/loadgen/request"
	"github.com/policycortex/headroom/loadgen/rpc"
	"github.com/policycortex/headroom/scenarios"
)

// Trial is one iteration of a scenario that is to be sent alone: of a request, or of a flow.
type Trial struct {
	scenario    int
	first, last int   // of the scenario's requests
	n           int64 // the iteration
}

// maxTriedNames bounds how many names of a recording are tried where none is asked for.
const maxTriedNames = 20

// Trials are an iteration of each request and flow of the plan, or of those that names has: names of requests, of
// flows, or of a flow's steps, which are sent with those before them. Of a recording it is the first request of each
// name. left is how many names of recordings were left out, being too many. An error says that there is no request of a
// name.
func Trials(plan *scenarios.Plan, recordings request.Recordings, names []string) (trials []Trial, left int, err error) {
	known := map[string]bool{}
	for i := range plan.Scenarios {
		s := &plan.Scenarios[i]
		if isStream(s) {
			if slices.Contains(names, s.Requests[0].Name) {
				return nil, 0, noTrial(s)
			}
			continue // its answer has no end
		}
		of := trialsOf(s, names, known)
		if log := recordings[s.Name]; log != nil {
			for k := range of {
				for log.Name(of[k].n) != of[k].first {
					of[k].n++
				}
			}
			if len(names) == 0 && len(of) > maxTriedNames {
				left += len(of) - maxTriedNames
				of = of[:maxTriedNames]
			}
		}
		for _, t := range of {
			t.scenario = i
			trials = append(trials, t)
		}
	}
	for _, name := range names {
		if !known[name] {
			return nil, 0, noRequest(name, plan)
		}
	}
	if len(trials) == 0 && len(plan.Scenarios) > 0 {
		return nil, 0, noTrial(&plan.Scenarios[0])
	}
	return trials, left, nil
}

// noTrial says why the request of a scenario of subscribers is not tried, and what to do instead.
func noTrial(s *scenarios.Scenario) error {
	return fmt.Errorf("the request %s opens a stream, which does not end and so is not tried: run the scenario with "+
		"--set scenarios.%s.subscribers=1 --set scenarios.%[2]s.duration=10s", s.Requests[0].Name, s.Name)
}

// trialsOf are those of one scenario; it notes which of the names it has.
func trialsOf(s *scenarios.Scenario, names []string, known map[string]bool) (of []Trial) {
	asked := func(name string) bool {
		has := slices.Contains(names, name)
		known[name] = known[name] || has
		return has
	}
	for i := 0; i < len(s.Requests); i++ {
		first, last := i, i
		for i+1 < len(s.Requests) && s.Requests[i+1].Step > 0 {
			i++
		}
		wanted := len(names) == 0 || s.Requests[first].Flow != "" && asked(s.Requests[first].Flow)
		if wanted {
			last = i
		}
		for k := first; k <= i; k++ {
			if asked(s.Requests[k].Name) {
				wanted, last = true, max(last, k)
			}
		}
		if wanted {
			of = append(of, Trial{first: first, last: last})
		}
	}
	return of
}

// noRequest says that there is no request, flow or step of a name, which was meant, and which there are.
func noRequest(name string, plan *scenarios.Plan) error {
	var names []string
	for _, s := range plan.Scenarios {
		for _, q := range s.Requests {
			for _, n := range []string{q.Flow, q.Name} {
				if n != "" && !slices.Contains(names, n) {
					names = append(names, n)
				}
			}
		}
	}
	if meant := scenarios.Nearest(name, names); meant != "" {
		return fmt.Errorf("there is no request or flow %.100q; did you mean %q?", name, meant)
	}
	more := ""
	if left := len(names) - maxTriedNames; left > 0 {
		names, more = names[:maxTriedNames], fmt.Sprintf(" and %d more", left)
	}
	return fmt.Errorf("there is no request or flow %.100q; there are %s%s", name, strings.Join(names, ", "), more)
}

// Tried is one request of a [Trial], and what became of it.
type Tried struct {
	Scenario      string // empty for setup and teardown, which are of none
	Request, Flow string
	NotSent       string // why it was not; then there is nothing else
	LeftOut       bool   // it was not sent because the flow leaves it out, which is fine
	Method, URL   string
	Headers       []Field // as they were sent
	Body          []byte
	Answered      bool // that an answer's head came: what follows is of it
	Status        int
	Protocol      string // "HTTP/2.0, TLS 1.3"
	EndURL        string // of the last answer, where the request was redirected
	Answer        []Field
	AnswerBody    []byte // its beginning
	AnswerBytes   int64  // of the whole body
	Took          time.Duration
	Failure       string // why the request counts as failed; empty when it does not
	Extracted     []Field
	Checks        []request.CheckResult
}

// Field is a header, or a text that was extracted.
type Field struct {
	Name, Value string
	Secret      bool // by its name, or by where it is used
}

// Fine reports whether the request did not fail and all its checks hold.
func (t *Tried) Fine() bool {
	return (t.NotSent == "" || t.LeftOut) && t.Failure == "" &&
		!slices.ContainsFunc(t.Checks, func(c request.CheckResult) bool { return !c.Held })
}

// errStopped ends a trial that was cancelled.
var errStopped = errors.New("stopped")

// Try sends the trials one after the other to the base URL target, where it has several instances to each in turn, and
// gives each of their requests to each. Before them it sends the plan's setup, and before the first of a scenario the
// login of its user 0; after them teardown. Requests are rendered and answers inspected as under load. The client of
// the vegeta engine sends them, whichever engine sends the load. A cancelled ctx ends it with ctx's error.
func Try(ctx context.Context, plan *scenarios.Plan, target string, o Options, trials []Trial, each func(*Tried)) error {
	to, err := connect.Load(plan)
	if err != nil {
		return err
	}
	o.to = to
	ctx, done := context.WithCancel(ctx) // connections end with it
	defer done()
	plan, err = rpc.Resolve(ctx, plan, to, target)
	if err != nil {
		return err
	}
	if len(plan.Setup) > 0 {
		flow, err := o.setupFlow(ctx, plan, target)
		if err != nil {
			return err
		}
		texts, fine, err := o.tryFlow(ctx, flow, "", nil, each)
		if err != nil || !fine {
			return err
		}
		o.keepSetup(plan, texts)
	}
	err = o.tryAll(ctx, plan, target, trials, each)
	if len(plan.Teardown) == 0 {
		return err
	}
	ctx, finished := context.WithCancel(context.WithoutCancel(ctx))
	defer finished()
	flow, wrong := o.lifeFlow(ctx, plan, "teardown", plan.Teardown, nil, o.instances(target), nil)
	if wrong == nil {
		_, _, wrong = o.tryFlow(ctx, flow, "", nil, each)
	}
	return errors.Join(err, wrong)
}

// tryFlow sends a flow that is not a part of the load, of a scenario or of none. fine says that nothing of it failed.
func (o *Options) tryFlow(ctx context.Context, flow *lifeFlow, scenario string, user *request.Session,
	each func(*Tried),
) (texts request.Texts, fine bool, err error) {
	fine = true
	run := &trialRun{
		scenario: flow.scenario, name: scenario, prober: flow.prober(ctx), user: user, secrets: o.Secrets,
	}
	err = run.run(ctx, Trial{last: len(flow.scenario.Requests) - 1}, func(tried *Tried) {
		fine = fine && tried.Fine()
		each(tried)
	})
	return run.prober.Texts(), fine, err
}

// tryAll sends the trials.
func (o *Options) tryAll(ctx context.Context, plan *scenarios.Plan, target string, trials []Trial, each func(*Tried),
) error {
	users := map[int]*triedUser{}
	for _, t := range trials {
		if users[t.scenario] != nil {
			continue
		}
		s := &plan.Scenarios[t.scenario]
		requests, err := o.requests(plan, s)
		if err != nil {
			return fmt.Errorf("prepare requests: %w", err)
		}
		places, err := o.to.Places(ctx, o.instancesOf(s, target))
		if err != nil {
			return err
		}
		users[t.scenario] = &triedUser{
			prober: nethttp.NewProber(ctx, o.to, places, requests), places: len(places),
			users: request.NewUsers(s, o.instancesOf(s, target)),
		}
	}
	for i, t := range trials {
		s, by := &plan.Scenarios[t.scenario], users[t.scenario]
		if !by.begun {
			if err := by.begin(ctx, o, plan, s, target, each); err != nil {
				return err
			}
		}
		if by.refused {
			continue // and was told
		}
		trial := &trialRun{
			scenario: s, name: s.Name, prober: by.prober, place: i % by.places, user: by.session(s), secrets: o.Secrets,
		}
		if err := trial.run(ctx, t, each); err != nil {
			return err
		}
	}
	return nil
}

// triedUser is who sends the trials of a scenario.
type triedUser struct {
	prober  *nethttp.Prober
	places  int // of the target
	users   *request.Users
	known   *request.Session // of a user who stays the same
	begun   bool
	refused bool // its login failed
}

// begin logs the user in, where it has to.
func (u *triedUser) begin(ctx context.Context, o *Options, plan *scenarios.Plan, s *scenarios.Scenario, target string,
	each func(*Tried),
) error {
	u.begun = true
	if !s.HasSessions() || len(s.Login) == 0 && s.Load.Open() {
		return nil
	}
	u.known = u.users.New()
	login, err := o.loginFlow(ctx, plan, s, target)
	if login == nil {
		return err
	}
	texts, fine, err := o.tryFlow(ctx, login, s.Name, u.known, each)
	u.refused = !fine
	if fine {
		u.known.LogIn(texts)
	}
	return err
}

// session is that of the user who sends the next trial; nil where users keep nothing.
func (u *triedUser) session(s *scenarios.Scenario) *request.Session {
	if s.HasSessions() && u.known == nil {
		return u.users.New()
	}
	return u.known
}

// trialRun is a trial under way.
type trialRun struct {
	scenario *scenarios.Scenario
	name     string // of the scenario; empty for a flow of none
	prober   *nethttp.Prober
	place    int // of the target
	user     *request.Session
	secrets  *scenarios.Redactor
}

// run sends the requests of a trial up to the first that fails, in the order and as often as under load.
func (r *trialRun) run(ctx context.Context, t Trial, each func(*Tried)) error {
	r.prober.Begin(t.first, t.n, r.place, r.user)
	reached, why := t.first, ""
	for at, more := t.first, true; more; {
		tried := r.tried(at)
		pause, goesOn := r.try(ctx, at, tried)
		if ctx.Err() != nil {
			return fmt.Errorf("%w: %w", errStopped, ctx.Err())
		}
		each(tried)
		reached = at + 1
		if tried.Failure != "" {
			why = tried.Request + " failed before it"
			break
		}
		at, more = r.prober.Next(), goesOn
		for end := at; reached < end && more && reached <= t.last; reached++ {
			r.leaveOut(reached, "", each)
		}
		more = more && at <= t.last
		if more && sleep(ctx, pause) != nil {
			return fmt.Errorf("%w: %w", errStopped, ctx.Err())
		}
	}
	for ; reached <= t.last; reached++ {
		r.leaveOut(reached, why, each)
	}
	return nil
}

// tried is a request that has not been sent yet.
func (r *trialRun) tried(at int) *Tried {
	q := &r.scenario.Requests[at]
	return &Tried{Scenario: r.name, Request: q.Name, Flow: q.Flow}
}

// leaveOut tells of a request that is not sent: because its condition does not hold, where there is no other reason.
func (r *trialRun) leaveOut(at int, why string, each func(*Tried)) {
	tried := r.tried(at)
	tried.NotSent, tried.LeftOut = why, why == ""
	if tried.LeftOut {
		tried.NotSent = "its condition does not hold"
	}
	each(tried)
}

// try sends the request of that index, and notes what became of it. goesOn says that its flow does, after a pause.
func (r *trialRun) try(ctx context.Context, index int, t *Tried) (pause time.Duration, goesOn bool) {
	sent := &sentFields{secrets: r.secrets}
	p := r.prober.Send(httptrace.WithClientTrace(ctx, sent.trace()), index)
	t.Failure = failureOf(&r.scenario.Requests[index], &p)
	if p.Request == nil {
		return 0, false
	}
	o := &p.Outcome
	t.Method, t.URL, t.Body, t.Took = p.Request.Method, p.Request.URL.String(), p.Sent, o.Done-o.Sent
	t.Headers = sent.take(p.Request)
	if p.Response != nil {
		t.answered(&p)
		t.Answer = fieldsOf(p.Response.Header, r.secrets)
	}
	if p.Err != nil {
		return 0, false
	}
	t.Checks = r.prober.CheckResults(&p)
	if t.Failure == "" {
		for _, e := range r.prober.Extracted(&p) {
			t.Extracted = append(t.Extracted, Field{e.Name, e.Text, e.Secret})
		}
	}
	return p.Pause, o.GoesOn
}

// answered notes what the answer is.
func (t *Tried) answered(p *nethttp.Probe) {
	resp := p.Response
	t.Answered, t.Status, t.Protocol = true, resp.StatusCode, resp.Proto
	if resp.TLS != nil {
		t.Protocol += ", " + tls.VersionName(resp.TLS.Version)
	}
	if resp.Request != nil && resp.Request.URL != nil {
		if end := resp.Request.URL.String(); end != t.URL {
			t.EndURL = end
		}
	}
	t.AnswerBody, t.AnswerBytes = p.Body, p.Size
}

// sentFields are the headers of a request as a transport writes them: of the first one, where it is redirected.
type sentFields struct {
	secrets *scenarios.Redactor
	mu      sync.Mutex // a transport may write in a goroutine of its own
	fields  []Field
	whole   bool
}

func (s *sentFields) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		WroteHeaderField: func(name string, values []string) {
			s.mu.Lock()
			defer s.mu.Unlock()
			for _, v := range values {
				if !s.whole {
					s.fields = append(s.fields, Field{name, v, s.secrets.IsHeader(name)})
				}
			}
		},
		WroteHeaders: func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.whole = true
		},
	}
}

// take returns the headers; where none were written, those that would have been.
func (s *sentFields) take(req *http.Request) []Field {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.fields) > 0 {
		return slices.Clone(s.fields)
	}
	return fieldsOf(req.Header, s.secrets)
}

func fieldsOf(h http.Header, secrets *scenarios.Redactor) (fields []Field) {
	for name, values := range h {
		for _, v := range values {
			fields = append(fields, Field{name, v, secrets.IsHeader(name)})
		}
	}
	slices.SortStableFunc(fields, func(a, b Field) int { return strings.Compare(a.Name, b.Name) })
	return fields
}
