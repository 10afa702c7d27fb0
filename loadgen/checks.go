package loadgen

import (
	"cmp"
	"math/bits"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

func checksOf(plan []scenarios.Check) []results.Check {
	var checks []results.Check
	for _, c := range plan {
		checks = append(checks, results.Check{Name: c.Name})
	}
	return checks
}

// countChecks counts the checks that an answer met.
func (t *tally) countChecks(met uint64) {
	if met != 0 && t.met == nil {
		t.met = make([]int64, scenarios.MaxChecks)
	}
	for ; met != 0; met &= met - 1 {
		t.met[bits.TrailingZeros64(met)]++
	}
}

// addChecks adds a page's tally to the series' checks. A request that got no answer meets none.
func (t *tally) addChecks(checks []results.Check) {
	for i := range checks {
		met := int64(0)
		if t.met != nil {
			met = t.met[i]
		}
		checks[i].Passed += met
		checks[i].Failed += t.requests - met
		checks[i].Unmet = cmp.Or(checks[i].Unmet, t.unmet[i])
	}
}
