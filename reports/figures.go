package reports

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/policycortex/headroom/reports/export"
	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/experiment"
	"github.com/policycortex/headroom/results/judge"
)

// RunFigures are the figures of a run that other tools can follow: P50, P95, P99, the rate and the share of failed
// requests, of the whole run and of each request that was measured, the CPU time per request of the reference server
// where it was recorded, and those of subscribers' streams. Of several scenarios each stands for the whole: a
// percentile over all of them would describe none of them.
func RunFigures(r *results.Run) ([]export.Figure, error) {
	m := &r.Measurements
	requests, err := m.ByRequest()
	if err != nil {
		return nil, fmt.Errorf("list the figures of the run: %w", err)
	}
	names, scenarios := map[string]int{}, map[string]bool{}
	for _, s := range requests {
		names[s.Name]++
		scenarios[s.Scenario] = true
	}
	var all []export.Figure
	add := func(tags, selector map[string]string) {
		var figures []export.Figure
		figures, err = figuresOf(m, tags, selector)
		all = append(all, figures...)
	}
	if len(scenarios) == 1 {
		add(nil, nil)
	}
	for _, scenario := range slices.Sorted(maps.Keys(scenarios)) {
		if len(scenarios) > 1 && err == nil {
			tags := map[string]string{"scenario": scenario}
			add(tags, tags)
		}
	}
	for _, s := range requests {
		if err != nil || s.Requests == 0 {
			continue
		}
		selector := map[string]string{"scenario": s.Scenario, "name": s.Name}
		tags := map[string]string{"name": s.Name}
		if names[s.Name] > 1 {
			tags = selector
		}
		add(tags, selector)
	}
	if err != nil {
		return nil, fmt.Errorf("list the figures of the run: %w", err)
	}
	return slices.Concat(all, cpuFigures(m), streamFigures(m)), nil
}

func figuresOf(m *results.Measurements, tags, selector map[string]string) ([]export.Figure, error) {
	f, err := judge.Figures(m, selector)
	if err != nil {
		return nil, err
	}
	var all []export.Figure
	for _, of := range []struct {
		metric, statistic, unit string
		more                    bool
		judge.Estimate
	}{
		{"http_req_duration", "med", "ms", false, f.P50},
		{"http_req_duration", "p(95)", "ms", false, f.P95},
		{"http_req_duration", "p(99)", "ms", false, f.P99},
		{"http_reqs", "rate", "1/s", true, f.Rate},
		{"http_req_failed", "rate", "", false, f.Failed},
	} {
		if of.Samples == 0 {
			continue
		}
		figure := export.Figure{
			Metric: of.metric, Tags: tags, Statistic: of.statistic, Value: of.Value, Unit: of.unit,
			MoreIsBetter: of.more, Samples: of.Samples,
		}
		if in := of.Interval; in != nil && in.Corrected { // else it may be too narrow
			figure.Low, figure.High = in.Low, in.High
		}
		all = append(all, figure)
	}
	return all, nil
}

// cpuFigures is the CPU time that the reference server took for a request; none of another service, of which the CPU
// time in the measured windows is not known.
func cpuFigures(m *results.Measurements) []export.Figure {
	view := m.View("")
	var requests int64
	for _, s := range m.Series {
		requests += s.Requests
	}
	if view == nil || view.CPUSeconds <= 0 || requests == 0 {
		return nil
	}
	return []export.Figure{{
		Metric: "cpu_per_request", Statistic: "value", Value: view.CPUSeconds / float64(requests), Unit: "s",
		Samples: requests,
	}}
}

// ExperimentFigures are the figures of an experiment that other tools can follow: the median of the head's slices, and
// as http_req_duration_change the change from base to head, a share of 1 with its 95 % interval.
func ExperimentFigures(e *results.Experiment) []export.Figure {
	var values, changes []export.Figure
	for _, f := range e.Figures {
		if !isFinite(f.Head) || !isFinite(f.Change) {
			continue
		}
		values = append(values, exportFigure(f, f.Head))
		change := exportFigure(f, f.Change)
		change.Metric, change.Value, change.Unit = f.Metric+"_change", f.Change, ""
		if isFinite(f.Low) && isFinite(f.High) {
			change.Low, change.High = new(f.Low), new(f.High)
		}
		changes = append(changes, change)
	}
	return append(values, changes...)
}

// ArmSlices are the figures of the slices of an arm that count, in the order of time: what benchstat takes for runs.
func ArmSlices(e *results.Experiment, arm experiment.Arm) [][]export.Figure {
	var all [][]export.Figure
	for _, b := range e.Blocks {
		for _, s := range b.Slices {
			if s.Arm != arm || s.Veto != "" {
				continue
			}
			var figures []export.Figure
			for _, f := range e.Figures {
				if v, ok := s.Figures[f.Figure]; ok && isFinite(v) {
					figures = append(figures, exportFigure(f, v))
				}
			}
			if len(figures) > 0 {
				all = append(all, figures)
			}
		}
	}
	return all
}

func exportFigure(f results.ExperimentFigure, value float64) export.Figure {
	unit := f.Unit
	switch unit {
	case "/s":
		unit = "1/s"
	case "B":
		unit = "bytes"
	}
	return export.Figure{
		Metric: f.Metric, Tags: f.Tags, Statistic: f.Statistic, Value: value, Unit: unit, MoreIsBetter: f.MoreIsBetter,
	}
}

func isFinite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
