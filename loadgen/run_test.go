package loadgen

import (
	"context"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/policycortex/headroom/loadgen/record"
	"github.com/policycortex/headroom/loadgen/request"
	"github.com/policycortex/headroom/loadgen/wire"
	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/judge"
	"github.com/policycortex/headroom/scenarios"
)

func literal(s string) scenarios.Template { return scenarios.Template{{Literal: s}} }

// planOf returns a plan with one scenario of one GET request.
func planOf(s scenarios.Scenario) *scenarios.Plan {
	if s.Name == "" {
		s.Name = "test"
	}
	if s.Load == nil {
		s.Load = scenarios.ConstantRate{}
	}
	if s.Load.Workers() == 0 {
		s.Load = s.Load.WithWorkers(100)
	}
	if s.GracefulStop == 0 {
		s.GracefulStop = 10 * time.Second
	}
	if s.Requests == nil {
		s.Requests = []scenarios.Request{{
			Name: "get", Weight: 1, Method: "GET", Path: literal("/"),
			Timeout: 5 * time.Second,
		}}
	}
	return &scenarios.Plan{Name: "test", Seed: 1, Scenarios: []scenarios.Scenario{s}}
}

// realTime skips a test that sends load, which takes as long as the load does, where short ones are wanted.
func realTime(t testing.TB) {
	t.Helper()
	if testing.Short() {
		t.Skip("it sends load in real time")
	}
}

func serve(t testing.TB, h http.HandlerFunc) string {
	realTime(t)
	s := httptest.NewUnstartedServer(h)
	s.Config.Protocols = new(http.Protocols) // both versions over plain TCP
	s.Config.Protocols.SetHTTP1(true)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	t.Cleanup(s.Close)
	return s.URL
}

func run1(t testing.TB, plan *scenarios.Plan, target string, o Options) *results.Measurements {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	m, err := Run(ctx, plan, target, o)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestUnsentIsCountedAndInvalid(t *testing.T) {
	t.Parallel()
	onBackends(t, testUnsentIsCountedAndInvalid)
}

func testUnsentIsCountedAndInvalid(t *testing.T, by wire.Backend) {
	url := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-time.After(300 * time.Millisecond):
		}
	})
	plan := planOf(scenarios.Scenario{
		Load:         scenarios.ConstantRate{Rate: 200, Duration: time.Second, MaxVUs: 2},
		GracefulStop: 500 * time.Millisecond,
	})
	m := run1(t, plan, url, Options{backend: by})
	l, s := m.Loads[0], m.Series[0]
	if l.Planned != 200 || l.Sent+l.Dropped != l.Planned || l.Sent > 12 {
		t.Errorf("planned %d, sent %d, dropped %d", l.Planned, l.Sent, l.Dropped)
	}
	if s.Errors[record.ErrorUnanswered] == 0 || s.Requests != l.Sent {
		t.Errorf("%d requests, errors %v, %v", s.Requests, s.Errors, s.ErrorSamples)
	}
	v, err := judge.Run(m, nil)
	if err != nil || v.Outcome != results.Invalid {
		t.Errorf("%s, %v", v.Outcome, err)
	}
}

func TestErrorsByClass(t *testing.T) {
	t.Parallel()
	onBackends(t, testErrorsByClass)
}

func testErrorsByClass(t *testing.T, by wire.Backend) {
	raw := func(answer string) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				buf := make([]byte, 4096)
				c.Read(buf)
				io.WriteString(c, answer)
				c.Close()
			}
		}()
		return "http://" + l.Addr().String()
	}
	for _, tt := range []struct {
		class, url string
		answered   bool
	}{
		{record.ErrorRefused, "http://127.0.0.1:1", false}, // no port of a closed listener: the next one may get it
		{record.ErrorClosed, raw(""), false},
		{record.ErrorClosed, raw("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"), false},
		{record.ErrorMalformed, raw("SSH-2.0-OpenSSH\r\n\r\n"), false},
		{record.ErrorTimeout, serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }), true},
		{"status 503", serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }), true},
		{record.ErrorTLS, strings.Replace(serve(t, func(http.ResponseWriter, *http.Request) {}), "http:", "https:",
			1), false},
	} {
		t.Run(tt.class, func(t *testing.T) {
			plan := planOf(scenarios.Scenario{Load: scenarios.ConstantRate{Rate: 20, Duration: 250 * time.Millisecond}})
			plan.Target.URL = tt.url
			plan.Scenarios[0].Requests[0].Timeout = 100 * time.Millisecond
			if tt.class != record.ErrorTimeout {
				plan.Scenarios[0].Requests[0].Timeout = 10 * time.Second
			}
			s := run1(t, plan, tt.url, Options{backend: by}).Series[0]
			if s.Requests != 5 || s.Failed != 5 || s.Errors[tt.class] != 5 {
				t.Errorf("%d requests, %d failed, errors %v, %v", s.Requests, s.Failed, s.Errors, s.ErrorSamples)
			}
			if answered := s.Response.Count() == 5; answered != tt.answered {
				t.Errorf("%d response times", s.Response.Count())
			}
			if tt.class == record.ErrorTimeout && s.Response.Min() < 100 {
				t.Errorf("a timeout of 100 ms counted as %v ms", s.Response.Min())
			}
		})
	}
}

// mixed is a scenario with one of everything that can be drawn.
func mixed() *scenarios.Scenario {
	return &scenarios.Scenario{Name: "mixed", Requests: []scenarios.Request{
		{
			Name: "read", Weight: 3, Method: "GET",
			Path: scenarios.Template{{Literal: "/items/"}, {Value: "id"}, {Literal: "?tag="}, {Value: "tag"}},
			Values: []scenarios.Value{
				{Name: "id", Keys: scenarios.RangeKeys{From: 1, To: 1000}, Choice: scenarios.Zipf, Exponent: 1.1},
				{Name: "tag", Keys: scenarios.ListKeys{"env:prod", "a b/c?d#e%", "ü"}, Choice: scenarios.Uniform},
			},
		},
		{
			Name: "write", Weight: 1, Method: "POST", Path: literal("/items"),
			Body: scenarios.Template{
				{Literal: `{"id":"`},
				{Value: "uuid"},
				{Literal: `","n":`},
				{Value: "iteration"},
				{Literal: `,"k":`},
				{Value: "key"},
				{Literal: "}"},
			},
			Headers: []scenarios.Header{{Name: "X-N", Value: scenarios.Template{{Value: "iteration"}}}},
			Values: []scenarios.Value{{
				Name: "key", Keys: scenarios.RangeKeys{From: 0, To: 9},
				Choice: scenarios.Sequential,
			}},
		},
	}}
}

func TestAttributionAndWarmup(t *testing.T) {
	t.Parallel()
	onBackends(t, testAttributionAndWarmup)
}

func testAttributionAndWarmup(t *testing.T, by wire.Backend) {
	var requests atomic.Int64
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		if r.URL.Fragment != "" || strings.Contains(r.RequestURI, "#") || r.Header.Get("User-Agent") != "headroom" {
			w.WriteHeader(400)
			return
		}
		if r.Method == "POST" {
			got, _ := io.ReadAll(r.Body)
			w.WriteHeader(201)
			fmt.Fprintf(w, "%d", len(got))
			return
		}
		w.Header().Set("X-Cache", map[bool]string{true: "L1", false: "miss"}[strings.HasPrefix(r.URL.Path, "/items/1")])
		io.WriteString(w, "0123456789")
	})
	s := *mixed()
	s.Load = scenarios.ConstantRate{Rate: 200, Duration: 2 * time.Second}
	s.Warmup, s.Tags = time.Second, map[string]string{"phase": "warm"}
	for i := range s.Requests {
		s.Requests[i].Timeout = 5 * time.Second
	}
	s.Requests[1].ExpectedStatus = []int{200}
	plan := planOf(s)
	plan.Tags = map[string]string{"team": "core"}
	m := run1(t, plan, url, Options{backend: by})
	read, write := m.Series[0], m.Series[1]
	if requests.Load() != 400 || m.Loads[0].Sent != 400 || m.Loads[0].MeasuredPlanned != 200 {
		t.Errorf("server saw %d, sent %d, to be measured %d", requests.Load(), m.Loads[0].Sent,
			m.Loads[0].MeasuredPlanned)
	}
	want := [2]int64{}
	hits := int64(0)
	made, err := request.New(1, &s, request.Sources{})
	if err != nil {
		t.Fatal(err)
	}
	for n := int64(200); n < 400; n++ {
		d := made.Draw(n)
		want[d.Request]++
		if made.Method(&d) == "GET" && strings.HasPrefix(string(made.AppendPath(nil, &d)), "/items/1") {
			hits++
		}
	}
	if got := [2]int64{read.Requests, write.Requests}; got != want {
		t.Errorf("measured %v, drawn %v", got, want)
	}
	if read.Failed != 0 || write.Failed != write.Requests || write.Statuses[201] != write.Requests {
		t.Errorf("failed: %d of read, %d of write, statuses %v", read.Failed, write.Failed, write.Statuses)
	}
	if read.BytesReceived != 10*read.Requests || write.BytesSent < 50*write.Requests {
		t.Errorf("bytes: %d received by %d reads, %d sent by %d writes", read.BytesReceived, read.Requests,
			write.BytesSent, write.Requests)
	}
	if read.CacheAnswers != read.Requests || read.CacheHits != hits {
		t.Errorf("%d of %d from a cache, want %d", read.CacheHits, read.CacheAnswers, hits)
	}
	if read.Tags["team"] != "core" || read.Tags["phase"] != "warm" || read.Tags["name"] != "read" ||
		read.Tags["scenario"] != "mixed" {
		t.Errorf("tags %v", read.Tags)
	}
	var inPoints, ofReads, warm int64
	for _, p := range m.Points {
		if p.Request == "read" {
			ofReads += p.Requests
		}
		if p.Request != "" {
			continue
		}
		inPoints += p.Requests
		if p.Warmup {
			warm += p.Requests
		}
	}
	if inPoints != 400 || warm < 150 || warm > 250 || ofReads < read.Requests || ofReads > 400-write.Requests {
		t.Errorf("points hold %d requests, %d of them in the warm-up, %d of them reads", inPoints, warm, ofReads)
	}
}

func TestClosedLoopWaitsForAnswers(t *testing.T) {
	t.Parallel()
	onBackends(t, testClosedLoopWaitsForAnswers)
}

func testClosedLoopWaitsForAnswers(t *testing.T, by wire.Backend) {
	var inFlight, most atomic.Int64
	url := serve(t, func(http.ResponseWriter, *http.Request) {
		n := inFlight.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		time.Sleep(20 * time.Millisecond)
		inFlight.Add(-1)
	})
	m := run1(t, planOf(scenarios.Scenario{Load: scenarios.Users{VUs: 4, Duration: time.Second}}), url,
		Options{backend: by})
	l, s := m.Loads[0], m.Series[0]
	if most.Load() != 4 {
		t.Errorf("%d in flight at once with 4 users", most.Load())
	}
	if s.Requests == 0 || s.Requests > 4*50 || s.Failed > 0 || l.Open || l.Dropped != 0 {
		t.Errorf("%d requests, %d failed, load %+v", s.Requests, s.Failed, l)
	}
	if len(m.Warnings) == 0 {
		t.Error("no warning of coordinated omission")
	}
}

func TestInterruptKeepsWhatWasMeasured(t *testing.T) {
	t.Parallel()
	onBackends(t, testInterruptKeepsWhatWasMeasured)
}

func testInterruptKeepsWhatWasMeasured(t *testing.T, by wire.Backend) {
	ctx, cancel := context.WithCancel(context.Background())
	url := serve(t, func(http.ResponseWriter, *http.Request) {})
	plan := planOf(scenarios.Scenario{Load: scenarios.ConstantRate{Rate: 100, Duration: time.Hour}})
	plan.Scenarios = append(plan.Scenarios, plan.Scenarios[0])
	plan.Scenarios[1].Name, plan.Scenarios[1].StartTime = "later", time.Hour
	m, err := Run(ctx, plan, url, Options{backend: by, Progress: func(p Progress) {
		if p.Scenarios[0].Sent >= 100 {
			cancel()
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	if l := m.Loads[0]; !m.Interrupted || l.Sent < 100 || l.Planned-l.Sent > 10 || l.MeasuredTo > 60 {
		t.Errorf("interrupted %v, load %+v", m.Interrupted, l)
	}
	if l := m.Loads[1]; l.Sent != 0 || l.Planned != 0 || l.MeasuredTo != l.MeasuredFrom {
		t.Errorf("a scenario that did not start has %+v", l)
	}
}

// A schedule whose last request is long before its end has its whole time: a rate does not divide by less. One that is
// cut short has not.
func TestSparseScheduleHasItsWholeTime(t *testing.T) {
	t.Parallel()
	url := serve(t, func(http.ResponseWriter, *http.Request) {})
	sideBySide(t, bothEngines, func(t *testing.T, engine scenarios.Engine) {
		burst := scenarios.Scenario{Load: scenarios.Bursts{
			Size: 5, Every: time.Second,
			Duration: 3800 * time.Millisecond,
		}, Warmup: 500 * time.Millisecond}
		plan := planOf(burst)
		plan.Engine = engine
		m := run1(t, plan, url, Options{})
		l := m.Loads[0]
		sum, err := m.Summarize(nil)
		if asked := 15 / 3.3; err != nil || l.MeasuredTo != 3.8 || math.Abs(l.AskedRate()-asked) > 1e-9 ||
			math.Abs(sum.Rate()-asked) > 1e-9 {
			t.Errorf("measured until %v s, asked %v/s, achieved %v/s, want %v/s, %v", l.MeasuredTo,
				l.AskedRate(), sum.Rate(), asked, err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 1500*time.Millisecond)
		defer cancel()
		m, err = Run(ctx, plan, url, Options{})
		if err != nil || !m.Interrupted || m.Loads[0].MeasuredTo > 3 {
			t.Errorf("interrupted: measured until %v s, %v", m.Loads[0].MeasuredTo, err)
		}
	})
}

func TestAbortOnFail(t *testing.T) {
	t.Parallel()
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
	plan := planOf(scenarios.Scenario{Load: scenarios.ConstantRate{Rate: 100, Duration: time.Hour}})
	plan.Thresholds = []scenarios.Threshold{{
		Metric: "http_req_failed", Aggregation: scenarios.Aggregation{Name: "rate"}, Op: "<", Limit: 0.5,
		Source:      "rate<0.5",
		AbortOnFail: true, DelayAbortEval: 2 * time.Second,
	}}
	m := run1(t, plan, url, Options{})
	if m.Aborted == "" || m.AbortedBy == nil || m.AbortedBy.Actual != 1 || m.Interrupted || m.Elapsed < 2 {
		t.Errorf("aborted %q by %+v, interrupted %v after %.1f s", m.Aborted, m.AbortedBy, m.Interrupted, m.Elapsed)
	}
	// A shard sees only its part: whether the run fails is seen when the shards are merged.
	plan.Scenarios[0].Load = scenarios.ConstantRate{Rate: 100, Duration: 3 * time.Second, MaxVUs: 100}
	if m := run1(t, plan, url, Options{Shard: &results.Shard{Index: 0, Of: 2}}); m.Aborted != "" {
		t.Errorf("a shard was aborted: %s", m.Aborted)
	}
}

// TestAbortCountsFromTheStage: a threshold on a stage waits from the stage's own start, and what comes after the end of
// the run is not reached.
func TestAbortCountsFromTheStage(t *testing.T) {
	t.Parallel()
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
	plan := planOf(scenarios.Scenario{
		Load: scenarios.RampingRate{
			StartRate: 50,
			Stages: []scenarios.Stage{
				{Target: 50, Duration: 2 * time.Second},
				{Target: 50, Duration: 9 * time.Second, Name: "first"},
				{Target: 90, Duration: 9 * time.Second, Name: "second"},
			},
		},
	})
	for _, stage := range []string{"first", "second"} {
		plan.Thresholds = append(plan.Thresholds, scenarios.Threshold{
			Metric: "http_req_failed", Aggregation: scenarios.Aggregation{Name: "rate"}, Op: "<", Limit: 0.5,
			Source:   "rate<0.5",
			Selector: map[string]string{"stage": stage}, AbortOnFail: true, DelayAbortEval: 2 * time.Second,
		})
	}
	m := run1(t, plan, url, Options{})
	if m.Aborted == "" || m.Elapsed < 4 || m.Elapsed > 10 || !m.Loads[0].Cut {
		t.Errorf("aborted %q after %.1f s, %+v", m.Aborted, m.Elapsed, m.Loads[0])
	}
	if st := m.Loads[0].Stages; !st[0].Steady || st[1].Steady {
		t.Errorf("%+v", st)
	}
	v, err := judge.Run(m, plan.Thresholds)
	if err != nil || v.Outcome != results.Fail || v.Gates[0].NotReached || !v.Gates[1].NotReached {
		t.Errorf("%s, %+v, %v", v.Outcome, v.Gates, err)
	}
}

// TestServerViews holds that the server's account is taken at the edges of the measured windows.
func TestServerViews(t *testing.T) {
	t.Parallel()
	url := serve(t, func(http.ResponseWriter, *http.Request) {})
	plan := planOf(scenarios.Scenario{
		Name: "a",
		Load: scenarios.ConstantRate{Rate: 10, Duration: 600 * time.Millisecond}, Warmup: 300 * time.Millisecond,
	})
	b := plan.Scenarios[0]
	b.Name, b.StartTime, b.Warmup = "b", 900*time.Millisecond, 0
	plan.Scenarios = append(plan.Scenarios, b)
	var calls atomic.Int64
	start := time.Now()
	m := run1(t, plan, url, Options{Snapshot: func(context.Context) (results.Snapshot, error) {
		n := calls.Add(1) // 1, 2, 3, 4: hits 1, 4, 9, 16
		return results.Snapshot{
			At:    start.Add(time.Duration(n) * time.Second),
			Tiers: map[string]results.TierStats{"overall": {Hits: n * n}},
		}, nil
	}})
	if calls.Load() != 4 {
		t.Fatalf("%d snapshots, want 4: the edges of two windows", calls.Load())
	}
	for scenario, want := range map[string]int64{"a": 4 - 1, "b": 16 - 9, "": 4 - 1 + 16 - 9} {
		if v := m.View(scenario); v == nil || v.Tiers["overall"].Hits != want {
			t.Errorf("view of %q is %+v, want %d hits", scenario, v, want)
		}
	}
}
