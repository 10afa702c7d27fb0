package loadgen

import (
	"maps"
	"slices"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// secondBook collects the seconds of one metric and selector of thresholds with a window.
type secondBook struct {
	seconds          *results.Seconds
	picks            []bool // by series
	requests, failed int64  // what is being settled
	times            *results.Histogram
}

// newSecondBooks returns a book for each metric and selector that a threshold with a window judges and that picks any of
// the series.
func newSecondBooks(plan *scenarios.Plan, load *results.Load, series []*results.Series) []*secondBook {
	var books []*secondBook
	for _, t := range plan.Thresholds {
		known := slices.ContainsFunc(books, func(b *secondBook) bool {
			return b.seconds.Metric == t.Metric && maps.Equal(b.seconds.Selector, t.Selector)
		})
		if t.Window == 0 || known {
			continue
		}
		b := &secondBook{seconds: results.NewSeconds(t, load), picks: make([]bool, len(series))}
		for i, s := range series {
			b.picks[i] = s.Matches(t.Selector)
		}
		if !slices.Contains(b.picks, true) {
			continue
		}
		if t.Metric == "http_req_duration" || t.Metric == "http_req_service_duration" {
			b.times = results.NewHistogram()
		}
		books = append(books, b)
	}
	return books
}

// add takes in the measured part of a tally of a series.
func (b *secondBook) add(series int, t *tally) {
	if !b.picks[series] {
		return
	}
	b.requests += t.requests
	b.failed += t.failed
	switch b.seconds.Metric {
	case "http_req_duration":
		merge(b.times, t.response)
	case "http_req_service_duration":
		merge(b.times, t.service)
	}
}

// settle closes a second of the run.
func (b *secondBook) settle(second int) {
	_ = b.seconds.Add(second, b.requests, b.failed, b.times) // as in batchBook.settle
	b.requests, b.failed = 0, 0
	clearHistogram(b.times)
}
