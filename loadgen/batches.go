package loadgen

import (
	"slices"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// batchBook collects the batches of one selector of quantile thresholds.
type batchBook struct {
	selection
	batches *results.TimeBlocks
}

// newBatchBooks returns a book for each metric and selector that a quantile threshold judges and that picks any of the
// series.
func newBatchBooks(plan *scenarios.Plan, scenario string, series []*results.Series) []*batchBook {
	var books []*batchBook
	for _, t := range plan.Thresholds {
		if !results.NeedsTimeBlocks(t) || slices.ContainsFunc(books, func(b *batchBook) bool { return b.isOf(t) }) {
			continue
		}
		if s, some := selectionOf(t, series); some {
			books = append(books, &batchBook{s, &results.TimeBlocks{Metric: t.Metric, Selector: t.Selector, Scenario: scenario}})
		}
	}
	return books
}

// settle closes a second of the run.
func (b *batchBook) settle(second int) {
	// What is encoded here can be decoded, and all histograms have one range: it cannot fail.
	_ = b.batches.Add(second, b.times)
	clearHistogram(b.times)
}
