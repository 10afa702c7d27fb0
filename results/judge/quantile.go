package judge

import (
	"maps"
	"math"
	"slices"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/stats"
	"github.com/policycortex/headroom/scenarios"
)

// quantile estimates a percentile, 0 to 100, of the times in ms that h counted and that t selects, from the time blocks
// that were recorded of them.
func quantile(m *results.Measurements, t scenarios.Threshold, h *results.Histogram, percentile float64) (stats.Summary,
	error,
) {
	if h.Count() == 0 {
		return stats.Quantile(stats.Sample{}, nil, percentile), nil
	}
	sample := sampleOf(h)
	parts, err := blockParts(m, t, sample.Values)
	if err != nil {
		return stats.Summary{}, err
	}
	return stats.Quantile(sample, parts, percentile), nil
}

func sampleOf(h *results.Histogram) stats.Sample {
	var s stats.Sample
	var sum int64
	for value, count := range h.Buckets() {
		sum += count
		s.Values, s.AtMost = append(s.Values, value), append(s.AtMost, sum)
	}
	return s
}

// blockParts divides what a threshold selects into at most [stats.MaxBlocks] equal blocks of time, without those in
// which nothing was counted; none when the run has no time blocks of it. Each scenario is a stratum. values are those
// of the sample.
func blockParts(m *results.Measurements, t scenarios.Threshold, values []float64) ([]stats.Part, error) {
	recorded := timeBlocksOf(m, t)
	from, length := blockLength(recorded)
	var scenarioNames []string
	byTime := map[int]map[string]results.Sparse{}
	for _, b := range recorded {
		if !slices.Contains(scenarioNames, b.Scenario) {
			scenarioNames = append(scenarioNames, b.Scenario)
		}
		for i, counts := range b.Counts {
			if counts.Empty() {
				continue
			}
			at := (b.From + i*b.Seconds - from) / length
			if byTime[at] == nil {
				byTime[at] = map[string]results.Sparse{}
			}
			sum, err := byTime[at][b.Scenario].Plus(counts)
			if err != nil {
				return nil, err
			}
			byTime[at][b.Scenario] = sum
		}
	}
	var parts []stats.Part
	for block, at := range slices.Sorted(maps.Keys(byTime)) {
		for stratum, name := range scenarioNames {
			counts, some := byTime[at][name]
			if !some {
				continue
			}
			atMost, err := counted(counts, values)
			if err != nil {
				return nil, err
			}
			parts = append(parts, stats.Part{
				Block: block, Stratum: stratum, Count: atMost[len(atMost)-1],
				AtMost: func(i int) float64 { return atMost[i] },
			})
		}
	}
	return parts, nil
}

// timeBlocksOf are those that were recorded of what a threshold selects.
func timeBlocksOf(m *results.Measurements, t scenarios.Threshold) []*results.TimeBlocks {
	var recorded []*results.TimeBlocks
	for _, b := range m.TimeBlocks {
		if b.Metric == t.Metric && maps.Equal(b.Selector, t.Selector) && len(b.Counts) > 0 {
			recorded = append(recorded, b)
		}
	}
	return recorded
}

// blockLength is the second from which blocks are counted and the length in seconds that makes at most
// [stats.MaxBlocks] of them in which anything was counted.
func blockLength(recorded []*results.TimeBlocks) (from, length int) {
	from, length = math.MaxInt, 1
	for _, b := range recorded {
		from, length = min(from, b.From), max(length, b.Seconds)
	}
	for countedBlocks(recorded, from, length) > stats.MaxBlocks {
		length *= 2
	}
	return from, length
}

// countedBlocks is the number of blocks of a length in seconds, from a second on, in which anything was counted.
func countedBlocks(recorded []*results.TimeBlocks, from, length int) int {
	some := map[int]bool{}
	for _, b := range recorded {
		for i, counts := range b.Counts {
			if !counts.Empty() {
				some[(b.From+i*b.Seconds-from)/length] = true
			}
		}
	}
	return len(some)
}

// counted is how many of the counted times are at most each of the values, which ascend to at least the longest of
// them.
func counted(counts results.Sparse, values []float64) ([]float64, error) {
	buckets, err := counts.Buckets()
	if err != nil {
		return nil, err
	}
	atMost := make([]float64, 0, len(values))
	sum := 0.0
	for value, count := range buckets {
		for len(atMost) < len(values) && values[len(atMost)] < value {
			atMost = append(atMost, sum)
		}
		sum += float64(count)
	}
	for len(atMost) < len(values) {
		atMost = append(atMost, sum)
	}
	return atMost, nil
}

// intervalOf is the saved form of a summary's interval.
func intervalOf(s stats.Summary) *results.Interval {
	in := &results.Interval{
		Confidence: s.Confidence, Effective: s.Effective,
		Corrected: !slices.Contains(s.Warnings, stats.ErrFewBlocks),
	}
	if !math.IsInf(s.Low, 0) {
		in.Low = &s.Low
	}
	if !math.IsInf(s.High, 0) {
		in.High = &s.High
	}
	return in
}
