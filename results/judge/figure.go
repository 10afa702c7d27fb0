package judge

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// figure aggregates a metric of the service's own: all series that the threshold selects. Counters and histograms are
// added up, as what was added to them in the measured window. Gauges were sampled once a second, each for itself.
func figure(m *results.Measurements, t scenarios.Threshold) aggregated {
	view := m.View(t.Selector["scenario"])
	if view == nil {
		return aggregated{}
	}
	var selected []results.Figure
	for _, key := range slices.Sorted(maps.Keys(view.Figures)) {
		if f := view.Figures[key]; t.SelectsFigure(f.Name, f.Labels) {
			selected = append(selected, f)
		}
	}
	if len(selected) == 0 {
		return aggregated{reason: fmt.Sprintf("no data: the service has no %s with these labels", t.FigureName())}
	}
	kind, of := selected[0].Kind, figureAggregations[selected[0].Kind]
	if !slices.Contains(of, t.Aggregation.Name) {
		return aggregated{reason: fmt.Sprintf("no data: %s is a %s, which has %s and no %s", t.FigureName(), kind,
			strings.ReplaceAll(strings.Join(of, ", "), "p,", "p(N),"), t.Aggregation)}
	}
	unit := unitOfFigure(t.FigureName())
	if !kind.Adds() {
		return gauge(m, t, selected, unit)
	}
	sum := sumOf(selected)
	counted := sum.Value
	if kind != results.FigureCounter {
		counted, unit = sum.Count, ""
	}
	switch t.Aggregation.Name {
	case "count":
		return aggregated{value: counted, unit: unit, samples: int64(len(selected))}
	case "rate":
		if view.Seconds == 0 {
			return aggregated{}
		}
		return aggregated{value: counted / view.Seconds, unit: unit + "/s", samples: int64(len(selected))}
	}
	return observed(t, sum)
}

// figureAggregations are those of each kind.
var figureAggregations = map[results.FigureKind][]string{
	results.FigureCounter:   {"count", "rate"},
	results.FigureGauge:     {"avg", "min", "med", "max", "p", "last"},
	results.FigureUntyped:   {"avg", "min", "med", "max", "p", "last"},
	results.FigureHistogram: {"count", "rate", "avg", "med", "p", "max"},
	results.FigureSummary:   {"count", "rate", "avg"},
}

// unitOfFigure is what the name of a metric says, as Prometheus has it.
func unitOfFigure(name string) string {
	name = strings.TrimSuffix(name, "_total")
	for suffix, unit := range map[string]string{"_seconds": "s", "_bytes": "B"} {
		if strings.HasSuffix(name, suffix) {
			return unit
		}
	}
	return ""
}

// sumOf adds up series of one metric.
func sumOf(all []results.Figure) results.Figure {
	sum := all[0]
	for _, f := range all[1:] {
		sum = results.SumOf(sum, f)
	}
	return sum
}

// observed aggregates what histograms and summaries observed. Of a quantile it is known in which bucket it lies.
func observed(t scenarios.Threshold, sum results.Figure) aggregated {
	a := aggregated{unit: unitOfFigure(t.FigureName()), samples: int64(math.Round(sum.Count))}
	if sum.Count == 0 {
		return a
	}
	percentile, isPercentile := percentileOfThreshold(t)
	switch {
	case t.Aggregation.Name == "max":
		percentile = 100
	case !isPercentile:
		a.value = sum.Value / sum.Count
		return a
	}
	value, low, high, known := sum.Quantile(percentile)
	if !known {
		a.samples = 0
		return a
	}
	a.value, a.bounds = value, &[2]float64{low, high}
	return a
}

// gauge aggregates the samples of the measured windows. The last value is that of the series which is the worst for the
// threshold.
func gauge(m *results.Measurements, t scenarios.Threshold, selected []results.Figure, unit string) aggregated {
	var values []float64
	for _, f := range selected {
		if t.Aggregation.Name == "last" {
			values = append(values, f.Value)
			continue
		}
		key := f.Key()
		for _, s := range m.Samples {
			if v, sampled := s.Figures[key]; sampled && isMeasured(m, t.Selector["scenario"], s.At) {
				values = append(values, v)
			}
		}
	}
	a := aggregated{unit: unit, samples: int64(len(values))}
	if len(values) == 0 {
		return a
	}
	slices.Sort(values)
	lowest, highest := values[0], values[len(values)-1]
	switch t.Aggregation.Name {
	case "min":
		a.value = lowest
	case "max":
		a.value = highest
	case "avg":
		for _, v := range values {
			a.value += v / float64(len(values))
		}
	case "last":
		a.value = highest
		if t.Op.IsLower() || t.Op.Holds(highest, t.Limit) && !t.Op.IsUpper() {
			a.value = lowest
		}
	default:
		percentile, _ := percentileOfThreshold(t)
		rank := int(math.Ceil(percentile / 100 * float64(len(values))))
		a.value = values[max(rank, 1)-1]
	}
	return a
}

// isMeasured reports whether an offset lies in the measured window of a scenario, or of any for an empty name.
func isMeasured(m *results.Measurements, scenario string, at float64) bool {
	return slices.ContainsFunc(m.Loads, func(l *results.Load) bool {
		selected := scenario == "" || l.Scenario == scenario
		return selected && l.MeasuredFrom <= at && at <= max(l.MeasuredTo, l.LastAnswer)
	})
}

// holdBetween judges a value that is only known to lie between two bounds: it has passed when both are on the good side
// of the limit, failed when both are on the bad one, and is unresolved else. A limit that is a bound is met by it.
func holdBetween(g *results.Gate, bounds [2]float64) {
	op := g.Op
	switch op {
	case scenarios.Less:
		op = scenarios.AtMost
	case scenarios.Greater:
		op = scenarios.AtLeast
	}
	low, high := op.Holds(bounds[0], g.Target), op.Holds(bounds[1], g.Target)
	g.Passed = low && high
	if low == high {
		return
	}
	g.Unresolved = true
	g.Reason = fmt.Sprintf("unresolved: the histogram says only that it lies between %s and %s; give one of its "+
		"bounds as the limit", scenarios.ThreeDigits(bounds[0]), scenarios.ThreeDigits(bounds[1]))
}
