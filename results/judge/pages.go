package judge

import (
	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// pages aggregates a metric of the pages that a browser loaded. They are few, so each value is kept, and a percentile
// is one of them.
func pages(m *results.Measurements, t scenarios.Threshold) aggregated {
	row, _ := t.Metric.Metric()
	return valuesOf(m.PageValues(t.Metric, t.Selector), row.Unit, t.Aggregation)
}

// valuesOf aggregates values that are known one by one, in ascending order.
func valuesOf(values []float64, unit string, a scenarios.Aggregation) aggregated {
	out := aggregated{unit: unit, samples: int64(len(values))}
	if len(values) == 0 {
		return out
	}
	switch a.Name {
	case "avg":
		for _, v := range values {
			out.value += v / float64(len(values))
		}
	case "min":
		out.value = values[0]
	case "max":
		out.value = values[len(values)-1]
	case "med":
		out.value = results.NearestRank(values, 50)
	case "p":
		out.value = results.NearestRank(values, a.Percentile)
	}
	return out
}
