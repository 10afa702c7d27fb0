package judge

import (
	"maps"
	"math"
	"slices"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/stats"
	"github.com/policycortex/headroom/scenarios"
)

// Estimate is a figure of a run with its interval.
type Estimate struct {
	Value    float64
	Samples  int64
	Interval *results.Interval // nil where the figure has none
	Seconds  int               // full seconds that were measured
}

// block is what was answered in one of the equal blocks of a measured time.
type block struct {
	seconds          float64
	requests, failed float64
	timed            []results.Point // its seconds that have times
}

// fullSeconds is how many full seconds blocks have.
func fullSeconds(blocks []block) (seconds int) {
	for _, b := range blocks {
		seconds += int(b.seconds)
	}
	return seconds
}

// splitsRequests reports whether series leave out instances of the requests that they are of. The seconds that are
// saved are of all instances.
func splitsRequests(m *results.Measurements, selected []*results.Series) bool {
	of := func(s *results.Series) [3]string { return [3]string{s.Scenario, s.Name, s.Stage} }
	parts := map[[3]string]int{}
	for _, s := range selected {
		parts[of(s)]++
	}
	for _, s := range m.Series {
		if _, some := parts[of(s)]; some {
			parts[of(s)]--
		}
	}
	for _, left := range parts {
		if left != 0 {
			return true
		}
	}
	return false
}

// blocksOf divides the full measured seconds of the selected series into at most [stats.MaxBlocks] equal blocks. There
// are none of single instances.
func blocksOf(m *results.Measurements, selected []*results.Series) []block {
	if splitsRequests(m, selected) {
		return nil
	}
	seconds := map[int][]results.Point{}
	for _, l := range m.Loads {
		for _, span := range l.Measured(selected) {
			for at := int(math.Ceil(span.From)); float64(at+1) <= span.To; at++ {
				seconds[at] = nil
			}
		}
	}
	for _, p := range m.Points {
		if points, full := seconds[p.Second]; full && p.Request != "" &&
			slices.ContainsFunc(selected, func(s *results.Series) bool {
				return s.Scenario == p.Scenario && s.Name == p.Request
			}) {
			seconds[p.Second] = append(points, p)
		}
	}
	var out []block
	length := max(1, (len(seconds)+stats.MaxBlocks-1)/stats.MaxBlocks)
	for neighbours := range slices.Chunk(slices.Sorted(maps.Keys(seconds)), length) {
		b := block{seconds: float64(len(neighbours))}
		for _, at := range neighbours {
			for _, p := range seconds[at] {
				b.requests += float64(p.Requests)
				b.failed += float64(p.Failed)
				if p.Max > 0 {
					b.timed = append(b.timed, p)
				}
			}
		}
		out = append(out, b)
	}
	return out
}

// estimatePercentile estimates a percentile, 0 to 100, of the response time of what a selector picks: as gates are
// judged where a threshold picks the same, so that time blocks of it are saved, and otherwise from the seconds that are
// saved of every request.
func estimatePercentile(m *results.Measurements, selector map[string]string, h *results.Histogram, blocks []block,
	percentile float64,
) (Estimate, error) {
	out := Estimate{Value: h.Percentile(percentile), Samples: h.Count(), Seconds: fullSeconds(blocks)}
	selected := m.Select(selector)
	for _, b := range m.TimeBlocks {
		if b.Metric != scenarios.HTTPReqDuration || !slices.Equal(m.Select(b.Selector), selected) {
			continue
		}
		s, err := quantile(m, scenarios.Threshold{Metric: b.Metric, Selector: b.Selector}, h, percentile)
		out.Interval = widened(intervalOf(s), out.Value, blocks, percentile)
		return out, err
	}
	if h.Count() > 0 {
		sample := sampleOf(h)
		s := stats.Quantile(sample, partsOfSeconds(blocks, sample.Values), percentile)
		out.Interval = widened(intervalOf(s), out.Value, blocks, percentile)
	}
	return out, nil
}

// partsOfSeconds takes the number of answers within a time from the percentiles of the seconds of each block.
func partsOfSeconds(blocks []block, values []float64) []stats.Part {
	var parts []stats.Part
	for _, b := range blocks {
		if len(b.timed) == 0 {
			continue
		}
		total := 0.0
		for _, p := range b.timed {
			total += float64(p.Requests)
		}
		parts = append(parts, stats.Part{Block: len(parts), Count: total, AtMost: func(i int) float64 {
			sum := 0.0
			for _, p := range b.timed {
				sum += shareWithin(&p, values[i]) * float64(p.Requests)
			}
			return sum
		}})
	}
	return parts
}

// widened makes an interval reach, in each direction, at least as far as the scatter of the percentile between blocks
// says (sectioning: S. Asmussen, P. W. Glynn, Stochastic Simulation, 2007, section III.5a). That is further than the
// order statistics do where the whole distribution moves from block to block, as it also does between runs. It knows
// P50, P95 and P99, which are saved of each second, and leaves other percentiles as they are.
func widened(in *results.Interval, value float64, blocks []block, percentile float64) *results.Interval {
	of := map[float64]func(*results.Point) float64{
		50: func(p *results.Point) float64 { return p.P50 }, 95: func(p *results.Point) float64 { return p.P95 },
		99: func(p *results.Point) float64 { return p.P99 },
	}[percentile]
	if of == nil || !in.Ends() {
		return in
	}
	var sections []float64
	for _, b := range blocks {
		sum, n := 0.0, 0.0
		for _, p := range b.timed {
			sum, n = sum+of(&p)*float64(p.Requests), n+float64(p.Requests)
		}
		if n > 0 {
			sections = append(sections, sum/n)
		}
	}
	wide := *in
	_, reach, ok := stats.BatchMeans(sections)
	if ok && in.Low != nil {
		wide.Low = new(max(0, min(*in.Low, value-reach)))
	}
	if ok && in.High != nil {
		wide.High = new(max(*in.High, value+reach))
	}
	return &wide
}

// shareWithin is about the share of the second's answers that took at most v ms: its percentiles are joined by lines on
// a logarithmic scale of times, and the half below the median, of which nothing is saved, is taken for the mirror image
// of the half above.
func shareWithin(p *results.Point, v float64) float64 {
	if p.P50 <= 0 || v <= 0 {
		return 1
	}
	if v < p.P50 {
		return 1 - shareWithinAbove(p, p.P50*p.P50/v)
	}
	return shareWithinAbove(p, v)
}

// shareWithinAbove is shareWithin of a time that is at least the median.
func shareWithinAbove(p *results.Point, v float64) float64 {
	time, share := p.P50, 0.5
	for _, knot := range [...]struct{ time, share float64 }{{p.P95, 0.95}, {p.P99, 0.99}, {p.Max, 1}} {
		if v < knot.time {
			return share + (knot.share-share)*math.Log(v/time)/math.Log(knot.time/time)
		}
		time, share = knot.time, knot.share
	}
	return 1
}

// estimateRate estimates the requests a second. The interval is that of the answers of full seconds, and reaches to the
// rate of the whole: they differ by what was answered at the edges of the measured time.
func estimateRate(sum results.Summary, blocks []block) Estimate {
	out := Estimate{Value: sum.Rate(), Samples: sum.Requests, Seconds: fullSeconds(blocks)}
	rates, seconds := make([]float64, len(blocks)), 0.0
	for i, b := range blocks {
		rates[i] = b.requests / b.seconds
		seconds += b.seconds
	}
	if mean, reach, ok := stats.BatchMeans(rates); ok {
		reach = max(reach, 1/seconds) // an answer at an edge counts in either second
		out.Interval = &results.Interval{
			Confidence: stats.Confidence, Effective: float64(sum.Requests), Corrected: true,
			Low: new(min(out.Value, mean-reach)), High: new(max(out.Value, mean+reach)),
		}
	}
	return out
}

// estimateFailedShare estimates the share of requests that failed. The interval is that of the effective number of
// requests, because failures come in bursts.
func estimateFailedShare(sum results.Summary, blocks []block) Estimate {
	out := Estimate{Value: sum.FailedShare(), Samples: sum.Requests, Seconds: fullSeconds(blocks)}
	if sum.Requests == 0 {
		return out
	}
	n, corrected := float64(sum.Requests), len(blocks) >= stats.MinBlocks
	if corrected {
		n = effectiveRequests(n, blocks)
	}
	out.Interval = intervalOf(stats.Wilson(out.Value, n))
	out.Interval.Corrected = corrected
	return out
}

// effectiveRequests is the effective size of a sample of n requests by how the failures scatter between blocks.
func effectiveRequests(n float64, blocks []block) float64 {
	requests, failed := 0.0, 0.0
	for _, b := range blocks {
		requests, failed = requests+b.requests, failed+b.failed
	}
	if failed == 0 || failed == requests {
		return n
	}
	share := failed / requests
	deviations := make([]float64, len(blocks))
	for j, b := range blocks {
		deviations[j] = b.failed - share*b.requests
	}
	return n / requests * stats.EffectiveSize(requests, share, deviations)
}
