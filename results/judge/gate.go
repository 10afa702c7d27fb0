package judge

import (
	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

func newGate(m *results.Measurements, t scenarios.Threshold) results.Gate {
	g := results.Gate{Threshold: t, Metric: t.Name(), Expression: t.Source, Op: t.Op, Target: t.Limit}
	switch asked := askedRate(m, t.Selector); {
	case !t.Op.IsLower():
	case t.Metric.IsShare():
		g.Best = new(1.0)
	case t.Metric == scenarios.HTTPReqs && t.Aggregation.Name == "rate" && asked > t.Limit:
		g.Best = &asked
	}
	return g
}

// evaluate judges a threshold; one with a window, in the spans that begin at the second since or later.
func evaluate(m *results.Measurements, t scenarios.Threshold, since int) (results.Gate, error) {
	if t.Window > 0 {
		return worstWindow(m, t, since)
	}
	g := newGate(m, t)
	a, err := aggregate(m, t)
	if err != nil {
		return g, err
	}
	g.Hold(a.value, a.unit, a.samples)
	switch {
	case a.reason != "":
		g.Reason = a.reason
	case a.samples == 0:
		g.Reason = "no data: a threshold without data fails"
	case a.bounds != nil:
		holdBetween(&g, *a.bounds)
	}
	return g, nil
}

// askedRate is the requests a second that the schedules meant to send of what a selector picks; 0 where they do not
// say: of users who wait for answers, of flows, and of a part of a scenario.
func askedRate(m *results.Measurements, selector map[string]string) float64 {
	var asked int64
	var spans []results.Span
	for _, l := range m.Loads {
		picked, all := 0, 0
		for _, s := range m.Series {
			if s.Scenario != l.Scenario {
				continue
			}
			all++
			if s.Matches(selector) {
				picked++
			}
			if s.Tags["flow"] != "" && picked > 0 {
				return 0
			}
		}
		if picked == 0 {
			continue
		}
		if picked < all || !l.Open {
			return 0
		}
		asked += l.MeasuredPlanned
		spans = append(spans, results.Span{From: l.MeasuredFrom, To: l.MeasuredTo})
	}
	if seconds := results.Covered(spans); seconds > 0 {
		return float64(asked) / seconds
	}
	return 0
}
