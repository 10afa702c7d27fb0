package judge

import (
	"github.com/policycortex/headroom/scenarios"

	"github.com/policycortex/headroom/results"
)

// doubtful is how many of a request's failures the generator can have caused. The others the service answered or
// refused.
func doubtful(s *results.Series) int64 {
	var n int64
	for _, class := range []string{
		results.ErrorTimeout, results.ErrorUnanswered, results.ErrorCut,
		results.ErrorNoFiles, results.ErrorNoPorts, results.ErrorLookup, results.ErrorOther,
	} {
		n += s.Errors[class]
	}
	return n
}

// mostlyAnswered says whether the service answered or refused most of the requests that failed.
func mostlyAnswered(series []*results.Series) bool {
	var failed, excused int64
	for _, s := range series {
		failed += s.Failed
		excused += doubtful(s)
	}
	return failed > 0 && 2*excused < failed
}

// weighTimes weighs the reasons for which a run's times cannot be trusted, where those are all the reasons for
// distrust. They make it invalid, but not where it has failed by what no lateness of the generator explains: then they
// are warnings, and every other gate is unresolved. answered is that of weighFailures.
func weighTimes(m *results.Measurements, v *results.Verdict, reasons []string, answered bool) {
	stand, failed := make([]bool, len(v.Gates)), answered
	all, unsuccessful := countFailed(m.Series)
	nothingSucceeded := answered && all == unsuccessful
	for i := range v.Gates {
		g := &v.Gates[i]
		stand[i] = !g.NotReached && !g.Passed && !g.Unresolved &&
			(g.Samples == 0 || beyondLateness(m, g, nothingSucceeded))
		failed = failed || stand[i] && g.Samples > 0
	}
	if !failed {
		v.Invalid = append(v.Invalid, reasons...)
		return
	}
	v.Outcome, v.Untimed = results.Fail, reasons
	for _, reason := range reasons {
		v.Warnings = append(v.Warnings, "the response times cannot be trusted: "+reason)
	}
	for i := range v.Gates {
		g := &v.Gates[i]
		if stand[i] || g.NotReached || g.Passed && ofFailures(g.Threshold.Metric) {
			continue // lateness makes nothing succeed
		}
		g.Passed, g.Unresolved, g.Reason = false, true, "not judged: the response times of this run cannot be trusted"
	}
}

// ofFailures says whether a metric counts what failed.
func ofFailures(metric scenarios.MetricName) bool {
	return metric == scenarios.HTTPReqFailed || metric == scenarios.Checks
}

// beyondLateness says whether a threshold on failures is crossed by so many that it would be without those for which
// the generator can be to blame: as many as it sent late, for what is sent late is sent at once, and those that were
// not answered. Where nothing at all succeeded none was the burst's.
func beyondLateness(m *results.Measurements, g *results.Gate, nothingSucceeded bool) bool {
	t := g.Threshold
	if !ofFailures(t.Metric) || t.Window > 0 || t.Op == scenarios.Equal || t.Op == scenarios.NotEqual {
		return false
	}
	if nothingSucceeded {
		return true
	}
	selected := m.Select(requestTags(t.Selector))
	var excused int64
	of := map[string]bool{}
	for _, s := range selected {
		of[s.Scenario] = true
		excused += doubtful(s)
	}
	for _, l := range m.Loads {
		if of[l.Scenario] {
			excused += above(l.OwnLag, maxOwnLag)
		}
	}
	if t.Metric == scenarios.HTTPReqFailed {
		var failed, all int64
		for _, s := range selected {
			failed, all = failed+s.Failed, all+s.Requests
		}
		return all > 0 && !g.Holds(float64(max(0, failed-excused))/float64(all))
	}
	a := checks(m, t.Selector)
	perRequest := int64(1)
	if _, one := t.Selector["check"]; !one {
		for _, s := range selected {
			perRequest = max(perRequest, int64(len(s.Checks)))
		}
	}
	unmet := (1-a.value)*float64(a.samples) - float64(excused*perRequest)
	return a.samples > 0 && !g.Holds(1-max(0, unmet)/float64(a.samples))
}

// above counts the values that are certainly above a number of milliseconds: those of buckets that begin above it.
func above(h *results.Histogram, ms float64) int64 {
	var n int64
	before := 0.0 // where the bucket before ends
	for value, count := range h.Buckets() {
		if before >= ms {
			n += count
		}
		before = value
	}
	return n
}
