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
	p := pickFigures(m, t, view)
	reason := p.refuses(t)
	if reason != "" {
		return aggregated{reason: reason}
	}
	unit := unitOfFigure(t.FigureName())
	if !p.kind.Adds() {
		read := figureSeconds(m, t.Selector["scenario"])
		if t.Aggregation.Name != "last" && float64(2*read) < math.Floor(view.Seconds) {
			return aggregated{reason: fmt.Sprintf("no data: the service's metrics could be read in %d of %.0f seconds "+
				"only", read, view.Seconds)}
		}
		return gauge(m, t, p, unit)
	}
	sum := sumOf(p.there)
	counted := sum.Value
	if p.kind != results.FigureCounter {
		counted, unit = sum.Count, ""
	}
	switch t.Aggregation.Name {
	case "count":
		return aggregated{value: counted, unit: unit, samples: int64(len(p.there))}
	case "rate":
		if view.Seconds == 0 {
			return aggregated{}
		}
		return aggregated{value: counted / view.Seconds, unit: unit + "/s", samples: int64(len(p.there))}
	}
	return observed(t, sum)
}

// figureSeconds are the measured seconds in which the service said its metrics. In the others, a gauge may have been at
// its worst.
func figureSeconds(m *results.Measurements, scenario string) (n int) {
	for _, s := range m.Samples {
		if !s.NoFigures && isMeasured(m, scenario, s.At) {
			n++
		}
	}
	return n
}

// picked are the series that a threshold selects.
type picked struct {
	there []results.Figure // at the end of the measured window
	gone  []string         // the keys of gauges that were sampled before
	kind  results.FigureKind
}

func pickFigures(m *results.Measurements, t scenarios.Threshold, view *results.ServerView) (p picked) {
	for _, key := range slices.Sorted(maps.Keys(view.Figures)) {
		if f := view.Figures[key]; t.SelectsFigure(f.Name, f.Labels) {
			p.there = append(p.there, f)
		}
	}
	p.gone = goneGauges(m, t, view, p.there)
	p.kind = results.FigureGauge
	if len(p.there) > 0 {
		p.kind = p.there[0].Kind
	}
	return p
}

// refuses says why a threshold cannot be about these series; empty where it can.
func (p picked) refuses(t scenarios.Threshold) string {
	if len(p.there)+len(p.gone) == 0 {
		return fmt.Sprintf("no data: the service has no %s with these labels", t.FigureName())
	}
	fault := FaultOfKind(t, p.kind)
	if fault != "" {
		return "no data: " + fault
	}
	return ""
}

// keys are those of all series.
func (p picked) keys() []string {
	keys := slices.Clone(p.gone)
	for _, f := range p.there {
		keys = append(keys, f.Key())
	}
	return keys
}

// goneGauges are the keys of gauges that a threshold selects and that were sampled, but that the service had no longer
// at the end of the window. What it counts stays until then, so that others are not gone.
func goneGauges(m *results.Measurements, t scenarios.Threshold, view *results.ServerView, there []results.Figure,
) (keys []string) {
	if len(there) > 0 && there[0].Kind.Adds() || view.Figures == nil ||
		!slices.Contains(figureAggregations[results.FigureGauge], t.Aggregation.Name) {
		return nil
	}
	seen := map[string]bool{}
	for _, s := range m.Samples {
		if !isMeasured(m, t.Selector["scenario"], s.At) {
			continue
		}
		for key := range s.Figures {
			if _, there := view.Figures[key]; there || seen[key] {
				continue
			}
			seen[key] = true
			if name, labels, ok := results.ParseKey(key); ok && t.SelectsFigure(name, labels) {
				keys = append(keys, key)
			}
		}
	}
	return keys
}

// FaultOfKind says what is wrong with a threshold on a metric of this kind: kinds have different aggregations. It is
// empty where nothing is.
func FaultOfKind(t scenarios.Threshold, kind results.FigureKind) string {
	of, where := figureAggregations[kind], ""
	if t.Window > 0 {
		of, where = windowAggregations[kind], " in windows"
	}
	if slices.Contains(of, t.Aggregation.Name) {
		return ""
	}
	return fmt.Sprintf("%s is a %s, which has %s and no %s%s", t.FigureName(), kind,
		strings.ReplaceAll(strings.Join(of, ", "), "p,", "p(N),"), t.Aggregation, where)
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
// threshold; series that are gone have none.
func gauge(m *results.Measurements, t scenarios.Threshold, p picked, unit string) aggregated {
	var values []float64
	if t.Aggregation.Name == "last" {
		for _, f := range p.there {
			values = append(values, f.Value)
		}
		return ofGauge(t, values, unit)
	}
	for _, key := range p.keys() {
		for _, s := range m.Samples {
			if v, sampled := s.Figures[key]; sampled && isMeasured(m, t.Selector["scenario"], s.At) {
				values = append(values, v)
			}
		}
	}
	return ofGauge(t, values, unit)
}

// ofGauge aggregates values of gauges.
func ofGauge(t scenarios.Threshold, values []float64, unit string) aggregated {
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
		a.value = worst(t, values)
	default:
		percentile, _ := percentileOfThreshold(t)
		a.value = results.NearestRank(values, percentile)
	}
	return a
}

// worst is the value for which a threshold holds least, of values in ascending order.
func worst(t scenarios.Threshold, ascending []float64) float64 {
	switch {
	case t.Op.IsUpper():
		return ascending[len(ascending)-1]
	case t.Op.IsLower():
		return ascending[0]
	}
	bad := slices.IndexFunc(ascending, func(v float64) bool { return !t.Op.Holds(v, t.Limit) })
	return ascending[max(bad, 0)]
}

// isMeasured reports whether an offset lies in the measured window of a scenario, or of any for an empty name.
func isMeasured(m *results.Measurements, scenario string, at float64) bool {
	return slices.ContainsFunc(m.Loads, func(l *results.Load) bool {
		selected := scenario == "" || l.Scenario == scenario
		return selected && l.MeasuredFrom <= at && at <= max(l.MeasuredTo, l.LastAnswer)
	})
}

// holdBetween judges a value of which it is only known that it is above one bound, and at most another: it has passed
// when all such values are on the good side of the limit, failed when all are on the bad one, and is unresolved else.
func holdBetween(g *results.Gate, bounds [2]float64) {
	low, high := bounds[0], bounds[1]
	below, atMost := high < g.Target, high <= g.Target // for certain
	above := low >= g.Target
	var passed, failed bool
	switch g.Op {
	case scenarios.Less:
		passed, failed = below, above
	case scenarios.AtMost:
		passed, failed = atMost, above
	case scenarios.Greater:
		passed, failed = above, atMost
	case scenarios.AtLeast:
		passed, failed = above, below
	case scenarios.Equal:
		failed = below || above
	case scenarios.NotEqual:
		passed = below || above
	}
	g.Passed = passed
	if passed || failed {
		return
	}
	g.Unresolved = true
	g.Reason = fmt.Sprintf("unresolved: the histogram says only that it is above %s and at most %s; use <= or > with "+
		"one of its bounds", scenarios.ThreeDigits(low), scenarios.ThreeDigits(high))
}
