package judge

import (
	"cmp"
	"math"
	"slices"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/stats"
	"github.com/policycortex/headroom/scenarios"
)

// footprint aggregates what the generator or the reference server held, second by second.
func footprint(m *results.Measurements, t scenarios.Threshold) aggregated {
	_, values := m.FootprintValues(t.Metric)
	row, _ := t.Metric.Metric()
	return valuesOf(slices.Sorted(slices.Values(values)), row.Unit, t.Aggregation)
}

// memoryGrowth is the slope of the resident memory in bytes a minute. It is judged by its interval.
func memoryGrowth(m *results.Measurements, t scenarios.Threshold) (aggregated, *results.Interval) {
	row, _ := t.Metric.Metric()
	out := aggregated{unit: row.Unit}
	at, values := m.FootprintValues(t.Metric)
	trend, ok := stats.NewTrend(at, values)
	if !ok {
		return out, nil
	}
	out.value, out.samples = 60*trend.Slope, int64(len(values))
	low, high := 60*trend.Low, 60*trend.High
	return out, &results.Interval{
		Confidence: stats.TrendConfidence, Low: &low, High: &high, Effective: float64(trend.Values), Corrected: true,
	}
}

// resolveGrowth judges a slope by its interval.
func resolveGrowth(m *results.Measurements, t scenarios.Threshold, g *results.Gate) {
	_, g.Interval = memoryGrowth(m, t)
	if !g.Interval.Ends() {
		return
	}
	good, bad := *g.Interval.High, *g.Interval.Low
	if t.Op.IsLower() {
		good, bad = bad, good
	}
	g.Passed = g.Holds(good)
	g.Unresolved = !g.Passed && g.Holds(bad)
	if g.Unresolved {
		g.Reason = "unresolved: the limit lies within the 95 % confidence interval of the slope; run longer"
	}
}

// p95Drift is how much longer response times were near the end of the measured time than near its beginning: the median
// of the P95 of each second in the last fifth, over that in the second fifth. The first fifth may still be warming up.
func p95Drift(m *results.Measurements, t scenarios.Threshold) aggregated {
	var out aggregated
	for _, l := range m.Loads {
		if name, chosen := t.Selector["scenario"]; chosen && name != l.Scenario {
			continue
		}
		p95 := measuredCourse(m, l, l.MeasuredFrom, l.MeasuredTo).p95.y
		fifth := len(p95) / 5
		if fifth < 1 {
			continue
		}
		ratio := middle(p95[len(p95)-fifth:]) / middle(p95[fifth:2*fifth])
		out.value, out.samples = cmp.Or(max(out.value, ratio), ratio), out.samples+int64(2*fifth)
	}
	if math.IsInf(out.value, 0) || math.IsNaN(out.value) { // a P95 below a microsecond
		return aggregated{}
	}
	return out
}

// middle is the median of some values.
func middle(values []float64) float64 {
	return results.NearestRank(slices.Sorted(slices.Values(values)), 50)
}
