package judge

import (
	"strings"
	"testing"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// browsed are the measurements of pages with the given first contentful paints; one below 0 did not happen.
func browsed(paints ...float64) *results.Measurements {
	home := &results.Pages{Scenario: "s", Name: "home", Tags: map[string]string{"scenario": "s", "name": "home"}}
	for i, fcp := range paints {
		l := results.PageLoad{TTFB: fcp / 2, Load: 2 * fcp, CLS: 0.25, Bytes: int64(1000 * (i + 1)), Requests: 7}
		if fcp >= 0 {
			l.FCP = &fcp
		}
		home.Loads = append(home.Loads, l)
	}
	other := &results.Pages{Scenario: "s", Name: "other", Tags: map[string]string{"scenario": "s", "name": "other"}}
	return &results.Measurements{Pages: []*results.Pages{home, other}}
}

func TestGatesOfPages(t *testing.T) {
	m := browsed(400, 100, -1, 300, 200)
	for _, tt := range []struct {
		name, expression string
		actual           float64
		samples          int64
		passed           bool
	}{
		{"browser_fcp", "p(75)<=300", 300, 4, true},
		{"browser_fcp", "p(75)<300", 300, 4, false},
		{"browser_fcp{name:home}", "p(76)<350", 400, 4, false},
		{"browser_fcp", "med<250", 200, 4, true},
		{"browser_fcp", "avg<251", 250, 4, true},
		{"browser_fcp", "min>99", 100, 4, true},
		{"browser_fcp", "max<400", 400, 4, false},
		{"browser_cls", "max<=0.25", 0.25, 5, true},
		{"browser_bytes", "max<=5000", 5000, 5, true},
		{"browser_requests", "max<8", 7, 5, true},
		{"browser_fcp{name:other}", "p(75)<1000", 0, 0, false},
		{"browser_inp", "p(75)<200", 0, 0, false},
	} {
		threshold, err := scenarios.ParseThreshold(tt.name, tt.expression)
		if err != nil {
			t.Fatal(err)
		}
		g, err := evaluate(m, threshold, 0)
		if err != nil || g.Actual != tt.actual || g.Samples != tt.samples || g.Passed != tt.passed {
			t.Errorf("%s %s: %v of %d samples, passed %t (error %v); want %+v", tt.name, tt.expression, g.Actual,
				g.Samples,
				g.Passed, err, tt)
		}
		if tt.samples == 0 && !strings.HasPrefix(g.Reason, "no data") {
			t.Errorf("%s: the reason is %q", tt.name, g.Reason)
		}
	}
}
