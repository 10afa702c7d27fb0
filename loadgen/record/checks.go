package record

import (
	"cmp"
	"math/bits"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

func checksOf(plan []scenarios.Check) []results.Check {
	var checks []results.Check
	for _, check := range plan {
		checks = append(checks, results.Check{Name: check.Name})
	}
	return checks
}

// countChecks counts the checks that an answer met.
func (c *counts) countChecks(met uint64) {
	if met != 0 && c.met == nil {
		c.met = make([]int64, scenarios.MaxChecks)
	}
	for ; met != 0; met &= met - 1 {
		c.met[bits.TrailingZeros64(met)]++
	}
}

// addChecks adds the counts to a series' checks. A request that got no answer meets none.
func (c *counts) addChecks(checks []results.Check) {
	for i := range checks {
		met := int64(0)
		if c.met != nil {
			met = c.met[i]
		}
		checks[i].Passed += met
		checks[i].Failed += c.requests - met
		checks[i].Unmet = cmp.Or(checks[i].Unmet, c.unmet[i])
	}
}
