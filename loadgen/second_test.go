package loadgen

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// TestSecondsAreToldOnce: who follows a run is told every point and every second of health once, as they will be saved,
// and with them the account so far.
func TestSecondsAreToldOnce(t *testing.T) {
	t.Parallel()
	url := serve(t, func(http.ResponseWriter, *http.Request) {})
	plan := planOf(scenarios.Scenario{Load: scenarios.ConstantRate{Rate: 100, Duration: 3 * time.Second, MaxVUs: 10}})
	var points []results.Point
	var health []results.HealthSecond
	var told, sent int64
	m := run1(t, plan, url, Options{Second: func(s Second) {
		points = append(points, s.Measurements.Points...)
		health = append(health, s.Measurements.Health.Seconds...)
		told++
		if len(s.Flushed) != 1 || len(s.Scenarios) != 1 || s.Measurements.Elapsed != s.Elapsed.Seconds() {
			t.Errorf("told of %d loads and %d scenarios after %v", len(s.Flushed), len(s.Scenarios), s.Elapsed)
		}
		now := s.Measurements.Loads[0].Sent
		if now < sent || now != s.Measurements.Series[0].Requests {
			t.Errorf("%d requests have been sent, after %d, and %d counted", now, sent,
				s.Measurements.Series[0].Requests)
		}
		sent = now
	}})
	if fmt.Sprint(points) != fmt.Sprint(m.Points) || told < 3 {
		t.Errorf("told %d times\n%v, want\n%v", told, points, m.Points)
	}
	if len(health) != len(m.Health.Seconds) || len(health) == 0 {
		t.Errorf("told of %d seconds of health, of %d", len(health), len(m.Health.Seconds))
	}
	var asked int64
	for _, p := range m.Points {
		asked += p.Asked
	}
	if asked != 300 || sent != m.Loads[0].Sent {
		t.Errorf("%d requests were asked for, and %d sent of %d", asked, sent, m.Loads[0].Sent)
	}
}
