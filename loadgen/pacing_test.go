package loadgen

import (
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/policycortex/headroom/loadgen/arrival"
	"github.com/policycortex/headroom/loadgen/random"
	"github.com/policycortex/headroom/loadgen/wire"
	"github.com/policycortex/headroom/scenarios"
)

// TestPacingsSendTheSame: each pacing sends every request of the schedule, none of them early, and says which it was.
func TestPacingsSendTheSame(t *testing.T) {
	inTurn(t, wire.Backends(), func(t *testing.T, by wire.Backend) {
		var server seen
		arrived, began := make([]atomic.Int64, 1000), time.Now()
		url := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if n, err := strconv.Atoi(r.URL.Path[1:]); err == nil {
				arrived[n].Store(int64(time.Since(began)))
			}
			server.handle(w, r)
		})
		var want []string
		for _, pacing := range []scenarios.Pacing{scenarios.Precise, scenarios.Spin, scenarios.Economical} {
			plan := planOf(scenarios.Scenario{Load: scenarios.ConstantRate{
				Rate: 500, Duration: 500 * time.Millisecond, MaxVUs: 20,
				Arrivals: scenarios.Poisson,
			}})
			plan.Scenarios[0].Requests[0].Path = scenarios.Template{{Literal: "/"}, {Value: scenarios.ValueIteration}}
			plan.Pacing = pacing
			m := run1(t, plan, url, Options{backend: by})
			l, s, got := m.Loads[0], m.Series[0], server.take()
			if m.Pacing != string(pacing) {
				t.Errorf("%s: the run says %q", pacing, m.Pacing)
			}
			if l.Planned == 0 || l.Sent != l.Planned || l.Dropped != 0 || s.Requests != l.Planned || s.Failed != 0 ||
				l.Lag.Count() != l.Sent {
				t.Errorf("%s: planned %d, sent %d, dropped %d, %d answers of which %d failed", pacing, l.Planned,
					l.Sent, l.Dropped, s.Requests, s.Failed)
			}
			sc := arrival.NewSchedule(plan.Scenarios[0].Load, random.ScenarioSeed(plan.Seed, plan.Scenarios[0].Name))
			for n := range sc.Total() {
				if early := m.Started.Sub(began) + sc.At(n) - time.Duration(arrived[n].Load()); early > 0 {
					t.Errorf("%s: request %d came %v early", pacing, n, early)
				}
			}
			if want == nil {
				want = got
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s sent other requests: %d, not %d", pacing, len(got), len(want))
			}
		}
	})
}
