package judge

import (
	"fmt"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// excess is how many requests missed an objective as a multiple of how many may, and how many that is: P95 is at its
// limit when the multiple is 1. Other aggregations than percentiles and rates have none, nor have objectives that allow
// no miss at all.
func excess(m *results.Measurements, o scenarios.Threshold) (multiple, may float64, ok bool, err error) {
	if p, isPercentile := percentileOfThreshold(o); isPercentile && o.Op.IsUpper() {
		h, err := timesOf(m, o)
		if h == nil || err != nil || h.Count() == 0 || p >= 100 {
			return 0, 0, false, err
		}
		may = float64(h.Count()) * (1 - p/100)
		return float64(above(h, o.Limit)) / may, may, true, nil
	}
	if !isShare(o) {
		return 0, 0, false, nil
	}
	a, err := aggregate(m, o)
	missed, share := a.value, o.Limit
	if !o.Op.IsUpper() {
		missed, share = 1-a.value, 1-o.Limit
	}
	if a.samples == 0 || share <= 0 {
		return 0, 0, false, err
	}
	return missed / share, share * float64(a.samples), true, err
}

// highestExcess is that of the objective which is nearest to its limit, or farthest beyond it; nil where one has none.
// Objectives about requests of which none was sent do not count.
func highestExcess(m *results.Measurements, objectives []scenarios.Threshold) (highest *float64, mayMiss float64,
	err error,
) {
	for _, o := range objectives {
		multiple, may, ok, err := excess(m, o)
		if err != nil {
			return nil, 0, fmt.Errorf("objective %s: %s: %w", o.Name(), o.Source, err)
		}
		if !ok {
			a, err := aggregate(m, o)
			if err == nil && a.samples == 0 && !wereSent(m, o) {
				continue
			}
			return nil, 0, err
		}
		if highest == nil || multiple > *highest {
			highest, mayMiss = &multiple, may
		}
	}
	return highest, mayMiss, nil
}

// timesOf are the times that an objective is about; nil where it is about none.
func timesOf(m *results.Measurements, o scenarios.Threshold) (*results.Histogram, error) {
	switch o.Metric {
	case scenarios.HTTPReqDuration, scenarios.HTTPReqServiceDuration:
		sum, err := m.Summarize(o.Selector)
		if o.Metric == scenarios.HTTPReqDuration {
			return sum.Response, err
		}
		return sum.Service, err
	case scenarios.DBQueryDuration:
		if v := m.View(o.Selector["scenario"]); v != nil {
			return v.Database(o.Selector["query"])
		}
	}
	return nil, nil
}

// isShare says whether an objective limits a share of the requests.
func isShare(o scenarios.Threshold) bool {
	switch o.Metric {
	case scenarios.HTTPReqFailed, scenarios.Checks, scenarios.HTTPReqCacheHit, scenarios.CacheHitRatio:
		return true
	}
	return false
}
