package reports

import (
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/go-echarts/go-echarts/v2/opts"

	"github.com/policycortex/headroom/results"
)

//go:embed service_figures.html.tmpl
var figuresTemplate string

// figureRow is a series of the service's own metrics in a window.
type figureRow struct {
	Window, Key, Kind           string
	Value, Rate, Mean, P50, P95 string
}

// ServiceFigures are the rows of all windows.
func (d digest) ServiceFigures() (rows []figureRow) {
	for _, v := range d.Measurements.Views {
		if v.Scenario != "" && len(d.Scenarios) == 1 {
			continue // it is that of the whole run
		}
		window := "whole run"
		if v.Scenario != "" {
			window = v.Scenario
		}
		for _, key := range slices.Sorted(maps.Keys(v.Figures)) {
			f := v.Figures[key]
			row := figureRow{
				Window: window, Key: key, Kind: string(f.Kind), Value: threeDigits(f.Value), Rate: none, Mean: none,
				P50: none, P95: none,
			}
			added := f.Value
			if f.Kind == results.FigureHistogram || f.Kind == results.FigureSummary {
				row.Value, added = threeDigits(f.Count), f.Count
				if f.Count > 0 {
					row.Mean = threeDigits(f.Value / f.Count)
				}
			}
			if f.Kind.Adds() && v.Seconds > 0 {
				row.Rate = perSecondText(added/v.Seconds) + "/s"
			}
			row.P50, row.P95 = bucketText(f, 50), bucketText(f, 95)
			rows = append(rows, row)
		}
	}
	return rows
}

// bucketText is the bucket of a histogram that a percentile lies in.
func bucketText(f results.Figure, percentile float64) string {
	_, low, high, ok := f.Quantile(percentile)
	if !ok {
		return none
	}
	return fmt.Sprintf("%s to %s", boundText(low), boundText(high))
}

func boundText(bound float64) string { return strconv.FormatFloat(bound, 'g', 4, 64) }

// Bounds of what is drawn.
const (
	mostFigureCharts = 12
	mostFigureLines  = 8
)

// figureCharts draw each of the service's own metrics over time.
func figureCharts(d digest) (all []chart) {
	whole := d.Measurements.View("")
	if whole == nil || len(d.Measurements.Samples) == 0 {
		return nil
	}
	byName := map[string][]string{}
	for _, key := range slices.Sorted(maps.Keys(whole.Figures)) {
		name := whole.Figures[key].Name
		byName[name] = append(byName[name], key)
	}
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		if len(all) < mostFigureCharts {
			all = append(all, figureChart(d, len(all), byName[name], whole.Figures[byName[name][0]]))
		}
	}
	return onClock(&d.Measurements, all)
}

// figureChart draws series of one metric, of which one is given.
func figureChart(d digest, number int, keys []string, f results.Figure) chart {
	c := chart{ID: fmt.Sprintf("figure-chart-%d", number), Kind: "figure", Title: f.Name}
	unit := ""
	switch f.Kind {
	case results.FigureCounter:
		c.Note, unit = "How much the counter grew in each second.", "per second"
	case results.FigureHistogram, results.FigureSummary:
		c.Note, unit = "Observations in each second.", "per second"
	default:
		c.Note = "What the service said once a second."
	}
	if len(keys) > mostFigureLines {
		c.Note += fmt.Sprintf(" Drawn are the first %d of %d series.", mostFigureLines, len(keys))
		keys = keys[:mostFigureLines]
	}
	var lines []line
	for i, key := range keys {
		lines = append(lines, line{key, i, dashes[i%len(dashes)], overSamples(d, func(s results.Sample) dot {
			v, sampled := s.Figures[key]
			return dot{x: s.At, y: v, gap: !sampled}
		})})
	}
	step := stepOf(d.length, len(lines))
	c.Note += averaged.note(step)
	y := opts.YAxis{Name: unit, Type: "value"}
	c.Choices = []picture{newPicture("figure", c.ID, timeAxis(d), y, averaged.everyLine(step, 1, lines),
		overlay{marks: labelled(d.Measurements.Marks, float64(d.length))})}
	return c
}
