package loadgen

import (
	"maps"
	"slices"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// selection is what a threshold picks of a scenario: it takes together what those series measured in the second that is
// being settled.
type selection struct {
	metric   scenarios.MetricName
	selector map[string]string
	picks    []bool             // by series
	times    *results.Histogram // nil where the metric is no time
}

// selectionOf returns what a threshold picks of the series; some is false when that is nothing.
func selectionOf(t scenarios.Threshold, series []*results.Series) (s selection, some bool) {
	s = selection{metric: t.Metric, selector: t.Selector, picks: make([]bool, len(series))}
	for i := range series {
		s.picks[i] = series[i].Matches(t.Selector)
	}
	if some = slices.Contains(s.picks, true); some && results.Timed(t.Metric) {
		s.times = results.NewHistogram()
	}
	return s, some
}

// isOf reports whether a threshold picks the same.
func (s *selection) isOf(t scenarios.Threshold) bool {
	return s.metric == t.Metric && maps.Equal(s.selector, t.Selector)
}

// add takes in the times of a tally of a series.
func (s *selection) add(series int, t *tally) {
	switch {
	case !s.picks[series]:
	case s.metric == scenarios.HTTPReqDuration:
		merge(s.times, t.response)
	case s.metric == scenarios.HTTPReqServiceDuration:
		merge(s.times, t.service)
	}
}
