package judge

import (
	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// pages aggregates a metric of the pages that a browser loaded. They are few, so each value is kept, and a percentile
// is one of them.
func pages(m *results.Measurements, t scenarios.Threshold) aggregated {
	values := m.PageValues(t.Metric, t.Selector)
	row, _ := t.Metric.Metric()
	out := aggregated{unit: row.Unit, samples: int64(len(values))}
	if len(values) == 0 {
		return out
	}
	switch t.Aggregation.Name {
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
		out.value = results.NearestRank(values, t.Aggregation.Percentile)
	}
	return out
}
