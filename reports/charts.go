package reports

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/go-echarts/go-echarts/v2/opts"

	"github.com/policycortex/headroom/results"
)

// latencyChart draws the distributions of response and service time over an axis of nines.
func latencyChart(d digest) chart {
	c := chart{
		ID: "latency-chart", Kind: "nines", Title: "Latency by percentile",
		Note: "Each step to the right leaves the slowest tenth of the requests: " +
			"P90, P99, P99.9. Response time counts from the planned send time, service time from the actual one. " +
			"Where the two curves separate, requests waited before they could be sent.",
	}
	add := func(label string, lines []line) {
		x := opts.XAxis{Name: "percentile", Min: 0, Max: lastX(lines), MinInterval: 1, MaxInterval: 1}
		c.Choices = append(c.Choices, newPicture(label, c.ID, x, logMillis(lines), lines, overlay{}))
	}
	both := func(s results.Summary) []line {
		return []line{{"response", 0, "solid", curve(s.Response)}, {"service", 1, "dashed", curve(s.Service)}}
	}
	if len(d.Scenarios) != 1 {
		add("all requests", both(d.Overall))
		var responses []line
		for i, s := range d.Scenarios {
			responses = append(responses, line{s.Name, i, dashes[i%len(dashes)], curve(s.Summary.Response)})
		}
		add("response by scenario", responses)
	}
	for _, s := range d.Scenarios {
		add(s.Name, both(s.Summary))
	}
	return c
}

func curve(h *results.Histogram) []dot {
	var dots []dot
	for _, p := range h.Curve() {
		dots = append(dots, dot{x: fourDecimals(p.Nines), y: max(p.Millis, smallestMillis)})
	}
	return dots
}

func lastX(lines []line) float64 {
	last := 1.0
	for _, l := range lines {
		for _, d := range l.dots {
			last = max(last, d.x)
		}
	}
	return last
}

// timeCharts draw the run second by second. The chart of errors is left out when there were none.
func timeCharts(d digest) []chart {
	points := pointsByScenario(d)
	all := []chart{throughputChart(d, points), responseChart(d, points)}
	if slices.ContainsFunc(d.Measurements.Points, func(p results.Point) bool { return p.Failed > 0 }) {
		step := stepOf(d.length, len(d.Scenarios))
		failures := chart{
			ID: "errors-chart", Kind: "count", Title: "Errors",
			Note: "Failed requests per second: no response, or an unexpected status." + averaged.note(step),
		}
		lines := scenarioLines(d, wholeSeconds(points), countDot(func(p results.Point) int64 { return p.Failed }))
		failures.Choices = []picture{countPicture(d, failures.ID, "all scenarios", requestsPerSecond, step, lines,
			overTimeOf(d, points))}
		all = append(all, failures)
	}
	return onClock(&d.Measurements, all)
}

// quantiles are the percentiles that a point has.
var quantiles = []struct {
	name string
	of   func(results.Point) float64
}{
	{"P99", func(p results.Point) float64 { return p.P99 }},
	{"P95", func(p results.Point) float64 { return p.P95 }},
	{"P50", func(p results.Point) float64 { return p.P50 }},
}

// responseChart draws one percentile of all scenarios, or all percentiles of one.
func responseChart(d digest, points [][]results.Point) chart {
	step := stepOf(d.length, 2*len(quantiles)*len(d.Scenarios))
	c := chart{
		ID: "response-chart", Kind: "milliseconds", Title: "Response time",
		Note: "Percentiles of the responses of each second. A line is broken where a second had none." +
			highest.note(step),
	}
	add := func(label string, lines []line) {
		c.Choices = append(c.Choices, timesPicture(d, c.ID, label, step, lines, overTimeOf(d, points)))
	}
	if len(d.Scenarios) != 1 {
		for _, q := range quantiles {
			add(q.name, scenarioLines(d, points, timeDot(q.of)))
		}
	}
	for i, s := range d.Scenarios {
		add(s.Name, quantileLines(points[i]))
	}
	return c
}

// timesPicture draws times, in milliseconds, over the time of the run.
func timesPicture(d digest, id, label string, step int, lines []line, over overlay) picture {
	lines = highest.everyLine(step, 0, lines)
	return newPicture(label, id, timeAxis(d), logMillis(lines), lines, over)
}

// quantileLines are a line for each percentile of the points.
func quantileLines(points []results.Point) (lines []line) {
	for k, q := range quantiles {
		lines = append(lines, line{q.name, k, dashes[k], overTime(points, timeDot(q.of))})
	}
	return lines
}

// timeDot is the dot of a point's percentile; a gap where no duration was recorded.
func timeDot(of func(results.Point) float64) func(results.Point) dot {
	return func(p results.Point) dot {
		return dot{x: float64(p.Second), y: max(fourDecimals(of(p)), smallestMillis), gap: p.Max == 0}
	}
}

func scenarioLines(d digest, points [][]results.Point, value func(results.Point) dot) []line {
	var lines []line
	for i, s := range d.Scenarios {
		lines = append(lines, line{s.Name, i, dashes[i%len(dashes)], overTime(points[i], value)})
	}
	return lines
}

// overTime returns one dot for each second of the scenario. A second without a point had no responses.
func overTime(points []results.Point, value func(results.Point) dot) []dot {
	var dots []dot
	for i, p := range points {
		for silent := 1; i > 0 && points[i-1].Second+silent < p.Second; silent++ {
			dots = append(dots, value(results.Point{Second: points[i-1].Second + silent}))
		}
		dots = append(dots, value(p))
	}
	return dots
}

// pointsByScenario holds the points of each scenario of d, not those of its requests, in the order of time.
func pointsByScenario(d digest) [][]results.Point {
	sorted := make([][]results.Point, len(d.Scenarios))
	for i, s := range d.Scenarios {
		for _, p := range d.Measurements.Points {
			if p.Scenario == s.Name && p.Request == "" {
				sorted[i] = append(sorted[i], p)
			}
		}
		slices.SortStableFunc(sorted[i], func(a, b results.Point) int { return cmp.Compare(a.Second, b.Second) })
	}
	return sorted
}

func overTimeOf(d digest, points [][]results.Point) overlay {
	marks := slices.Clone(d.Measurements.Marks)
	for _, s := range d.Scenarios {
		for _, st := range s.Stages {
			if st.Begun() {
				marks = append(marks, results.Mark{Text: st.Name, Begun: st.From})
			}
		}
	}
	return overlay{shades: warmups(d, points), marks: labelled(marks, float64(d.length))}
}

// labelRoom is the share of a chart's width, on a narrow screen, that the label along a mark takes.
const labelRoom = 0.045

// labelled are marks in the order of time. Where several are too close to each other for a label each, the first of
// them has one label with all texts.
func labelled(marks []results.Mark, length float64) []results.Mark {
	marks = slices.Clone(marks)
	slices.SortStableFunc(marks, func(a, b results.Mark) int { return cmp.Compare(a.Begun, b.Begun) })
	last := -1 // that has a label
	for i := range marks {
		if last >= 0 && marks[i].Begun-marks[last].Begun < labelRoom*length {
			marks[last].Text += ", " + marks[i].Text
			marks[i].Text = ""
			continue
		}
		last = i
	}
	return marks
}

// warmups shade the warm-up of each scenario, once for those that coincide.
func warmups(d digest, points [][]results.Point) []shade {
	var shades []shade
	for i, s := range d.Scenarios {
		var warm []results.Point
		for _, p := range points[i] {
			if p.Warmup {
				warm = append(warm, p)
			}
		}
		if len(warm) == 0 {
			continue
		}
		sh := shade{s.Name, float64(warm[0].Second), float64(warm[len(warm)-1].Second + 1)}
		if s.Load != nil && sh.from < s.Load.MeasuredFrom {
			sh.to = min(sh.to, s.Load.MeasuredFrom) // the warm-up may end within a second
		}
		if same := slices.IndexFunc(shades,
			func(o shade) bool { return o.from == sh.from && o.to == sh.to }); same >= 0 {
			shades[same].label += ", " + s.Name
			continue
		}
		shades = append(shades, sh)
	}
	for i := range shades {
		if len(shades) == 1 {
			shades[i].label = "warm-up"
		} else {
			shades[i].label = fmt.Sprintf("warm-up of %s", shades[i].label)
		}
	}
	return shades
}
