package judge

import (
	"math"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// windowAggregations are those that samples of a second are enough for: of histograms they have the number of
// observations, and nothing of what was observed.
var windowAggregations = map[results.FigureKind][]string{
	results.FigureCounter:   figureAggregations[results.FigureCounter],
	results.FigureGauge:     figureAggregations[results.FigureGauge],
	results.FigureUntyped:   figureAggregations[results.FigureUntyped],
	results.FigureHistogram: {"count", "rate"},
	results.FigureSummary:   {"count", "rate"},
}

// worstFigureWindow is worstWindow of a metric of the service's own. What a gauge is in a second, and how much a
// counter grew in it, is known by the sample that was taken when it had ended.
func worstFigureWindow(m *results.Measurements, t scenarios.Threshold) results.Gate {
	blank := newGate(m, t)
	view := m.View(t.Selector["scenario"])
	if view == nil {
		blank.Reason = "no data: a threshold without data fails"
		return blank
	}
	p := pickFigures(m, t, view)
	blank.Reason = p.refuses(t)
	if blank.Reason != "" {
		return blank
	}
	samples := map[int]results.Sample{}
	for _, s := range m.Samples {
		if !s.NoFigures {
			samples[int(math.Floor(s.At))-1] = s
		}
	}
	length := int(t.Window.Seconds())
	worst := newWorstOf(blank, length)
	covered := 0 // seconds of the measured time in a row
	for second := range lastMeasured(m) {
		if !coversSecond(m, t.Selector["scenario"], second) {
			covered = 0
			continue
		}
		covered++
		if covered < length {
			continue
		}
		g, from := blank, second+1-length
		a := p.within(t, samples, from)
		g.Hold(a.value, a.unit, a.samples)
		worst.take(g, from)
	}
	return worst.end("the metrics could not be read")
}

// within aggregates the window that begins at a second. A counter has no value where a sample is missing; a gauge has
// that of the others, if they are at least half of all: see figureSeconds.
func (p picked) within(t scenarios.Threshold, samples map[int]results.Sample, from int) aggregated {
	unit, length := unitOfFigure(t.FigureName()), int(t.Window.Seconds())
	if !p.kind.Adds() {
		return ofGauge(t, p.sampled(t, samples, from), unit)
	}
	if p.kind != results.FigureCounter {
		unit = ""
	}
	a := aggregated{unit: unit}
	for second := from; second < from+length; second++ {
		s, taken := samples[second]
		if !taken {
			return aggregated{unit: unit}
		}
		a.samples++
		for _, key := range p.keys() {
			a.value += s.Figures[key]
		}
	}
	if t.Aggregation.Name == "rate" {
		a.value, a.unit = a.value/float64(length), unit+"/s"
	}
	return a
}

// sampled are the values of gauges in a window; of the last one alone where the threshold is about that.
func (p picked) sampled(t scenarios.Threshold, samples map[int]results.Sample, from int) (values []float64) {
	end := from + int(t.Window.Seconds())
	if t.Aggregation.Name == "last" {
		from = end - 1
	}
	read := 0
	for second := from; second < end; second++ {
		s, taken := samples[second]
		if taken {
			read++
		}
		for _, key := range p.keys() {
			v, there := s.Figures[key]
			if there {
				values = append(values, v)
			}
		}
	}
	if 2*read < end-from {
		return nil
	}
	return values
}

// lastMeasured is the second in which the last measured time ends.
func lastMeasured(m *results.Measurements) (last int) {
	for _, l := range m.Loads {
		last = max(last, int(math.Floor(l.MeasuredTo)))
	}
	return last
}

// coversSecond reports whether all of a second lies in the measured time of a scenario, or of any for an empty name.
func coversSecond(m *results.Measurements, scenario string, second int) bool {
	for _, l := range m.Loads {
		from, to := int(math.Ceil(l.MeasuredFrom)), int(math.Floor(l.MeasuredTo))
		if (scenario == "" || l.Scenario == scenario) && from <= second && second < to {
			return true
		}
	}
	return false
}
