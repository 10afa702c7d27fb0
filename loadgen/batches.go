package loadgen

import (
	"maps"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// batchBook collects the batches of one selector of quantile thresholds.
type batchBook struct {
	batches *results.Batches
	picks   []bool             // by series
	second  *results.Histogram // what is being settled
}

// newBatchBooks returns a book for each metric and selector that a quantile threshold judges and that picks any of the
// series.
func newBatchBooks(plan *scenarios.Plan, scenario string, series []*results.Series) []*batchBook {
	var books []*batchBook
	for _, t := range plan.Thresholds {
		if !results.Batched(t) || watched(books, t) {
			continue
		}
		b := &batchBook{
			batches: &results.Batches{Metric: t.Metric, Selector: t.Selector, Scenario: scenario},
			picks:   make([]bool, len(series)),
		}
		for i, s := range series {
			b.picks[i] = s.Matches(t.Selector)
			if b.picks[i] && b.second == nil {
				b.second = results.NewHistogram()
			}
		}
		if b.second != nil {
			books = append(books, b)
		}
	}
	return books
}

func watched(books []*batchBook, t scenarios.Threshold) bool {
	for _, b := range books {
		if b.batches.Metric == t.Metric && maps.Equal(b.batches.Selector, t.Selector) {
			return true
		}
	}
	return false
}

// add takes in the measured part of a tally of a series.
func (b *batchBook) add(series int, t *tally) {
	switch {
	case !b.picks[series]:
	case b.batches.Metric == "http_req_duration":
		merge(b.second, t.response)
	default:
		merge(b.second, t.service)
	}
}

// settle closes a second of the run.
func (b *batchBook) settle(second int) {
	// What is encoded here can be decoded, and all histograms have one range: it cannot fail.
	_ = b.batches.Add(second, b.second)
	clearHistogram(b.second)
}
