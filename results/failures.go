package results

import (
	"fmt"

	"github.com/policycortex/headroom/scenarios"
)

// weighFailures fails a run of which nothing succeeded, as a whole or in one of its scenarios, whatever its thresholds look
// at, and names the requests of which none did. That the generator was the cause makes a run invalid, which goes before: what it
// could not send is not among the requests. Of what a threshold on http_req_failed looks at alone, that threshold decides.
func weighFailures(m *Measurements, thresholds []scenarios.Threshold, v *Verdict) error {
	requests, err := m.ByRequest()
	if err != nil {
		return err
	}
	var all, failed int64
	of := map[string]*Series{} // counts only, by scenario
	for _, s := range requests {
		all, failed = all+s.Requests, failed+s.Failed
		sum := of[s.Scenario]
		if sum == nil {
			sum = &Series{}
			of[s.Scenario] = sum
		}
		sum.Requests += s.Requests
		sum.Failed += s.Failed
	}
	if all > 0 && failed == all {
		v.Failed = append(v.Failed, fmt.Sprintf("nothing succeeded: %s", allOf(all, "request", "failed")))
		return nil
	}
	for _, l := range m.Loads {
		s := of[l.Scenario]
		if s != nil && s.Requests > 0 && s.Failed == s.Requests && !judgedAlone(m, thresholds, v, l.Scenario, "") {
			v.Failed = append(v.Failed, fmt.Sprintf("nothing of scenario %s succeeded: %s", l.Scenario, allOf(s.Requests, "request", "failed")))
		}
	}
	for _, s := range requests {
		if s.Requests == 0 || s.Failed < s.Requests || judgedAlone(m, thresholds, v, s.Scenario, s.Name) {
			continue
		}
		if sum := of[s.Scenario]; sum.Failed < sum.Requests { // else it has been said
			v.NoneSucceeded = append(v.NoneSucceeded, fmt.Sprintf("%s of scenario %s: %s", s.Name, s.Scenario, allOf(s.Requests, "request", "failed")))
		}
	}
	return nil
}

// allOf is "its only request failed", or "all 40 requests failed".
func allOf(n int64, thing, did string) string {
	if n == 1 {
		return fmt.Sprintf("the only %s %s", thing, did)
	}
	return fmt.Sprintf("all %d %ss %s", n, thing, did)
}

// judgedAlone says whether a threshold on http_req_failed that held selects of a scenario, or of one of its requests, and of
// nothing else: whoever wrote it knew of the failures.
func judgedAlone(m *Measurements, thresholds []scenarios.Threshold, v *Verdict, scenario, request string) bool {
	for i, t := range thresholds {
		if t.Metric != "http_req_failed" || !v.Gates[i].Passed {
			continue
		}
		selected := m.Select(t.Selector)
		alone := len(selected) > 0
		for _, s := range selected {
			alone = alone && s.Scenario == scenario && (request == "" || s.Name == request)
		}
		if alone {
			return true
		}
	}
	return false
}
