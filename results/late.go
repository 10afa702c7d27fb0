package results

import (
	"github.com/policycortex/headroom/scenarios"
)

// The classes of failures that the generator or the end of the run can have caused; it is loadgen that tells failures apart.
const (
	ErrorTimeout    = "timeout"
	ErrorUnanswered = "unanswered at the end of gracefulStop"
	ErrorCut        = "cut off by the end of the run"
	ErrorNoFiles    = "not sent: the generator was out of file descriptors"
	ErrorNoPorts    = "not sent: the generator was out of local ports"
	ErrorLookup     = "host name not found"
	ErrorOther      = "other"
)

// doubtful is how many of a request's failures the generator can have caused. The others the service answered or refused.
func (s *Series) doubtful() int64 {
	var n int64
	for _, class := range []string{ErrorTimeout, ErrorUnanswered, ErrorCut, ErrorNoFiles, ErrorNoPorts, ErrorLookup, ErrorOther} {
		n += s.Errors[class]
	}
	return n
}

// mostlyAnswered says whether the service answered or refused most of the requests that failed.
func mostlyAnswered(series []*Series) bool {
	var failed, doubtful int64
	for _, s := range series {
		failed += s.Failed
		doubtful += s.doubtful()
	}
	return failed > 0 && 2*doubtful < failed
}

// weighTimes weighs the reasons for which a run's times cannot be trusted, where those are all the reasons for distrust. They make it
// invalid, but not where it has failed by what no lateness of the generator explains: then they are warnings, and every other gate
// is unresolved. answered is that of weighFailures.
func weighTimes(m *Measurements, thresholds []scenarios.Threshold, v *Verdict, reasons []string, answered bool) {
	stand, failed := make([]bool, len(v.Gates)), answered
	all, unsuccessful := countFailed(m.Series)
	nothingSucceeded := answered && all == unsuccessful
	for i, t := range thresholds {
		g := v.Gates[i]
		stand[i] = !g.NotReached && !g.Passed && !g.Unresolved && (g.Samples == 0 || beyondLateness(m, t, nothingSucceeded))
		failed = failed || stand[i] && g.Samples > 0
	}
	if !failed {
		v.Invalid = append(v.Invalid, reasons...)
		return
	}
	v.Outcome, v.Untimed = Fail, reasons
	for _, reason := range reasons {
		v.Warnings = append(v.Warnings, "the times say nothing: "+reason)
	}
	for i, t := range thresholds {
		g := &v.Gates[i]
		if stand[i] || g.NotReached || g.Passed && ofFailures(t.Metric) {
			continue // lateness makes nothing succeed
		}
		g.Passed, g.Unresolved, g.Reason = false, true, "not judged: the times of this run say nothing"
	}
}

// ofFailures says whether a metric counts what failed.
func ofFailures(metric string) bool { return metric == "http_req_failed" || metric == "checks" }

// beyondLateness says whether a threshold on failures is crossed by so many that it would be without those for which the generator can
// be to blame: as many as it sent late, for what is sent late is sent at once, and those that were not answered. Where nothing at all
// succeeded none was the burst's.
func beyondLateness(m *Measurements, t scenarios.Threshold, nothingSucceeded bool) bool {
	if !ofFailures(t.Metric) || t.Window > 0 || t.Op == "==" || t.Op == "!=" {
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
		excused += s.doubtful()
	}
	for _, l := range m.Loads {
		if of[l.Scenario] {
			excused += l.OwnLag.above(maxOwnLag)
		}
	}
	if t.Metric == "http_req_failed" {
		var failed, all int64
		for _, s := range selected {
			failed, all = failed+s.Failed, all+s.Requests
		}
		return all > 0 && !holds(float64(max(0, failed-excused))/float64(all), t.Op, t.Limit)
	}
	a := checks(m, t.Selector)
	perRequest := int64(1)
	if _, one := t.Selector["check"]; !one {
		for _, s := range selected {
			perRequest = max(perRequest, int64(len(s.Checks)))
		}
	}
	unmet := (1-a.value)*float64(a.samples) - float64(excused*perRequest)
	return a.samples > 0 && !holds(1-max(0, unmet)/float64(a.samples), t.Op, t.Limit)
}

// above counts the values above a number of milliseconds.
func (h *Histogram) above(ms float64) int64 {
	var n int64
	for _, bar := range h.counts.Distribution() {
		if millis(bar.From) > ms {
			n += bar.Count
		}
	}
	return n
}
