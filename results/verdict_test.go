package results

import (
	"testing"

	"github.com/policycortex/headroom/scenarios"
)

// TestMargin: a margin is the share of what may be lost that is left, so that one of a hit ratio says as much as one of
// a time.
func TestMargin(t *testing.T) {
	const none = -99
	for _, tt := range []struct {
		actual float64
		op     scenarios.Operator
		limit  float64
		best   float64
		want   float64
	}{
		{25, "<", 50, none, 0.5},
		{75, "<=", 50, none, -0.5},
		{150, ">", 100, none, 0.5},
		{50, ">=", 100, none, -0.5},
		{1, "==", 1, none, 0},
		{1, "<", 0, none, 0},
		{1, "<", 5e-324, none, 0},
		// shares of which more is better
		{1, ">", 0.999, 1, 1},
		{0.9995, ">", 0.999, 1, 0.5},
		{0.998, ">=", 0.999, 1, -1},
		{1, ">=", 1, 1, 0},
		// a rate of which no more was asked than 200/s
		{199, ">", 190, 200, 0.9},
		{180, ">", 190, 200, -1},
		{0, "<", 0.01, none, 1},
		{1, "<", 0.01, none, -99},
	} {
		g := Gate{Actual: tt.actual, Op: tt.op, Target: tt.limit, Samples: 1}
		if tt.best != none {
			g.Best = &tt.best
		}
		if got := g.margin(); !near(got, tt.want) || (got != 0) != g.HasMargin() && tt.limit != 5e-324 {
			t.Errorf("%v %s %v, at best %v: margin %v, want %v", tt.actual, tt.op, tt.limit, tt.best, got, tt.want)
		}
	}
}
