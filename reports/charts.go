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
	throughput := chart{
		ID: "throughput-chart", Kind: "count", Title: "Throughput",
		Note: "Responses per second, including failed requests.",
	}
	throughput.Choices = []picture{countPicture(d, throughput.ID, points,
		func(p results.Point) int64 { return p.Requests })}
	all := []chart{throughput, responseChart(d, points)}
	if slices.ContainsFunc(d.Measurements.Points, func(p results.Point) bool { return p.Failed > 0 }) {
		failures := chart{
			ID: "errors-chart", Kind: "count", Title: "Errors",
			Note: "Failed requests per second: no response, or an unexpected status.",
		}
		failures.Choices = []picture{countPicture(d, failures.ID, points,
			func(p results.Point) int64 { return p.Failed })}
		all = append(all, failures)
	}
	return all
}

// countPicture draws a line of counts for each scenario. A second without responses counts as 0. A second that the
// scenario covered only in part is left out.
func countPicture(d digest, id string, points [][]results.Point, counted func(results.Point) int64) picture {
	points = slices.Clone(points)
	for i := range points {
		points[i] = slices.DeleteFunc(slices.Clone(points[i]), func(p results.Point) bool { return p.Partial })
	}
	value := func(p results.Point) dot { return dot{x: float64(p.Second), y: float64(counted(p))} }
	return newPicture("all scenarios", id, timeAxis(points), opts.YAxis{Name: "per second", Type: "value", Min: 0},
		scenarioLines(d, points, value), overTimeOf(d, points))
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
	c := chart{
		ID: "response-chart", Kind: "milliseconds", Title: "Response time",
		Note: "Percentiles of the responses of each second. A line is broken where a second had none.",
	}
	add := func(label string, lines []line) {
		c.Choices = append(c.Choices, newPicture(label, c.ID, timeAxis(points), logMillis(lines), lines,
			overTimeOf(d, points)))
	}
	value := func(of func(results.Point) float64) func(results.Point) dot {
		return func(p results.Point) dot {
			return dot{x: float64(p.Second), y: max(of(p), smallestMillis), gap: p.Max == 0} // no duration was recorded
		}
	}
	if len(d.Scenarios) != 1 {
		for _, q := range quantiles {
			add(q.name, scenarioLines(d, points, value(q.of)))
		}
	}
	for i, s := range d.Scenarios {
		var lines []line
		for k, q := range quantiles {
			lines = append(lines, line{q.name, k, dashes[k], overTime(points[i], value(q.of))})
		}
		add(s.Name, lines)
	}
	return c
}

func timeAxis(points [][]results.Point) opts.XAxis {
	end := 1
	for _, scenario := range points {
		for _, p := range scenario {
			end = max(end, p.Second+1)
		}
	}
	return opts.XAxis{Name: "seconds since the start of the run", Min: 0, Max: end}
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
	return overlay{shades: warmups(d, points), marks: marks}
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
