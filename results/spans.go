package results

import (
	"cmp"
	"slices"
)

// Span is a time of the run, in seconds since its start.
type Span struct{ From, To float64 }

// Covered is the time in seconds that the spans, which it sorts, cover together.
func Covered(spans []Span) float64 {
	slices.SortFunc(spans, func(a, b Span) int { return cmp.Compare(a.From, b.From) })
	var covered, reached float64
	for i, s := range spans {
		if i == 0 || s.From > reached {
			reached = s.From
		}
		if s.To > reached {
			covered += s.To - reached
			reached = s.To
		}
	}
	return covered
}

// Measured is the measured time of the load; where only stages with a name are selected of it, of those stages. It is
// empty where no series is selected.
func (l *Load) Measured(selected []*Series) []Span { return l.spans(selected, false) }

// MeasuredSeconds is the time in seconds that the measured windows of the selected series cover together, each reaching
// to its last answer where that came after its end: a system that answers late has not served the rate that was asked
// of it. Where only stages with a name are selected of a scenario, it is of those stages.
func (m *Measurements) MeasuredSeconds(selected []*Series) float64 {
	var spans []Span
	for _, l := range m.Loads {
		spans = append(spans, l.spans(selected, true)...)
	}
	return Covered(spans)
}

// spans are the measured spans of the selected series of the load, each, with late set, reaching to its last answer.
func (l *Load) spans(selected []*Series, late bool) []Span {
	stages := map[string]bool{}
	for _, s := range selected {
		if s.Scenario == l.Scenario {
			stages[s.Stage] = true
		}
	}
	parts := l.Stages
	if stages[""] {
		parts = []Stage{{From: l.MeasuredFrom, To: l.MeasuredTo, LastAnswer: l.LastAnswer}}
	}
	var spans []Span
	for _, st := range parts {
		s := Span{st.From, min(st.To, l.MeasuredTo)}
		if late {
			s.To = max(s.To, st.LastAnswer)
		}
		if stages[st.Name] && s.To > s.From {
			spans = append(spans, s)
		}
	}
	return spans
}
