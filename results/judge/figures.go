package judge

import "github.com/policycortex/headroom/results"

// RequestFigures are the figures of the requests that a selector picks, each with its interval.
type RequestFigures struct {
	P50, P95, P99 Estimate // of the response time, in ms
	Rate          Estimate // requests a second
	Failed        Estimate // share of the requests
}

// Figures are those of what a selector picks in the measured windows; an empty selector picks all.
func Figures(m *results.Measurements, selector map[string]string) (f RequestFigures, err error) {
	sum, err := m.Summarize(selector)
	if err != nil {
		return f, err
	}
	blocks := blocksOf(m, m.Select(selector))
	for percentile, to := range map[float64]*Estimate{50: &f.P50, 95: &f.P95, 99: &f.P99} {
		*to, err = estimatePercentile(m, selector, sum.Response, blocks, percentile)
		if err != nil {
			return f, err
		}
	}
	f.Rate, f.Failed = estimateRate(sum, blocks), estimateFailedShare(sum, blocks)
	return f, nil
}
