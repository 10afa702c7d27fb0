// Package judge says what follows from the measurements of a run: it holds them against thresholds, says whether they
// can be trusted, and compares runs.
package judge

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/stats"
	"github.com/policycortex/headroom/scenarios"
)

// The bounds of a valid measurement.
const (
	// minSentShare is the share of its schedule that a scenario must have sent.
	minSentShare = 0.995
	// A generator is starved when the lag that it caused itself is, at P95 or at a percentile of the response time that
	// a threshold judges, both above maxOwnLag and above maxOwnLagShare of the response time that it reports there: its
	// own lateness is then part of what is judged.
	maxOwnLag      = 10 // ms
	maxOwnLagShare = 0.1
)

// Run holds the measurements against the thresholds. It fails only on measurements that contradict themselves.
func Run(m *results.Measurements, thresholds []scenarios.Threshold) (results.Verdict, error) {
	return judge(m, thresholds, disturbances(m))
}

// judge is Run where others have disturbed the run in the ways given.
func judge(m *results.Measurements, thresholds []scenarios.Threshold, disturbed []string) (results.Verdict, error) {
	v := results.Verdict{
		Outcome: results.Pass, Gates: make([]results.Gate, 0, len(thresholds)),
		Warnings: append([]string(nil), m.Warnings...),
	}
	moved := movedStagesOf(m)
	var untimed, narrow []string // why times cannot be trusted, and the gates whose intervals may be too narrow
	for _, t := range thresholds {
		g, few, doubt, err := judgeGate(m, t, moved)
		if err != nil {
			return v, fmt.Errorf("judge %s: %w", t.Name(), err)
		}
		v.Gates = append(v.Gates, g)
		if few != "" {
			untimed = append(untimed, few)
		}
		if doubt {
			narrow = append(narrow, g.Metric+" "+g.Expression)
		}
		switch {
		case g.Unresolved, g.NotReached:
			v.Outcome = v.Outcome.Worse(results.Unresolved)
		case !g.Passed:
			v.Outcome = results.Fail
		}
	}
	if len(narrow) > 0 {
		v.Warnings = append(v.Warnings,
			fmt.Sprintf("%s: with fewer than %d s of responses it is not known whether slow requests come in "+
				"groups; if "+
				"they do, the confidence interval is too narrow: measure longer", strings.Join(narrow, ", "),
				stats.MinBlocks))
	}
	answered, err := weighFailures(m, thresholds, &v)
	if err != nil {
		return v, err
	}
	v.Failed = append(v.Failed, unopened(m)...)
	if len(v.Failed) > 0 {
		v.Outcome = results.Fail
	}
	reasons, late, err := distrust(m, thresholds)
	if err != nil {
		return v, err
	}
	ofStreams, lateStreams, warnings := distrustStreams(m, thresholds)
	v.Invalid, untimed = slices.Concat(v.Invalid, reasons, ofStreams), slices.Concat(untimed, late, lateStreams)
	v.Warnings = append(v.Warnings, warnings...)
	weighDisturbance(&v, disturbed)
	switch {
	case len(v.Invalid) > 0:
		v.Invalid = append(v.Invalid, untimed...)
	case len(untimed) > 0:
		weighTimes(m, &v, untimed, answered)
	}
	if len(v.Invalid) > 0 {
		v.Outcome = results.Invalid
	}
	v.Warnings = slices.Concat(v.Warnings, unsteady(m), drifts(m), moved.warnings())
	if len(v.Failed) == 0 { // else what failed has been judged
		v.Warnings = append(v.Warnings, unwatched(m, thresholds)...)
	}
	return v, nil
}

// judgeGate judges one threshold. few says that too few samples were measured to tell its percentile, doubt is that of
// resolve.
func judgeGate(m *results.Measurements, t scenarios.Threshold, moved movedStages) (g results.Gate, few string,
	doubt bool, err error,
) {
	g, err = evaluate(m, t, 0)
	if err != nil {
		return g, "", false, err
	}
	doubt, err = resolve(m, t, &g)
	if err != nil {
		return g, "", false, err
	}
	if by := m.AbortedBy; by != nil && by.Metric == g.Metric && by.Expression == g.Expression {
		g = *by
		g.Threshold = t
	} else if m.Aborted != "" || m.Interrupted {
		markUnreached(m, t, &g)
	}
	if g.NotReached {
		return g, "", false, nil
	}
	few = tooFewSamples(t, g)
	if few != "" && m.Aborted != "" {
		g.Passed, g.Unresolved, g.Reason, few = false, true, few, "" // the threshold that ended the run early decides
	} else if few != "" {
		few = fmt.Sprintf("%s %s: %s", g.Metric, g.Expression, few)
	}
	moved.mark(t, &g)
	return g, few, doubt, nil
}

// resolve judges a quantile of response or service time by its confidence interval: it has passed when the whole
// interval is on the good side of the limit, failed when none of it is, and is unresolved else. The doubt is that the
// run was too short to correct the interval, where a wider one could have decided otherwise: the limit lies among the
// times that were met.
func resolve(m *results.Measurements, t scenarios.Threshold, g *results.Gate) (doubt bool, err error) {
	if t.Metric == scenarios.GeneratorMemoryGrowth || t.Metric == scenarios.ServerMemoryGrowth {
		resolveGrowth(m, t, g)
		return false, nil
	}
	if !results.NeedsTimeBlocks(t) || g.Samples == 0 || t.Op == scenarios.Equal || t.Op == scenarios.NotEqual {
		return false, nil
	}
	sum, err := m.Summarize(t.Selector)
	if err != nil {
		return false, err
	}
	h := sum.Response
	percentile, _ := percentileOfThreshold(t)
	if t.Metric == scenarios.HTTPReqServiceDuration {
		h = sum.Service
	}
	estimate, err := quantile(m, t, h, percentile)
	if err != nil {
		return false, err
	}
	good, bad := estimate.High, estimate.Low // infinite where there is none
	if t.Op.IsLower() {
		good, bad = estimate.Low, estimate.High
	}
	g.Interval = intervalOf(estimate)
	g.Passed = g.Holds(good)
	g.Unresolved = !g.Passed && g.Holds(bad)
	if g.Unresolved {
		g.Reason = "unresolved: the limit lies within the 95 % confidence interval; run longer, or at a higher rate"
	} else {
		doubt = !g.Interval.Corrected && h.Min() < t.Limit && t.Limit < h.Max()
	}
	return doubt, nil
}

// tooFewSamples says why a percentile cannot be told from the maximum: fewer than one sample is expected beyond it.
func tooFewSamples(t scenarios.Threshold, g results.Gate) string {
	samples, remedy := g.Samples, "Run longer or at a higher rate."
	if g.Window != nil {
		samples, remedy = g.Window.Fewest, "Make its window longer, or run at a higher rate."
	}
	percentile, ok := percentileOfThreshold(t)
	if !ok || samples == 0 {
		return ""
	}
	const rounding = 1e-9 // relative: 100 - 99.9 is not quite a tenth
	need := int64(math.Ceil(100 / (100 - percentile) * (1 - rounding)))
	if samples >= need {
		return ""
	}
	some := "1 sample"
	if samples > 1 {
		some = fmt.Sprintf("%d samples", samples)
	}
	return fmt.Sprintf("it has %s and needs at least %d. %s", some, need, remedy)
}

// distrust lists the reasons for which the measurements may not be judged at all, and those for which their times may
// not: that the generator was late.
func distrust(m *results.Measurements, thresholds []scenarios.Threshold) (reasons, late []string, err error) {
	if m.Interrupted {
		reasons = append(reasons, interruption(m))
	}
	for _, mark := range m.Marks {
		if mark.Error != "" {
			reasons = append(reasons, fmt.Sprintf("%s at %.1f s did not happen as the scenario asks: %s", mark.Text,
				mark.Due, mark.Error))
		}
	}
	for _, i := range m.Incidents {
		reasons = append(reasons, fmt.Sprintf("%s (seen %.1f s after the start; no fault in the scenario caused it)",
			i.Text, i.At))
	}
	var measured int64
	for _, s := range m.Series {
		measured += s.Requests
	}
	for _, s := range m.Streams {
		measured += s.Attempts + s.Events
	}
	if measured == 0 {
		reasons = append(reasons, "nothing was measured: no request of a measured window was sent")
	}
	for _, l := range m.Loads {
		if l.OutOfFiles > 0 || l.OutOfPorts > 0 {
			reasons = append(reasons, exhausted(m, l)...)
			continue // what else is wrong comes of it
		}
		// A run that a threshold aborted, or the user, had no time to send what was late.
		if m.Aborted == "" && !m.Interrupted && l.Planned > 0 && float64(l.Sent) < minSentShare*float64(l.Planned) {
			reasons = append(reasons, unsent(l))
		}
		if !l.Open {
			continue
		}
		reason, err := starved(m, l, judgedPercentiles(l.Scenario, thresholds))
		if err != nil {
			return nil, nil, err
		}
		if reason != "" {
			late = append(late, reason)
		}
	}
	return reasons, late, nil
}

// interruption says when a run was interrupted.
func interruption(m *results.Measurements) string {
	return fmt.Sprintf("interrupted after %.1f s: the schedule did not run to its end", m.Elapsed)
}

// unsent says that too little of a load was sent, and what helps.
func unsent(l *results.Load) string {
	if l.Counted {
		return fmt.Sprintf("%s: %d of %d iterations were begun (%.2f %%, at least %.1f %% are needed): raise "+
			"maxDuration "+
			"or vus (%d)", l.Scenario, l.Sent, l.Planned, 100*float64(l.Sent)/float64(l.Planned), 100*minSentShare,
			l.MaxVUs)
	}
	return fmt.Sprintf("%s: %d of %d scheduled requests were sent (%.2f %%, at least %.1f %% are needed): lower the "+
		"rate, raise maxVUs (%d) or "+
		"give the generator more CPU", l.Scenario, l.Sent, l.Planned, 100*float64(l.Sent)/float64(l.Planned),
		100*minSentShare, l.MaxVUs)
}

// exhausted says what the generator ran out of, and how there is more of it. Even a few requests that were not sent
// make a run invalid: they are those of the moments in which most were in flight.
func exhausted(m *results.Measurements, l *results.Load) (reasons []string) {
	var health results.Health
	if m.Health != nil { // merged shards have several
		health = *m.Health
	}
	if l.OutOfFiles > 0 {
		limit, remedy := "", "raise their limit with ulimit -n"
		if health.FileLimit > 0 {
			limit = fmt.Sprintf(" (limit %d)", health.FileLimit)
		}
		if health.FilesNeeded > 0 {
			remedy = fmt.Sprintf("raise it with ulimit -n %d or more: the run needs at least that many",
				health.FilesNeeded)
		}
		reasons = append(reasons, fmt.Sprintf("%s: the generator ran out of file descriptors%s for %s: %s", l.Scenario,
			limit, someRequests(l.OutOfFiles), remedy))
	}
	if l.OutOfPorts > 0 {
		ports := ""
		if health.PortRange > 0 {
			ports = fmt.Sprintf(" (%d for one address of the target)", health.PortRange)
		}
		reasons = append(reasons, fmt.Sprintf("%s: the generator ran out of local ports%s for %s: widen "+
			"net.ipv4.ip_local_port_range, have the service "+
			"keep its connections open (a closed one can hold its port for a minute, in TIME_WAIT), or run shards "+
			"from several addresses",
			l.Scenario, ports, someRequests(l.OutOfPorts)))
	}
	return reasons
}

func someRequests(n int64) string {
	if n == 1 {
		return "1 request"
	}
	return fmt.Sprintf("%d requests", n)
}

// judgedPercentiles are those at which a scenario's response time is judged, and P95.
func judgedPercentiles(scenario string, thresholds []scenarios.Threshold) []float64 {
	percentiles := []float64{95}
	for _, t := range thresholds {
		if name, chosen := t.Selector["scenario"]; t.Metric != scenarios.HTTPReqDuration || chosen && name != scenario {
			continue
		}
		if p, ok := percentileOfThreshold(t); ok {
			percentiles = append(percentiles, p)
		}
	}
	return percentiles
}

// percentileOfThreshold is the percentile that a threshold judges, of which med is the 50th.
func percentileOfThreshold(t scenarios.Threshold) (percentile float64, ok bool) {
	if t.Aggregation.Name == "med" {
		return 50, true
	}
	return t.Aggregation.Percentile, t.Aggregation.Name == "p"
}

// starved says where the generator's own lag is too large a part of a scenario's response time.
func starved(m *results.Measurements, l *results.Load, percentiles []float64) (string, error) {
	sum, err := m.Summarize(map[string]string{"scenario": l.Scenario})
	if err != nil {
		return "", err
	}
	for _, p := range percentiles {
		own, response := l.OwnLag.Percentile(p), sum.Response.Percentile(p)
		if own > maxOwnLag && own > maxOwnLagShare*response {
			return fmt.Sprintf("%s: the generator was starved: %.4g %% of the requests were sent more than %.1f ms "+
				"late with "+
				"connections to spare (response time at P%v: %.1f ms): lower the rate or give it more CPU",
				l.Scenario, 100-p, own, p, response), nil
		}
	}
	return "", nil
}

// unwatched warns of failures that no threshold looks at.
func unwatched(m *results.Measurements, thresholds []scenarios.Threshold) []string {
	var warnings []string
	if len(thresholds) == 0 {
		warnings = append(warnings, "the scenario has no thresholds: nothing was judged")
	}
	for _, t := range thresholds {
		if t.Metric == scenarios.HTTPReqFailed {
			return warnings
		}
	}
	var requests, failed int64
	for _, s := range m.Series {
		requests += s.Requests
		failed += s.Failed
	}
	if failed > 0 {
		warnings = append(warnings, fmt.Sprintf("%d of %d requests failed, and no threshold on http_req_failed "+
			"judges them", failed, requests))
	}
	return warnings
}
