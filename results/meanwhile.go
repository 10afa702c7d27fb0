package results

import (
	"slices"

	"github.com/policycortex/headroom/scenarios"
)

// SpanOf is the time that a threshold was judged over: its worst window, the stage that it selects, or the measured
// time of the scenarios that it selects, from the first to the last.
func (m *Measurements) SpanOf(t scenarios.Threshold, window *Window) Span {
	if window != nil {
		return Span{float64(window.From), float64(window.From + window.Seconds)}
	}
	var all []Span
	for _, l := range m.Loads {
		if name := t.Selector["scenario"]; name != "" && name != l.Scenario {
			continue
		}
		span := Span{l.MeasuredFrom, max(l.MeasuredTo, l.LastAnswer)}
		for _, stage := range l.Stages {
			if stage.Name != "" && stage.Name == t.Selector[scenarios.StageTag] {
				span = Span{stage.From, max(stage.To, stage.LastAnswer)}
			}
		}
		all = append(all, span)
	}
	if len(all) == 0 {
		return Span{0, m.Elapsed}
	}
	sum := all[0]
	for _, s := range all[1:] {
		sum.From, sum.To = min(sum.From, s.From), max(sum.To, s.To)
	}
	return sum
}

// Has reports whether an instant is within the span.
func (s Span) Has(at float64) bool { return at >= s.From && at <= s.To }

// Touches reports whether anything from one instant to another is within the span.
func (s Span) Touches(from, to float64) bool { return from <= s.To && to >= s.From }

// Within is the health in a span; nil for nil.
func (h *Health) Within(s Span) *Health {
	if h == nil {
		return nil
	}
	part := *h
	part.Seconds = slices.DeleteFunc(slices.Clone(h.Seconds), func(second HealthSecond) bool {
		return !s.Touches(second.At-second.Length, second.At)
	})
	return &part
}
