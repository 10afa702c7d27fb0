package judge

import (
	"fmt"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// weighFailures fails a run of which nothing succeeded, as a whole or in one of its scenarios, whatever its thresholds
// look at, and names the requests of which none did. Of a scenario that a threshold on http_req_failed looks at alone,
// that threshold decides. answered says that the service itself answered or refused most of what a failed run or
// scenario sent.
func weighFailures(m *results.Measurements, thresholds []scenarios.Threshold, v *results.Verdict) (answered bool,
	err error,
) {
	requests, err := m.ByRequest()
	if err != nil {
		return false, err
	}
	if all, failed := countFailed(requests); all > 0 && failed == all {
		v.Failed = append(v.Failed, fmt.Sprintf("nothing succeeded: %s", allOf(all, "request", "failed")))
		return mostlyAnswered(requests), nil
	}
	byScenario, said := map[string][]*results.Series{}, map[string]bool{}
	for _, s := range requests {
		byScenario[s.Scenario] = append(byScenario[s.Scenario], s)
	}
	for _, l := range m.Loads {
		of := byScenario[l.Scenario]
		all, failed := countFailed(of)
		if all == 0 || failed < all || judgedAlone(m, thresholds, v, l.Scenario) {
			continue
		}
		v.Failed = append(v.Failed, fmt.Sprintf("nothing succeeded in scenario %s: %s", l.Scenario,
			allOf(all, "request", "failed")))
		said[l.Scenario] = true
		answered = answered || mostlyAnswered(of)
	}
	for _, s := range requests {
		if s.Requests > 0 && s.Failed == s.Requests && !said[s.Scenario] {
			v.NoneSucceeded = append(v.NoneSucceeded,
				fmt.Sprintf("every request named %s of scenario %s failed (%d of %d)", s.Name, s.Scenario, s.Failed,
					s.Requests))
		}
	}
	return answered, nil
}

func countFailed(series []*results.Series) (all, failed int64) {
	for _, s := range series {
		all, failed = all+s.Requests, failed+s.Failed
	}
	return all, failed
}

// allOf is "its only request failed", or "all 40 requests failed".
func allOf(n int64, thing, did string) string {
	if n == 1 {
		return fmt.Sprintf("the only %s %s", thing, did)
	}
	return fmt.Sprintf("all %d %ss %s", n, thing, did)
}

// judgedAlone says whether a threshold on http_req_failed that held selects of a scenario and of nothing else: whoever
// wrote it knew of the failures.
func judgedAlone(m *results.Measurements, thresholds []scenarios.Threshold, v *results.Verdict, scenario string) bool {
	for i, t := range thresholds {
		if t.Metric != scenarios.HTTPReqFailed || !v.Gates[i].Passed {
			continue
		}
		selected := m.Select(t.Selector)
		alone := len(selected) > 0
		for _, s := range selected {
			alone = alone && s.Scenario == scenario
		}
		if alone {
			return true
		}
	}
	return false
}
