package judge

import (
	"strings"
	"testing"
	"time"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// TestSpoiltByLag: all requests of the sample, which take 1 to 1,000 ms, were sent 200 ms late. A trial that was good
// all the same counts, and one that would have been bad anyway.
func TestSpoiltByLag(t *testing.T) {
	failed := objective(t, "http_req_failed", "rate<0.02")
	for name, c := range map[string]struct {
		objective, source string
		bad, spoilt       bool
	}{
		"good though late":              {"http_req_duration", "p(95)<951", false, false},
		"5 % took 750 ms more":          {"http_req_duration", "p(95)<200", true, false},
		"bad by 150 ms":                 {"http_req_duration", "p(95)<800", true, true},
		"an average":                    {"http_req_duration", "avg<100", true, true},
		"not counted from when due":     {"http_req_service_duration", "p(95)<10", true, false},
		"the whole of it may be by lag": {"http_req_duration", "p(50)<400", true, true},
	} {
		m := measured()
		for range 1000 {
			m.Loads[0].OwnLag.Record(200 * time.Millisecond)
		}
		got, err := CapacityTrial(m, []scenarios.Threshold{objective(t, c.objective, c.source), failed})
		if err != nil {
			t.Fatal(err)
		}
		if got.Bad != c.bad || (got.Veto != "") != c.spoilt || c.spoilt &&
			!strings.Contains(got.Veto, "the generator itself was late: 1 % of the requests by 200") {
			t.Errorf("%s: bad %v, %q", name, got.Bad, got.Veto)
		}
	}
	for late, spoilt := range map[int]bool{2: false, 1000: true} {
		m := measured()
		for range late {
			m.Loads[0].OwnLag.Record(200 * time.Millisecond)
		}
		for _, source := range []string{"", "rate<0.005"} {
			objectives := []scenarios.Threshold{objective(t, "http_req_duration", "p(95)<951")}
			if source != "" {
				objectives = append(objectives, objective(t, "http_req_failed", source))
			}
			got, err := CapacityTrial(m, objectives)
			if err != nil || !got.Bad || (got.Veto != "") != spoilt {
				t.Errorf("10 failed and %d were late, %q: bad %v, %q, %v", late, source, got.Bad, got.Veto, err)
			}
		}
	}
}

// TestPilesUpAnyway: requests that seem to pile up do so by themselves where the generator was hardly late.
func TestPilesUpAnyway(t *testing.T) {
	for lag, want := range map[time.Duration]bool{20 * time.Millisecond: true, 40 * time.Millisecond: false} {
		l := &results.Load{Planned: 100, Sent: 100, OwnLag: histogram(lag)}
		for from := range 6 {
			l.Stages = append(l.Stages, results.Stage{From: float64(from), To: float64(from + 1)})
		}
		m := &results.Measurements{Loads: []*results.Load{l}}
		if got := pilesUpAnyway(m); got != want {
			t.Errorf("late by %v: %v", lag, got)
		}
		l.Sent = 98
		if pilesUpAnyway(m) {
			t.Error("not all that was due was sent")
		}
	}
}
