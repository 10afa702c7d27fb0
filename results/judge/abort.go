package judge

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// Crossed returns the first threshold with AbortOnFail that the measurements so far cross; nil when there is none.
// settled is the offset, one a load, until which it has been measured. A threshold without data does not abort, because
// its data may still come, but into no window that is over; nor does one before its time has come, see [due].
func Crossed(m *results.Measurements, thresholds []scenarios.Threshold, settled []float64) (*results.Gate, error) {
	if len(settled) == 0 {
		return nil, nil
	}
	now := slices.Max(settled)
	sofar := until(m, settled)
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

// Sofar holds what has been measured so far against the thresholds. settled is the offset, one a load, until which it
// has been measured. A gate without data is not reached: its data may still come.
func Sofar(m *results.Measurements, thresholds []scenarios.Threshold, settled []float64) ([]results.Gate, error) {
	sofar := until(m, settled)
	gates := make([]results.Gate, 0, len(thresholds))
	for _, t := range thresholds {
		g, err := evaluate(sofar, t, 0)
		if err != nil {
			return nil, fmt.Errorf("judge %s: %w", t.Name(), err)
		}
		if g.Samples == 0 && g.Window == nil {
			g.Passed, g.Unresolved, g.NotReached, g.Reason = false, false, true, "nothing measured yet"
			gates = append(gates, g)
			continue
		}
		if _, err := resolve(sofar, t, &g); err != nil {
			return nil, fmt.Errorf("judge %s: %w", t.Name(), err)
		}
		gates = append(gates, g)
	}
	return gates, nil
}

// recentSeconds is how far back the last window lies whose seconds have all been settled, at the most.
const recentSeconds = 5

// until are the measurements with the measured parts as far as they have been settled.
func until(m *results.Measurements, settled []float64) *results.Measurements {
	sofar := *m
	sofar.Loads = slices.Clone(m.Loads)
	for i, l := range sofar.Loads {
		part := *l
		part.MeasuredTo = max(l.MeasuredFrom, min(l.MeasuredTo, settled[i]))
		sofar.Loads[i] = &part
	}
	return &sofar
}

// due says whether a threshold may abort the run: when what it selects has been measured for as long as it waits, or to
// its end.
func due(m *results.Measurements, t scenarios.Threshold, settled []float64) bool {
	var measured []results.Span
	ended := true
	for i, l := range m.Loads {
		for _, w := range selectedOf(m, l, t) {
			ended = ended && w.To <= settled[i]
			w.To = min(w.To, settled[i])
			if w.To > w.From {
				measured = append(measured, w)
			}
		}
	}
	return ended || results.Covered(measured) >= t.DelayAbortEval.Seconds()
}

// selectedOf are the measured windows of what a threshold selects of a scenario.
func selectedOf(m *results.Measurements, l *results.Load, t scenarios.Threshold) []results.Span {
	if !t.Metric.PerRequest() {
		if name, chosen := t.Selector["scenario"]; chosen && name != l.Scenario {
			return nil
		}
		return []results.Span{{From: l.MeasuredFrom, To: l.MeasuredTo}}
	}
	return l.Measured(m.Select(requestTags(t.Selector)))
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

// markUnreached marks a gate that the end of the run came before: what it is of had not been measured to its end, nor
// for as long as it waits before it may abort a run. What more of the run could not have undone stays.
func markUnreached(m *results.Measurements, t scenarios.Threshold, g *results.Gate) {
	if final(t, g) {
		return
	}
	whole, ends := *m, make([]float64, len(m.Loads))
	whole.Loads = slices.Clone(m.Loads)
	for i, l := range m.Loads {
		scheduled := *l
		scheduled.MeasuredTo = max(l.MeasuredTo, l.ScheduledTo)
		whole.Loads[i], ends[i] = &scheduled, l.MeasuredTo
	}
	if !t.AbortOnFail {
		t.DelayAbortEval = math.MaxInt64 // it is judged at the end alone
	}
	if due(&whole, t, ends) {
		return
	}
	g.Passed, g.Unresolved, g.NotReached, g.Margin = false, false, true, 0
	g.Reason = fmt.Sprintf("not reached (%s of %s s measured): the run ended after %s s", tenths(selectedSeconds(m, t)),
		tenths(selectedSeconds(&whole, t)), tenths(m.Elapsed))
}

// final says whether the rest of a run cannot change what became of a gate: a count only grows, and a window that
// crossed is over.
func final(t scenarios.Threshold, g *results.Gate) bool {
	switch {
	case g.Samples == 0 && g.Window == nil:
		return false
	case t.Aggregation.Name == "count":
		return g.Passed && t.Op.IsLower() || !g.Passed && t.Op.IsUpper()
	}
	return g.Window != nil && !g.Passed
}

// selectedSeconds is how long what a threshold selects was measured.
func selectedSeconds(m *results.Measurements, t scenarios.Threshold) float64 {
	var spans []results.Span
	for _, l := range m.Loads {
		for _, w := range selectedOf(m, l, t) {
			if w.To > w.From {
				spans = append(spans, w)
			}
		}
	}
	return results.Covered(spans)
}

// tenths shows seconds to a tenth, without a needless zero.
func tenths(seconds float64) string {
	return strconv.FormatFloat(math.Round(10*seconds)/10, 'f', -1, 64)
}
