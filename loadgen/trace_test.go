package loadgen

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// traces are those that a service was told.
type traces struct {
	mu       sync.Mutex
	requests int
	ids      map[string]int
}

func (s *traces) tell(headers []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	for _, h := range headers {
		if parts := strings.Split(h, "-"); len(parts) == 4 && parts[0] == "00" && parts[3] == "01" {
			s.ids[parts[1]]++
		}
	}
}

// hold holds that a quarter of the requests were sampled, each in a trace of its own, and that the slowest ones of the
// run which have a trace are among them.
func (s *traces) hold(t *testing.T, m *results.Measurements) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.requests < 150 || len(s.ids) < s.requests/8 || len(s.ids) > s.requests/2 {
		t.Errorf("%d of %d requests are sampled", len(s.ids), s.requests)
	}
	slowest := m.SlowestFirst(true)
	if len(slowest) < results.MostSlowestSampled {
		t.Errorf("%d sampled requests were kept", len(slowest))
	}
	for _, one := range slowest {
		if s.ids[one.Trace] != 1 || one.FirstByte <= 0 || one.Response < one.FirstByte {
			t.Errorf("the service was told of the trace %d times: %+v", s.ids[one.Trace], one)
		}
	}
}

// TestTraceparent: a share of the requests tells the service a trace, whatever sends them: all steps of flows, too.
func TestTraceparent(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]func(p *scenarios.Plan){
		"wire":         func(p *scenarios.Plan) { p.Engine = scenarios.EngineWire },
		"wire, HTTP/2": func(p *scenarios.Plan) { p.Target.HTTP.Version = scenarios.HTTP2 },
		"vegeta":       func(p *scenarios.Plan) { p.Engine = scenarios.EngineVegeta },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			told := &traces{ids: map[string]int{}}
			url := serve(t, func(_ http.ResponseWriter, r *http.Request) { told.tell(r.Header["Traceparent"]) })
			plan := planOf(scenarios.Scenario{
				Load: scenarios.ConstantRate{Rate: 100, Duration: time.Second},
				Requests: []scenarios.Request{
					{Name: "a", Weight: 1, Flow: "f", Method: "GET", Path: literal("/"), Timeout: 5 * time.Second},
					{Name: "b", Flow: "f", Step: 1, Method: "GET", Path: literal("/"), Timeout: 5 * time.Second},
				},
			})
			plan.TraceRatio = new(0.25)
			set(plan)
			told.hold(t, run1(t, plan, url, Options{}))
		})
	}
	t.Run("gRPC", func(t *testing.T) {
		t.Parallel()
		told := &traces{ids: map[string]int{}}
		watch := func(ctx context.Context, in any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
			md, _ := metadata.FromIncomingContext(ctx)
			told.tell(md["traceparent"])
			return next(ctx, in)
		}
		address := grpcServer(t, grpc.UnaryInterceptor(watch))
		target := fmt.Sprintf("target: {url: \"grpc://%s\"}\ntrace: {ratio: 0.25}", address)
		load := strings.Replace(openLoad, "rate: 100", "rate: 200", 1)
		told.hold(t, runCallsOf(t, target, load, `
      - name: unary
        grpc: {method: grpc.testing.TestService/EmptyCall}
`))
	})
}

// TestSlowestTellTheirConnection: the wire engine tells which requests were the first on their connection, and how long
// connecting took.
func TestSlowestTellTheirConnection(t *testing.T) {
	t.Parallel()
	url := serve(t, func(http.ResponseWriter, *http.Request) {})
	plan := planOf(scenarios.Scenario{Load: scenarios.ConstantRate{Rate: 50, Duration: time.Second}})
	plan.Target.HTTP.Close = true
	for _, s := range run1(t, plan, url, Options{}).Slowest {
		if s.Connection != "new" || s.Connect <= 0 || s.Connect > s.Response {
			t.Errorf("%+v", s)
		}
	}
	plan.Target.HTTP.Close = false
	all := run1(t, plan, url, Options{}).Slowest
	for _, s := range all {
		if s.Connection != "new" && s.Connection != "reused" || (s.Connection == "reused") != (s.Connect == 0) {
			t.Errorf("%+v", s)
		}
	}
	if len(all) != results.MostSlowest {
		t.Errorf("%d were kept", len(all))
	}
}
