package record

import (
	"maps"
	"slices"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// thresholdData is what thresholds need that the totals of the series do not have: how the measured values were spread
// over time. It is collected once for each metric and selector.
type thresholdData interface {
	// add takes in what a loop counted of a series in the second that is being flushed.
	add(series int, of *counts) error
	// flush closes a second of the run.
	flush(second int) error
	// bound follows the measured window of the load, which has moved.
	bound(l *results.Load)
	// end says when the measured window ended, in seconds since the run's start.
	end(measuredTo float64)
	addTo(m *results.Measurements)
	isFor(t scenarios.Threshold) bool
}

// newThresholdData returns what is to be collected of a scenario for the plan's thresholds that select any of its
// series.
func newThresholdData(plan *scenarios.Plan, load *results.Load, series []*results.Series) []thresholdData {
	var all []thresholdData
	for _, t := range plan.Thresholds {
		if slices.ContainsFunc(all, func(d thresholdData) bool { return d.isFor(t) }) {
			continue
		}
		s, some := selectionOf(t, series)
		switch {
		case !some, !t.Metric.PerRequest(): // the service's own metrics are sampled
		case t.Window > 0:
			all = append(all, &secondData{selection: s, seconds: results.NewSeconds(t, load)})
		case results.NeedsTimeBlocks(t):
			all = append(all, &blockData{
				s,
				&results.TimeBlocks{Metric: t.Metric, Selector: t.Selector, Scenario: load.Scenario},
			})
		}
	}
	return all
}

// selection is what a threshold selects of a scenario: together, what its series measured in the second that is being
// flushed.
type selection struct {
	metric   scenarios.MetricName
	selector map[string]string
	selects  []bool             // by series
	times    *results.Histogram // nil where the metric is no time
}

// selectionOf returns what a threshold selects of the series; some is false when that is nothing.
func selectionOf(t scenarios.Threshold, series []*results.Series) (s selection, some bool) {
	s = selection{metric: t.Metric, selector: t.Selector, selects: make([]bool, len(series))}
	for i := range series {
		s.selects[i] = series[i].Matches(t.Selector)
		some = some || s.selects[i]
	}
	if some && results.Timed(t.Metric) {
		s.times = results.NewHistogram()
	}
	return s, some
}

// is reports whether a threshold selects the same.
func (s *selection) is(t scenarios.Threshold) bool {
	return s.metric == t.Metric && maps.Equal(s.selector, t.Selector)
}

// add takes in the times of a series.
func (s *selection) add(series int, of *counts) error {
	switch {
	case !s.selects[series]:
	case s.metric == scenarios.HTTPReqDuration:
		return merge(s.times, of.response)
	case s.metric == scenarios.HTTPReqServiceDuration:
		return merge(s.times, of.service)
	}
	return nil
}

// blockData collects the time blocks for quantiles.
type blockData struct {
	selection
	blocks *results.TimeBlocks
}

func (b *blockData) flush(second int) error {
	defer clearHistogram(b.times)
	return b.blocks.Add(second, b.times)
}

func (b *blockData) bound(*results.Load) {}

func (b *blockData) end(float64) {}

func (b *blockData) addTo(m *results.Measurements) { m.TimeBlocks = append(m.TimeBlocks, b.blocks) }

func (b *blockData) isFor(t scenarios.Threshold) bool { return results.NeedsTimeBlocks(t) && b.is(t) }

// secondData collects the seconds for thresholds with a window.
type secondData struct {
	selection
	seconds          *results.Seconds
	requests, failed int64 // of the second that is being flushed
}

// add takes in the measured part of a series; for a rate of requests all of it, because in the first measured seconds a
// part of the outcomes is that of requests of the warm-up.
func (d *secondData) add(series int, of *counts) error {
	switch {
	case !d.selects[series]:
		return nil
	case d.metric == scenarios.HTTPReqs:
		d.requests += of.outcomes
	default:
		d.requests += of.requests
		d.failed += of.failed
	}
	return d.selection.add(series, of)
}

func (d *secondData) flush(second int) error {
	err := d.seconds.Add(second, d.requests, d.failed, d.times)
	d.requests, d.failed = 0, 0
	clearHistogram(d.times)
	return err
}

func (d *secondData) bound(l *results.Load) { d.seconds.Bound(l) }

func (d *secondData) end(measuredTo float64) { d.seconds.End(measuredTo) }

func (d *secondData) addTo(m *results.Measurements) { m.Seconds = append(m.Seconds, d.seconds) }

func (d *secondData) isFor(t scenarios.Threshold) bool { return t.Window > 0 && d.is(t) }
