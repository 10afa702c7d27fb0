package loadgen

import (
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/policycortex/headroom/loadgen/wire"
	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// instanceOf is an instance of a service that knows only what it has handed out itself.
type instanceOf struct {
	name           string
	slow           time.Duration
	entered, other atomic.Int64 // requests; those that were for another instance
	now, most      atomic.Int64 // requests at once
}

func (s *instanceOf) handle(w http.ResponseWriter, r *http.Request) {
	now := s.now.Add(1)
	for most := s.most.Load(); now > most && !s.most.CompareAndSwap(most, now); most = s.most.Load() {
	}
	time.Sleep(time.Millisecond + s.slow)
	s.now.Add(-1) // before the answer: its user sends the next request at once
	switch r.URL.Path {
	case "/v1/enter":
		s.entered.Add(1)
		fmt.Fprintf(w, `{"id": %q, "host": %q}`, s.name, r.Host)
	case "/v1/leave/" + s.name + "/" + r.Host:
	default:
		s.other.Add(1)
		http.NotFound(w, r)
	}
}

// instancesOf starts an instance of a service for each time by which it is slow, and returns their base URLs.
func instancesOf(t *testing.T, slow ...time.Duration) (all []*instanceOf, urls []string) {
	t.Helper()
	for i := range slow {
		s := &instanceOf{name: fmt.Sprint("instance-", i), slow: slow[i]}
		all, urls = append(all, s), append(urls, serve(t, s.handle)+"/v1")
	}
	return all, urls
}

// visit is a flow whose second step only the instance of the first one knows.
func visit() []scenarios.Request {
	id, host := scenarios.Part{Value: "id"}, scenarios.Part{Value: "host"}
	return flowOf("visit", 1,
		scenarios.Request{
			Name: "enter", Method: "POST", Path: literal("/enter"),
			Extract: []scenarios.Extraction{
				{Name: "id", JSON: scenarios.JSONPath{{Key: "id"}}},
				{Name: "host", JSON: scenarios.JSONPath{{Key: "host"}}},
			},
		},
		scenarios.Request{
			Name: "leave", Method: "GET",
			Path: scenarios.Template{{Literal: "/leave/"}, id, {Literal: "/"}, host},
		},
	)
}

// TestInstancesGetEqualShares: the iterations of an open load go to all instances in turns, of each sending loop, and
// flows stay where they began.
func TestInstancesGetEqualShares(t *testing.T) {
	onSenders(t, func(t *testing.T, by wire.Backend) {
		all, urls := instancesOf(t, 5*time.Millisecond, 0, 0)
		m := runBy(t, t.Context(), by, planOf(scenarios.Scenario{
			Load: scenarios.ConstantRate{Rate: 300, Duration: 300 * time.Millisecond, MaxVUs: 16}, Requests: visit(),
		}), urls[0], urls[1:]...)
		least, most := all[0].entered.Load(), int64(0)
		for _, s := range all {
			n := s.entered.Load()
			least, most = min(least, n), max(most, n)
		}
		if most-least > int64(runtime.GOMAXPROCS(0)) || least < 10 {
			t.Errorf("the instances got %d to %d iterations", least, most)
		}
		noneAstray(t, all, m)
	})
}

// TestInstancesShareUsers: as many users are at each instance all the time, also where one of them is slower.
func TestInstancesShareUsers(t *testing.T) {
	t.Parallel()
	onSenders(t, func(t *testing.T, by wire.Backend) {
		all, urls := instancesOf(t, 40*time.Millisecond, 0, 0)
		m := runBy(t, t.Context(), by, planOf(scenarios.Scenario{
			Load: scenarios.Users{VUs: 6, Duration: 300 * time.Millisecond}, Requests: visit(),
		}), urls[0], urls[1:]...)
		for _, s := range all {
			if s.most.Load() != 2 || s.entered.Load() < 4 {
				t.Errorf("%s had %d users at once and %d iterations", s.name, s.most.Load(), s.entered.Load())
			}
		}
		if slow, fast := all[0].entered.Load(), all[2].entered.Load(); slow >= fast {
			t.Errorf("the slow instance had %d iterations and a fast one %d", slow, fast)
		}
		noneAstray(t, all, m)
	})
}

// noneAstray holds that no request failed or went to another instance than the one that it was for.
func noneAstray(t *testing.T, all []*instanceOf, m *results.Measurements) {
	t.Helper()
	for _, s := range all {
		if s.other.Load() > 0 {
			t.Errorf("%s got %d requests that were for another one", s.name, s.other.Load())
		}
	}
	for _, s := range m.Series[:2] {
		if s.Failed > 0 || s.Requests != m.Loads[0].Sent {
			t.Errorf("%s: %d of %d failed: %v", s.Name, s.Failed, s.Requests, s.ErrorSamples)
		}
	}
}

// TestInstancesOneDown: what goes to an instance that is down fails, and the others get no more for it.
func TestInstancesOneDown(t *testing.T) {
	onSenders(t, func(t *testing.T, by wire.Backend) {
		all, urls := instancesOf(t, 0, 0)
		urls = append(urls, "http://127.0.0.1:1/v1")
		m := runBy(t, t.Context(), by, planOf(scenarios.Scenario{
			Load: scenarios.ConstantRate{Rate: 300, Duration: 300 * time.Millisecond}, Requests: visit(),
		}), urls[0], urls[1:]...)
		loops := int64(runtime.GOMAXPROCS(0)) // each begins at another instance
		if s := m.Series[0]; s.Requests != 90 || s.Failed < 30-loops || s.Failed > 30+loops ||
			all[0].entered.Load()+all[1].entered.Load() != s.Requests-s.Failed {
			t.Errorf("%d of %d failed: %v", s.Failed, s.Requests, s.Errors)
		}
	})
}

// TestTryInstances: one iteration after the other goes to the next instance.
func TestTryInstances(t *testing.T) {
	t.Parallel()
	all, urls := instancesOf(t, 0, 0)
	plan := planOf(scenarios.Scenario{Requests: visit()})
	trials, _, err := Trials(plan, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	trials = append(trials, trials[0])
	var sent []string
	if err := Try(t.Context(), plan, urls[0], Options{Others: urls[1:]}, trials, func(tried *Tried) {
		if !tried.Fine() {
			t.Errorf("%s: %s", tried.URL, tried.Failure)
		}
		sent = append(sent, tried.URL)
	}); err != nil {
		t.Fatal(err)
	}
	if len(sent) != 4 || all[0].entered.Load() != 1 || all[1].entered.Load() != 1 ||
		!strings.HasPrefix(sent[1], urls[0]) || !strings.HasPrefix(sent[3], urls[1]) {
		t.Errorf("sent %v", sent)
	}
}

// perInstance is a threshold that tells instances apart.
func perInstance(number string) scenarios.Threshold {
	return scenarios.Threshold{
		Metric: scenarios.HTTPReqFailed, Selector: map[string]string{scenarios.InstanceTag: number},
	}
}

// TestInstancesAreToldApart: where a threshold selects by instance, each counts what it answered: the one that a
// request was sent to, or the one that a balancer names.
func TestInstancesAreToldApart(t *testing.T) {
	t.Parallel()
	load := scenarios.ConstantRate{Rate: 300, Duration: 300 * time.Millisecond}
	counts := func(m *results.Measurements) (all [4]int64) {
		for _, s := range m.Series {
			if s.Failed > 0 {
				t.Errorf("%d requests failed: %v", s.Failed, s.Errors)
			}
			all[s.Instance] += s.Requests
		}
		return all
	}
	onSenders(t, func(t *testing.T, by wire.Backend) {
		all, urls := instancesOf(t, 0, 0)
		plan := planOf(scenarios.Scenario{Load: load, Requests: visit()})
		plan.Target.URL, plan.Target.Others, plan.Thresholds = urls[0], urls[1:],
			[]scenarios.Threshold{perInstance("2")}
		want := [4]int64{}
		m := runBy(t, t.Context(), by, plan, urls[0], urls[1:]...)
		want[1], want[2] = 2*all[0].entered.Load(), 2*all[1].entered.Load() // flows of two steps
		if got := counts(m); got != want || want[1]+want[2] != 180 {
			t.Errorf("direct: the instances answered %v, want %v", got, want)
		}

		var sent [4]atomic.Int64
		names := []string{"1", "2", "3", ""} // of the third the plan knows nothing
		balancer := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			n := sent[3].Add(1) % 4
			if names[n] != "" {
				w.Header().Set("X-Instance", names[n])
			}
			if n < 2 {
				sent[n].Add(1)
			}
		})
		plan = planOf(scenarios.Scenario{Load: load})
		plan.Environment.Instances, plan.Thresholds = 2, []scenarios.Threshold{perInstance("2")}
		m = runBy(t, t.Context(), by, plan, balancer)
		want = [4]int64{0: 90 - sent[0].Load() - sent[1].Load(), 1: sent[0].Load(), 2: sent[1].Load()}
		if got := counts(m); got != want || want[1] == 0 {
			t.Errorf("balanced: the instances answered %v, want %v", got, want)
		}
		plan.Thresholds = nil
		if m := runBy(t, t.Context(), by, plan, balancer); len(m.Series) != len(plan.Scenarios[0].Requests) {
			t.Errorf("%d series where nobody tells instances apart", len(m.Series))
		}
	})
}
