package results

import (
	"maps"
	"math"
	"slices"

	"github.com/policycortex/headroom/scenarios"
)

// Estimate is a figure of a run with its interval; Interval is nil where there is none to tell.
type Estimate struct {
	Value    float64
	Samples  int64
	Interval *Interval
	Seconds  int // that were measured, whole ones
}

// stretch is what the seconds of one of the equal stretches of a measured part saw, by the instants of the answers.
type stretch struct {
	seconds          float64
	requests, failed float64
	timed            []Point // those with a time
}

// measuredSeconds is how many full seconds stretches have.
func measuredSeconds(stretches []stretch) (seconds int) {
	for _, st := range stretches {
		seconds += int(st.seconds)
	}
	return seconds
}

// stretches divides the full measured seconds of the selected series into equal stretches of time, at most mostGroups.
func (m *Measurements) stretches(selected []*Series) []stretch {
	seconds := map[int][]Point{}
	for _, l := range m.Loads {
		for _, w := range l.windowsOf(selected, false) {
			for at := int(math.Ceil(w.from)); float64(at+1) <= w.to; at++ {
				seconds[at] = nil
			}
		}
	}
	for _, p := range m.Points {
		if points, full := seconds[p.Second]; full && p.Request != "" && slices.ContainsFunc(selected, func(s *Series) bool {
			return s.Scenario == p.Scenario && s.Name == p.Request
		}) {
			seconds[p.Second] = append(points, p)
		}
	}
	var out []stretch
	length := max(1, (len(seconds)+mostGroups-1)/mostGroups)
	for group := range slices.Chunk(slices.Sorted(maps.Keys(seconds)), length) {
		st := stretch{seconds: float64(len(group))}
		for _, at := range group {
			for _, p := range seconds[at] {
				st.requests += float64(p.Requests)
				st.failed += float64(p.Failed)
				if p.Max > 0 {
					st.timed = append(st.timed, p)
				}
			}
		}
		out = append(out, st)
	}
	return out
}

// percentileOf estimates a percentile of the response time of what a selector picks: as gates are judged where a threshold
// picks the same, so that its batches are saved, and else from what is saved of every request.
func (m *Measurements) percentileOf(selector map[string]string, sum Summary, stretches []stretch, percentile float64) (Estimate, error) {
	selected := m.Select(selector)
	for _, b := range m.Batches {
		if b.Metric != "http_req_duration" || !slices.Equal(m.Select(b.Selector), selected) {
			continue
		}
		groups, err := m.groups(scenarios.Threshold{Metric: b.Metric, Selector: b.Selector})
		if err != nil {
			return Estimate{}, err
		}
		in := quantileInterval(sum.Response, groups, percentile)
		value := sum.Response.Percentile(percentile)
		return Estimate{value, sum.Response.Count(), in.widened(value, stretches, percentile), measuredSeconds(stretches)}, nil
	}
	return percentileOfSeconds(sum.Response, stretches, percentile), nil
}

// percentileOfSeconds estimates a percentile of the response time from what is saved of every request: as gates are judged,
// with the number of answers within a time in each stretch read off the percentiles of its seconds.
func percentileOfSeconds(h *Histogram, stretches []stretch, percentile float64) Estimate {
	out := Estimate{Value: h.Percentile(percentile), Samples: h.Count(), Seconds: measuredSeconds(stretches)}
	if h.Count() == 0 {
		return out
	}
	s := newSample(h, percentile/100)
	for _, st := range stretches {
		if len(st.timed) == 0 {
			continue
		}
		total := 0.0
		for _, p := range st.timed {
			total += float64(p.Requests)
		}
		s.parts = append(s.parts, part{s.groups, 0, total, func(i int) float64 {
			within := 0.0
			for _, p := range st.timed {
				within += p.within(s.values[i]) * float64(p.Requests)
			}
			return within
		}})
		s.groups++
	}
	out.Interval = s.interval(percentile).widened(out.Value, stretches, percentile)
	return out
}

// widened reaches, in each direction, at least as far as the scatter of the percentile between stretches says (sectioning: S.
// Asmussen, P. W. Glynn, Stochastic Simulation, 2007, section III.5a). That is further than the order statistics do where the
// whole distribution moves from stretch to stretch, as it does between runs, too. It looks at P50, P95 and P99, which are saved.
func (in *Interval) widened(value float64, stretches []stretch, percentile float64) *Interval {
	of := map[float64]func(Point) float64{
		50: func(p Point) float64 { return p.P50 }, 95: func(p Point) float64 { return p.P95 }, 99: func(p Point) float64 { return p.P99 },
	}[percentile]
	if of == nil || !in.ends() {
		return in
	}
	var sections []float64
	for _, st := range stretches {
		sum, n := 0.0, 0.0
		for _, p := range st.timed {
			sum, n = sum+of(p)*float64(p.Requests), n+float64(p.Requests)
		}
		if n > 0 {
			sections = append(sections, sum/n)
		}
	}
	wide := *in
	_, reach, ok := meanOf(sections)
	if ok && in.Low != nil {
		wide.Low = new(max(0, min(*in.Low, value-reach)))
	}
	if ok && in.High != nil {
		wide.High = new(max(*in.High, value+reach))
	}
	return &wide
}

// within is about the share of the second's answers that took at most v ms: its percentiles are joined by lines on a
// logarithmic scale of times, and the half below the median, of which nothing is saved, is taken for the mirror image of the
// half above.
func (p *Point) within(v float64) float64 {
	if p.P50 <= 0 || v <= 0 {
		return 1
	}
	if v < p.P50 {
		return 1 - p.above(p.P50*p.P50/v)
	}
	return p.above(v)
}

// above is within of a time that is at least the median.
func (p *Point) above(v float64) float64 {
	time, share := p.P50, 0.5
	for _, knot := range []struct{ time, share float64 }{{p.P95, 0.95}, {p.P99, 0.99}, {p.Max, 1}} {
		if v < knot.time {
			return share + (knot.share-share)*math.Log(v/time)/math.Log(knot.time/time)
		}
		time, share = knot.time, knot.share
	}
	return 1
}

// meanOf is the mean of what neighbouring stretches measured and how far its 95 % interval reaches to either side (batch
// means, with the covariance of neighbours); ok is false where there are too few to tell.
func meanOf(v []float64) (mean, reach float64, ok bool) {
	if len(v) < fewestGroups {
		return 0, 0, false
	}
	b := float64(len(v))
	for _, x := range v {
		mean += x / b
	}
	deviations := make([]float64, len(v))
	for j, x := range v {
		deviations[j] = x - mean
	}
	return mean, student975(len(v)-1) * math.Sqrt(sumOfSquares(deviations)) / b, true
}

// rateOf estimates the requests a second. The interval is that of the answers of full seconds, and reaches to the rate of the
// whole: they differ by what was answered at the edges of the measured part.
func rateOf(sum Summary, stretches []stretch) Estimate {
	out := Estimate{Value: sum.Rate(), Samples: sum.Requests, Seconds: measuredSeconds(stretches)}
	rates, seconds := make([]float64, len(stretches)), 0.0
	for i, st := range stretches {
		rates[i] = st.requests / st.seconds
		seconds += st.seconds
	}
	if mean, reach, ok := meanOf(rates); ok {
		reach = max(reach, 1/seconds) // an answer at an edge counts in either second
		out.Interval = &Interval{
			Confidence: confidence, Effective: float64(sum.Requests), Corrected: true,
			Low: new(min(out.Value, mean-reach)), High: new(max(out.Value, mean+reach)),
		}
	}
	return out
}

// shareOf estimates the share of requests that failed. The interval is E. B. Wilson's (Journal of the American Statistical
// Association 22 (1927), 209-212) of as many independent requests as those measured are worth, because failures come in bursts.
func shareOf(sum Summary, stretches []stretch) Estimate {
	out := Estimate{Value: sum.FailedShare(), Samples: sum.Requests, Seconds: measuredSeconds(stretches)}
	if sum.Requests == 0 {
		return out
	}
	n, corrected := float64(sum.Requests), len(stretches) >= fewestGroups
	if corrected {
		n = failuresWorth(n, stretches)
	}
	out.Interval = wilson(out.Value, n)
	out.Interval.Corrected = corrected
	return out
}

func failuresWorth(n float64, stretches []stretch) float64 {
	requests, failed := 0.0, 0.0
	for _, st := range stretches {
		requests, failed = requests+st.requests, failed+st.failed
	}
	if failed == 0 || failed == requests {
		return n
	}
	share := failed / requests
	scatter := make([]float64, len(stretches))
	for j, st := range stretches {
		scatter[j] = st.failed - share*st.requests
	}
	return n / requests * effective(requests, share, scatter)
}

// wilson is the interval of a share of n independent values.
func wilson(share, n float64) *Interval {
	const z2 = normal975 * normal975
	middle := (share + z2/(2*n)) / (1 + z2/n)
	reach := normal975 / (1 + z2/n) * math.Sqrt(share*(1-share)/n+z2/(4*n*n))
	low, high := max(0, middle-reach), min(1, middle+reach)
	if share == 0 {
		low = 0
	}
	if share == 1 {
		high = 1
	}
	return &Interval{Confidence: confidence, Low: &low, High: &high, Effective: n}
}
