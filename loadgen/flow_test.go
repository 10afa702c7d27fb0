package loadgen

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/policycortex/headroom/loadgen/record"
	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/judge"
	"github.com/policycortex/headroom/scenarios"
)

// flowOf puts steps together to a flow.
func flowOf(name string, weight int, steps ...scenarios.Request) []scenarios.Request {
	for i := range steps {
		steps[i].Flow, steps[i].Step = name, i
		if steps[i].Timeout == 0 {
			steps[i].Timeout = 5 * time.Second
		}
	}
	steps[0].Weight = weight
	return steps
}

// orders is a service in which what one request makes, the next ones need. Every fourth order has no id in its answer,
// every fifth that has one is lost.
type orders struct {
	mu                  sync.Mutex
	made, found, missed int
	most, now           int // requests in flight
}

func (o *orders) handle(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	o.now++
	o.most = max(o.most, o.now)
	o.mu.Unlock()
	time.Sleep(2 * time.Millisecond)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.now--
	id, get := strings.CutPrefix(r.URL.Path, "/orders/")
	switch {
	case !get:
		o.made++
		w.WriteHeader(http.StatusCreated)
		if o.made%4 == 0 {
			fmt.Fprint(w, `{"error": "later"}`)
			return
		}
		fmt.Fprintf(w, `{"id": %d}`, o.made)
	case id == "" || len(id) > 0 && o.made%5 == 0:
		o.missed++
		w.WriteHeader(http.StatusNotFound)
	default:
		o.found++
		if o.found%3 == 0 {
			w.Header().Set("Connection", "close") // the flow goes on by another connection
		}
		fmt.Fprint(w, id)
	}
}

func orderFlow() []scenarios.Request {
	hole := func(name string) scenarios.Part { return scenarios.Part{Value: name} }
	return flowOf("order", 1,
		scenarios.Request{
			Name: "make", Method: "POST", Path: literal("/orders"),
			Extract: []scenarios.Extraction{{Name: "id", JSON: scenarios.JSONPath{{Key: "id"}}}},
		},
		scenarios.Request{
			Name: "get", Method: "GET", Path: scenarios.Template{{Literal: "/orders/"}, hole("id")},
			Extract: []scenarios.Extraction{{Name: "same", Regex: "^([0-9]+)$"}},
			Checks:  []scenarios.Check{{Name: "found", Statuses: []int{200}}},
		},
		scenarios.Request{Name: "again", Method: "GET", Path: scenarios.Template{{Literal: "/orders/"}, hole("same")}},
	)
}

// TestFlows: every iteration is counted once, every step as what became of it, and what was not sent as skipped.
func TestFlows(t *testing.T) {
	t.Parallel()
	sideBySide(t, bothEngines, func(t *testing.T, engine scenarios.Engine) {
		var server orders
		url := serve(t, server.handle)
		plan := planOf(scenarios.Scenario{
			Load:     scenarios.ConstantRate{Rate: 100, Duration: time.Second, MaxVUs: 3},
			Requests: orderFlow(),
		})
		plan.Engine = engine
		m := run1(t, plan, url, Options{})
		l, first, get, again := m.Loads[0], m.Series[0], m.Series[1], m.Series[2]
		if l.Planned != 100 || l.Sent != 100 || l.Dropped != 0 || l.MeasuredPlanned != 100 {
			t.Errorf("planned %d, sent %d, dropped %d, measured %d", l.Planned, l.Sent, l.Dropped,
				l.MeasuredPlanned)
		}
		if server.most > 3 {
			t.Errorf("%d requests in flight with 3 users", server.most)
		}
		if first.Requests != 100 || first.Failed != 25 || first.Errors["extraction failed: id"] != 25 ||
			first.Statuses[201] != 100 {
			t.Errorf("make: %d requests, %d failed: %v, %v", first.Requests, first.Failed, first.Errors,
				first.Statuses)
		}
		if want := `the body has no $.id; the answer was 201 Created: {"error": "later"}`; first.ErrorSamples["extraction failed: id"] != want {
			t.Errorf("the sample is %q, want %q", first.ErrorSamples, want)
		}
		if get.Requests != 75 || get.Skipped != 25 || get.Failed != get.Errors["status 404"] || get.Failed == 0 {
			t.Errorf("get: %d requests, %d skipped, %d failed: %v", get.Requests, get.Skipped, get.Failed,
				get.Errors)
		}
		if c := get.Checks[0]; c.Failed != get.Failed || c.Passed != get.Requests-get.Failed {
			t.Errorf("check: %+v", c)
		}
		if again.Requests != 75-get.Failed || again.Skipped != 25+get.Failed {
			t.Errorf("again: %d requests, %d skipped, with %d failed before", again.Requests, again.Skipped,
				get.Failed)
		}
		if got := int64(server.found + server.missed); got != get.Requests+again.Requests || server.made != 100 {
			t.Errorf("the server saw %d orders made and %d asked for", server.made, got)
		}
		if s, err := m.Summarize(map[string]string{"flow": "order"}); err != nil ||
			s.Requests != 100+get.Requests+again.Requests {
			t.Errorf("the tag flow selects %d requests, %v", s.Requests, err)
		}
		if least, half := get.Response.Min(), get.Response.Percentile(50); least < 2 || half > 900 {
			t.Errorf("half of a step's responses took %v to %v ms: they count from the end of the step before", least,
				half)
		}
	})
}

// TestFlowWithoutAnswer: a step that gets no answer ends its flow, as does the end of gracefulStop.
func TestFlowWithoutAnswer(t *testing.T) {
	t.Parallel()
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			time.Sleep(700 * time.Millisecond)
		}
	})
	flow := flowOf("f", 1,
		scenarios.Request{Name: "a", Method: "GET", Path: literal("/")},
		scenarios.Request{Name: "b", Method: "GET", Path: literal("/slow"), Timeout: 50 * time.Millisecond},
		scenarios.Request{Name: "c", Method: "GET", Path: literal("/")},
	)
	sideBySide(t, bothEngines, func(t *testing.T, engine scenarios.Engine) {
		plan := planOf(scenarios.Scenario{
			Load:     scenarios.ConstantRate{Rate: 20, Duration: 500 * time.Millisecond},
			Requests: flow,
		})
		plan.Engine = engine
		m := run1(t, plan, url, Options{})
		a, b, c := m.Series[0], m.Series[1], m.Series[2]
		if a.Requests != 10 || a.Failed != 0 || b.Errors[record.ErrorTimeout] != 10 || c.Requests != 0 ||
			c.Skipped != 10 {
			t.Errorf("%d sent, %v, %d skipped of %d", a.Requests, b.Errors, c.Skipped, c.Requests)
		}
		if b.Response.Count() != 10 || b.Response.Min() < 49 {
			t.Errorf("a timeout counts with %v ms", b.Response.Min())
		}
		slow := append([]scenarios.Request(nil), flow...)
		slow[1].Timeout = 5 * time.Second
		plan = planOf(scenarios.Scenario{
			Load:         scenarios.ConstantRate{Rate: 20, Duration: 500 * time.Millisecond},
			GracefulStop: 400 * time.Millisecond, Requests: slow,
		})
		plan.Engine = engine
		m = run1(t, plan, url, Options{})
		b, c = m.Series[1], m.Series[2]
		if b.Errors[record.ErrorUnanswered] == 0 || b.Requests != 10 ||
			c.Skipped != b.Errors[record.ErrorUnanswered] || c.Requests+c.Skipped != 10 {
			t.Errorf("at the end: %v of %d, then %d and %d skipped", b.Errors, b.Requests, c.Requests, c.Skipped)
		}
	})
}

// TestFlowsOfUsers: with constant-vus a user goes through whole flows, one after the other.
func TestFlowsOfUsers(t *testing.T) {
	sideBySide(t, bothEngines, func(t *testing.T, engine scenarios.Engine) {
		var server orders
		plan := planOf(scenarios.Scenario{
			Load:     scenarios.Users{VUs: 4, Duration: 500 * time.Millisecond},
			Requests: orderFlow(),
		})
		plan.Engine = engine
		m := run1(t, plan, serve(t, server.handle), Options{})
		if server.most != 4 || m.Loads[0].Sent != m.Series[0].Requests ||
			m.Loads[0].MeasuredPlanned != m.Series[0].Requests || m.Series[2].Requests == 0 {
			t.Errorf("%d in flight, %+v", server.most, m.Loads[0])
		}
		v, err := judge.Run(m, nil)
		if err != nil || v.Outcome != results.Pass {
			t.Errorf("%+v, %v", v, err)
		}
	})
}
