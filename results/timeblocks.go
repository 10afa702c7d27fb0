package results

import "github.com/policycortex/headroom/scenarios"

// TimeBlocks are the times that the selector of a quantile threshold picks of one scenario, in equal blocks of the run
// by the instant at which the answers came. They tell how much neighbours in time depend on each other, which the whole
// does not.
type TimeBlocks struct {
	Metric   scenarios.MetricName `json:"metric"` // HTTPReqDuration or HTTPReqServiceDuration
	Selector map[string]string    `json:"selector,omitempty"`
	Scenario string               `json:"scenario"`
	From     int                  `json:"from"`    // offset of the first block in seconds, a multiple of Seconds
	Seconds  int                  `json:"seconds"` // the length of each: a power of two
	Counts   []Sparse             `json:"counts"`  // of each block
}

// NeedsTimeBlocks reports whether a threshold is judged by time blocks: on a quantile of response or service time, and
// not window by window.
func NeedsTimeBlocks(t scenarios.Threshold) bool {
	return t.Window == 0 && Timed(t.Metric) && (t.Aggregation.Name == "p" || t.Aggregation.Name == "med")
}

// Timed reports whether a metric is response or service time.
func Timed(metric scenarios.MetricName) bool {
	return metric == scenarios.HTTPReqDuration || metric == scenarios.HTTPReqServiceDuration
}

// maxBlocks bounds the memory of a run however long it is: when there are more, neighbours are put together.
const maxBlocks = 128

// Add takes in what was counted in a second of the run, later than all seconds that were taken in before.
func (b *TimeBlocks) Add(second int, h *Histogram) error {
	if h.Count() == 0 {
		return nil
	}
	if len(b.Counts) == 0 {
		b.Seconds = max(b.Seconds, 1)
		b.From = second - second%b.Seconds
	}
	for (second-b.From)/b.Seconds >= maxBlocks {
		if err := b.halve(); err != nil {
			return err
		}
	}
	at := (second - b.From) / b.Seconds
	for len(b.Counts) <= at {
		b.Counts = append(b.Counts, Sparse{})
	}
	return b.Counts[at].merge(h)
}

// halve doubles the length of the blocks.
func (b *TimeBlocks) halve() error {
	old, from := b.Counts, b.From
	length := 2 * b.Seconds
	b.From -= b.From % length
	b.Counts = make([]Sparse, 0, maxBlocks)
	for i, counts := range old {
		at := (from + i*b.Seconds - b.From) / length
		if at == len(b.Counts) {
			b.Counts = append(b.Counts, counts)
			continue
		}
		sum, err := b.Counts[at].Plus(counts)
		if err != nil {
			return err
		}
		b.Counts[at] = sum
	}
	b.Seconds = length
	return nil
}
