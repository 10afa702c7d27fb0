package loadgen

import (
	"slices"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// secondBook collects the seconds of one metric and selector of thresholds with a window.
type secondBook struct {
	selection
	seconds          *results.Seconds
	requests, failed int64 // of the second that is being settled
}

// newSecondBooks returns a book for each metric and selector that a threshold with a window judges and that picks any of
// the series.
func newSecondBooks(plan *scenarios.Plan, load *results.Load, series []*results.Series) []*secondBook {
	var books []*secondBook
	for _, t := range plan.Thresholds {
		if t.Window == 0 || slices.ContainsFunc(books, func(b *secondBook) bool { return b.isOf(t) }) {
			continue
		}
		if s, some := selectionOf(t, series); some {
			books = append(books, &secondBook{selection: s, seconds: results.NewSeconds(t, load)})
		}
	}
	return books
}

// add takes in the measured part of a tally of a series; of a rate of requests all of it, because in the first measured seconds
// a part of the answers is to requests of the warm-up.
func (b *secondBook) add(series int, t *tally) {
	b.selection.add(series, t)
	if !b.picks[series] {
		return
	}
	if b.metric == scenarios.HTTPReqs {
		b.requests += t.answers
		return
	}
	b.requests += t.requests
	b.failed += t.failed
}

// settle closes a second of the run.
func (b *secondBook) settle(second int) {
	_ = b.seconds.Add(second, b.requests, b.failed, b.times) // as in batchBook.settle
	b.requests, b.failed = 0, 0
	clearHistogram(b.times)
}
