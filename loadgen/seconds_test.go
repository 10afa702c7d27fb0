package loadgen

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/policycortex/headroom/results/judge"
	"github.com/policycortex/headroom/scenarios"
)

// TestWindowShowsAFreeze: a second in which the service stands still crosses a threshold with a window, by either
// engine, and the median of the whole does not show it. Every measured answer is in the account of the seconds.
func TestWindowShowsAFreeze(t *testing.T) {
	t.Parallel()
	sideBySide(t, bothEngines, func(t *testing.T, engine scenarios.Engine) {
		var n atomic.Int64
		url := serve(t, func(http.ResponseWriter, *http.Request) {
			if k := n.Add(1); k > 250 && k <= 260 {
				time.Sleep(time.Second)
			}
		})
		plan := planOf(scenarios.Scenario{Load: scenarios.ConstantRate{
			Rate: 100, Duration: 5 * time.Second,
			MaxVUs: 10,
		}, Warmup: 500 * time.Millisecond, GracefulStop: 10 * time.Second})
		plan.Engine = engine
		of := func(metric, aggregation, op string, limit float64, window time.Duration) scenarios.Threshold {
			return scenarios.Threshold{
				Metric: scenarios.MetricName(metric), Aggregation: scenarios.Aggregation{Name: aggregation},
				Op: scenarios.Operator(op), Limit: limit, Window: window,
			}
		}
		plan.Thresholds = []scenarios.Threshold{
			of("http_req_duration", "max", "<", 900, 2*time.Second),
			of("http_req_service_duration", "max", "<", 900, time.Second),
			of("http_req_failed", "rate", "<", 0.01, 2*time.Second), of("http_reqs", "rate", ">", 0, 3*time.Second),
		}
		m := run1(t, plan, url, Options{})
		v, err := judge.Run(m, plan.Thresholds)
		if err != nil {
			t.Fatal(err)
		}
		for i, passed := range []bool{false, false, true, true} {
			if g := v.Gates[i]; g.Passed != passed || g.Window == nil || g.Window.Of != 5-g.Window.Seconds {
				t.Errorf("%+v in %+v, want passed %v", g, g.Window, passed)
			}
		}
		for _, s := range m.Seconds {
			sum := int64(0)
			for _, k := range s.Requests {
				sum += k
			}
			// the first half second is no full one
			if early := int64(50); sum > m.Series[0].Requests || sum < m.Series[0].Requests-early {
				t.Errorf("%s: %d of %d answers are in a second", s.Metric, sum, m.Series[0].Requests)
			}
		}
	})
}

// TestWindowOfARateBeginsInFlow: a service that takes its time answers the first measured requests when it has answered
// the last of the warm-up. It is as fast in the first measured second as in others.
func TestWindowOfARateBeginsInFlow(t *testing.T) {
	t.Parallel()
	url := serve(t, func(http.ResponseWriter, *http.Request) { time.Sleep(700 * time.Millisecond) })
	sideBySide(t, bothEngines, func(t *testing.T, engine scenarios.Engine) {
		plan := planOf(scenarios.Scenario{
			Load:   scenarios.ConstantRate{Rate: 100, Duration: 4 * time.Second},
			Warmup: 2 * time.Second,
		})
		plan.Engine = engine
		plan.Thresholds = []scenarios.Threshold{{
			Metric: "http_reqs", Aggregation: scenarios.Aggregation{Name: "rate"}, Op: ">", Limit: 60,
			Window: time.Second,
		}}
		v, err := judge.Run(run1(t, plan, url, Options{}), plan.Thresholds)
		if err != nil || !v.Gates[0].Passed || v.Gates[0].Window.Of != 2 {
			t.Errorf("%+v in %+v, %v", v.Gates[0], v.Gates[0].Window, err)
		}
	})
}
