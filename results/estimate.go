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
}

// stretch is what the seconds of one of the equal stretches of a measured part saw, by the instants of the answers.
type stretch struct {
	seconds          float64
	requests, failed float64
	timed            []Point // those with a time
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
		return Estimate{sum.Response.Percentile(percentile), sum.Response.Count(), quantileInterval(sum.Response, groups, percentile)}, nil
	}
	return percentileOfSeconds(sum.Response, stretches, percentile), nil
}

// percentileOfSeconds estimates a percentile of the response time, P50 or P95, from what is saved of every request: its interval is
// that of the order statistics, or that of the scatter of the percentile between stretches of the run (sectioning: S.
// Asmussen, P. W. Glynn, Stochastic Simulation, 2007, section III.5a), in each direction whichever reaches further. The second is the wider
// one where neighbours in time are slow together.
func percentileOfSeconds(h *Histogram, stretches []stretch, percentile float64) Estimate {
	out := Estimate{Value: h.Percentile(percentile), Samples: h.Count(), Interval: quantileInterval(h, nil, percentile)}
	var sections []float64
	for _, st := range stretches {
		sum, n := 0.0, 0.0
		for _, p := range st.timed {
			of := p.P50
			if percentile == 95 {
				of = p.P95
			}
			sum, n = sum+of*float64(p.Requests), n+float64(p.Requests)
		}
		if n > 0 {
			sections = append(sections, sum/n)
		}
	}
	_, reach, ok := meanOf(sections)
	in := out.Interval
	if in.Corrected = ok; ok && in.Low != nil {
		in.Low = new(max(0, min(*in.Low, out.Value-reach)))
	}
	if ok && in.High != nil {
		in.High = new(max(*in.High, out.Value+reach))
	}
	return out
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
	out := Estimate{Value: sum.Rate(), Samples: sum.Requests}
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
	out := Estimate{Value: sum.FailedShare(), Samples: sum.Requests}
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
