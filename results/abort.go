package results

import (
	"fmt"
	"maps"
	"slices"

	"github.com/policycortex/headroom/scenarios"
)

// Crossed returns the first threshold with AbortOnFail that the measurements so far cross; nil when there is none. settled
// is the offset, one a load, until which it has been measured. A threshold over no data does not abort, because its data may
// still come, but into no window that is over; nor does one before its time has come, see [due].
func Crossed(m *Measurements, thresholds []scenarios.Threshold, settled []float64) (*Gate, error) {
	if len(settled) == 0 {
		return nil, nil
	}
	now := slices.Max(settled)
	sofar := m.until(settled)
	for _, t := range thresholds {
		if !t.AbortOnFail || !due(m, t, settled) {
			continue
		}
		// Windows that ended earlier were judged then.
		g, err := evaluate(sofar, t, int(now-t.Window.Seconds())-recentSeconds)
		if err != nil {
			return nil, err
		}
		if g.Passed || g.Samples == 0 && g.Window == nil || tooFewSamples(t, g) != "" {
			continue
		}
		if _, err := resolve(sofar, t, &g); err != nil {
			return nil, err
		}
		if !g.Passed && !g.Unresolved {
			return &g, nil
		}
	}
	return nil, nil
}

// recentSeconds is how far back the last window lies whose seconds have all been settled, at the most.
const recentSeconds = 5

// until are the measurements with the measured parts as far as they have been settled.
func (m *Measurements) until(settled []float64) *Measurements {
	sofar := *m
	sofar.Loads = slices.Clone(m.Loads)
	for i, l := range sofar.Loads {
		part := *l
		part.MeasuredTo = max(l.MeasuredFrom, min(l.MeasuredTo, settled[i]))
		sofar.Loads[i] = &part
	}
	return &sofar
}

// due says whether a threshold may abort the run: when what it selects has been measured for as long as it waits, or to its
// end.
func due(m *Measurements, t scenarios.Threshold, settled []float64) bool {
	var measured []window
	ended := true
	for i, l := range m.Loads {
		for _, w := range m.selectedOf(l, t) {
			ended = ended && w.to <= settled[i]
			if w.to = min(w.to, settled[i]); w.to > w.from {
				measured = append(measured, w)
			}
		}
	}
	return ended || covered(measured) >= t.DelayAbortEval.Seconds()
}

// selectedOf are the measured windows of what a threshold selects of a scenario.
func (m *Measurements) selectedOf(l *Load, t scenarios.Threshold) []window {
	if !ofRequests(t.Metric) {
		if name, chosen := t.Selector["scenario"]; chosen && name != l.Scenario {
			return nil
		}
		return []window{{l.MeasuredFrom, l.MeasuredTo}}
	}
	return l.windowsOf(m.Select(requestTags(t.Selector)), false)
}

// ofRequests says whether a metric is told apart by request.
func ofRequests(metric string) bool {
	i := slices.IndexFunc(scenarios.Metrics, func(m scenarios.Metric) bool { return m.Name == metric })
	return i >= 0 && slices.Contains(scenarios.Metrics[i].Tags, scenarios.RequestTags)
}

// requestTags is a selector of checks without the tag that requests do not have.
func requestTags(selector map[string]string) map[string]string {
	if _, one := selector["check"]; !one {
		return selector
	}
	of := maps.Clone(selector)
	delete(of, "check")
	return of
}

// markUnreached marks a gate over no data that the end of the run came before: nothing of what it is of had been sent yet, or
// none of its windows was over. A gate on what was sent and not answered has failed.
func markUnreached(m *Measurements, t scenarios.Threshold, g *Gate) {
	if g.Samples > 0 || g.Window != nil {
		return
	}
	var sent int64
	cut := false
	for _, l := range m.Loads {
		cut = cut || m.cutShort(l, t)
	}
	if ofRequests(t.Metric) && t.Window == 0 {
		for _, s := range m.Select(requestTags(t.Selector)) {
			sent += s.Requests
		}
	}
	if sent == 0 && cut {
		g.Passed, g.NotReached = false, true
		g.Reason = fmt.Sprintf("not reached: the run ended after %.1f s, before there was anything of it to judge", m.Elapsed)
	}
}

// cutShort says whether the run ended before the measured time of what a threshold selects of a scenario had passed.
func (m *Measurements) cutShort(l *Load, t scenarios.Threshold) bool {
	if !ofRequests(t.Metric) {
		name, chosen := t.Selector["scenario"]
		return (!chosen || name == l.Scenario) && (l.Cut || l.MeasuredTo <= l.MeasuredFrom)
	}
	stages, some := map[string]bool{}, false
	for _, s := range m.Select(requestTags(t.Selector)) {
		if s.Scenario == l.Scenario {
			stages[s.Stage], some = true, true
		}
	}
	if stages[""] || !some {
		return some && (l.Cut || l.MeasuredTo <= l.MeasuredFrom)
	}
	return slices.ContainsFunc(l.Stages, func(st Stage) bool { return stages[st.Name] && st.To > l.MeasuredTo })
}
