package loadgen

import (
	"context"
	"fmt"
	"sync"

	"github.com/policycortex/headroom/loadgen/connect"
	"github.com/policycortex/headroom/loadgen/nethttp"
	"github.com/policycortex/headroom/loadgen/record"
	"github.com/policycortex/headroom/loadgen/request"
	"github.com/policycortex/headroom/scenarios"
)

// Besides the load, a plan may have flows that are sent without being measured: setup once before it, the login of each
// user after that, and teardown once at the end. The client of the vegeta engine sends them. What one of their steps
// lacks, a status or a check, ends the run.

// lifeFlow is such a flow, ready to be sent.
type lifeFlow struct {
	scenario *scenarios.Scenario // whose requests are the flow's steps
	requests *request.Set
	to       *connect.To
	places   []connect.Place
}

// lifeFlow prepares a flow of the plan that is sent to the given instances; user is the scenario whose login it is, or
// nil. later are the requests that may use what it extracts.
func (o *Options) lifeFlow(ctx context.Context, plan *scenarios.Plan, name string, steps []scenarios.Request,
	user *scenarios.Scenario, instances []string, later []*scenarios.Request,
) (*lifeFlow, error) {
	s := &scenarios.Scenario{Name: name}
	if user != nil {
		s.Name, s.Cookies = user.Name, user.Cookies
	}
	s.Requests = steps
	set, err := request.New(plan.Seed, s, request.Sources{
		Fixture: o.Fixture, Feeders: o.Feeders, Secrets: o.Secrets, Setup: o.setup, Later: later,
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	places, err := o.to.Places(ctx, instances)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return &lifeFlow{s, set, o.to, places}, nil
}

// prober returns one that sends the flow.
func (f *lifeFlow) prober(ctx context.Context) *nethttp.Prober {
	return nethttp.NewProber(ctx, f.to, f.places, f.requests)
}

// send sends the flow once as iteration n, to a place of the target, and returns what it has extracted.
func (f *lifeFlow) send(ctx context.Context, by *nethttp.Prober, n int64, place int, user *request.Session,
) (request.Texts, error) {
	by.Begin(0, n, place, user)
	for i := range f.scenario.Requests {
		probe := by.Send(ctx, i)
		why := failureOf(&f.scenario.Requests[i], &probe)
		if why == "" {
			why = unheld(by.CheckResults(&probe))
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("%w: %w", errStopped, ctx.Err())
		}
		if why != "" {
			return nil, fmt.Errorf("step %s: %s", f.scenario.Requests[i].Name, by.Conceal(&probe, why))
		}
	}
	return by.Texts(), nil
}

// unheld names the first check that does not hold; empty: all do.
func unheld(checks []request.CheckResult) string {
	for _, c := range checks {
		if !c.Held {
			return "the check " + c.Name + " does not hold: " + c.Seen
		}
	}
	return ""
}

// failureOf says why a request that was tried failed; empty: it did not.
func failureOf(plan *scenarios.Request, p *nethttp.Probe) string {
	o := &p.Outcome
	switch {
	case p.Request == nil:
		return p.Err.Error()
	case p.Err != nil:
		o.ErrorClass, o.ErrorText = record.ClassOfText(p.Err.Error(), false), p.Err.Error()
		return o.ErrorClass + ": " + o.Message()
	case o.Found.Extraction != "":
		return o.Found.Extraction + ": " + o.Found.Why
	case !request.Expected(plan, o.Status):
		return record.StatusClass(o.Status) + ", expected " + request.ExpectedText(plan)
	}
	return ""
}

// setUp sends the plan's setup. What it extracts fills holes from then on.
func (o *Options) setUp(ctx context.Context, plan *scenarios.Plan, target string) error {
	if len(plan.Setup) == 0 {
		return nil
	}
	flow, err := o.setupFlow(ctx, plan, target)
	if err != nil {
		return err
	}
	ctx, done := context.WithCancel(ctx) // connections end with it
	defer done()
	texts, err := flow.send(ctx, flow.prober(ctx), 0, 0, nil)
	if err != nil {
		return fmt.Errorf("setup: %w", err)
	}
	o.keepSetup(plan, texts)
	return nil
}

func (o *Options) setupFlow(ctx context.Context, plan *scenarios.Plan, target string) (*lifeFlow, error) {
	var later []*scenarios.Request
	for q := range plan.AllRequests() {
		later = append(later, q)
	}
	return o.lifeFlow(ctx, plan, "setup", plan.Setup, nil, o.instances(target), later)
}

// keepSetup takes what setup has extracted, which no message tells.
func (o *Options) keepSetup(plan *scenarios.Plan, texts request.Texts) {
	o.setup = map[string]string{}
	slot := 0
	for i := range plan.Setup {
		for _, x := range plan.Setup[i].Extract {
			o.setup[x.Name] = string(texts[slot])
			slot++
		}
	}
}

// tearDown sends the plan's teardown, also where the run was interrupted.
func (o *Options) tearDown(ctx context.Context, plan *scenarios.Plan, target string) error {
	if len(plan.Teardown) == 0 {
		return nil
	}
	ctx, done := context.WithCancel(context.WithoutCancel(ctx))
	defer done()
	flow, err := o.lifeFlow(ctx, plan, "teardown", plan.Teardown, nil, o.instances(target), nil)
	if err == nil {
		_, err = flow.send(ctx, flow.prober(ctx), 0, 0, nil)
	}
	if err != nil {
		return fmt.Errorf("teardown: %w", err)
	}
	return nil
}

// loginsAtOnce bounds the users who log in at the same time.
const loginsAtOnce = 8

// loginFlow prepares the login of a scenario's users; nil: they have none.
func (o *Options) loginFlow(ctx context.Context, plan *scenarios.Plan, s *scenarios.Scenario, target string,
) (*lifeFlow, error) {
	if len(s.Login) == 0 {
		return nil, nil
	}
	var later []*scenarios.Request
	for i := range s.Requests {
		later = append(later, &s.Requests[i])
	}
	return o.lifeFlow(ctx, plan, "login", s.Login, s, o.instancesOf(s, target), later)
}

// users are those of a scenario, logged in; nil where it has no sessions. Without a login, each iteration of an open
// load is a user of its own.
func (o *Options) users(ctx context.Context, plan *scenarios.Plan, s *scenarios.Scenario, target string,
) (*request.Pool, error) {
	if !s.HasSessions() {
		return nil, nil
	}
	users := request.NewUsers(s, o.instancesOf(s, target))
	login, err := o.loginFlow(ctx, plan, s, target)
	switch {
	case err != nil:
		return nil, err
	case login == nil && s.Load.Open():
		return request.NewcomerPool(users), nil
	}
	sessions := make([]*request.Session, s.Load.Workers())
	for i := range sessions {
		sessions[i] = users.New()
	}
	if login != nil {
		if err := o.logIn(ctx, login, sessions); err != nil {
			return nil, fmt.Errorf("scenario %s, %w", s.Name, err)
		}
	}
	return request.NewPool(sessions), nil
}

// logIn sends the login of each user. The first that fails ends it.
func (o *Options) logIn(ctx context.Context, login *lifeFlow, sessions []*request.Session) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	shard := shardOf(o.Shard)
	next := make(chan int)
	var all sync.WaitGroup
	for range min(loginsAtOnce, len(sessions)) {
		all.Go(func() {
			by := login.prober(ctx)
			for i := range next {
				n := shard.Iteration(int64(i))
				texts, err := login.send(ctx, by, n, int(n)%len(login.places), sessions[i])
				if err != nil {
					stop(fmt.Errorf("login of user %d: %w", n, err))
					return
				}
				sessions[i].LogIn(texts)
			}
		})
	}
	for i := range sessions {
		select {
		case next <- i:
			continue
		case <-ctx.Done():
		}
		break
	}
	close(next)
	all.Wait()
	return context.Cause(ctx)
}
