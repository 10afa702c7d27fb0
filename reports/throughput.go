package reports

import (
	"slices"

	"github.com/go-echarts/go-echarts/v2/opts"

	"github.com/policycortex/headroom/results"
)

// Units of the charts of counts.
const (
	requestsPerSecond = "requests per second"
	flowsPerSecond    = "flows per second"
)

// throughputChart draws what was answered in each second, beside what the schedule asked for. The schedule of a
// scenario with flows counts flows, so these have a choice of their own.
func throughputChart(d digest, points [][]results.Point) chart {
	c := chart{ID: "throughput-chart", Kind: "count", Title: "Throughput"}
	whole := wholeSeconds(points)
	var requests, flows []line
	for i, s := range d.Scenarios {
		dash := dashes[i%len(dashes)]
		requests = append(requests, line{s.Name, i, dash, overTime(whole[i],
			countDot(func(p results.Point) int64 { return p.Requests }))})
		asked := line{s.Name + ", asked", i, faint, overTime(whole[i],
			countDot(func(p results.Point) int64 { return p.Asked }))}
		isAsked := slices.ContainsFunc(whole[i], func(p results.Point) bool { return p.Asked > 0 })
		begun := flowLine(d, s, whole[i])
		switch {
		case begun != nil:
			begun.tone, begun.dash = i, dash
			flows = append(flows, *begun)
			if isAsked {
				flows = append(flows, asked)
			}
		case isAsked:
			requests = append(requests, asked)
		}
	}
	step, over := stepOf(d.length, len(requests)+len(flows)), overTimeOf(d, points)
	c.Note = "Responses per second, including failed requests, and the requests per second that the schedule asked for."
	c.Choices = []picture{countPicture(d, c.ID, "requests", requestsPerSecond, step, requests, over)}
	if len(flows) > 0 {
		c.Note += " A schedule of flows asks for flows: they count as begun when their first request was answered."
		c.Choices = append(c.Choices, countPicture(d, c.ID, "flows", flowsPerSecond, step, flows, over))
	}
	c.Note += averaged.note(step)
	return c
}

// flowLine draws the flows of a scenario that began in each second; nil of a scenario without flows, and where the
// seconds of its requests were not recorded.
func flowLine(d digest, s scenario, whole []results.Point) *line {
	begin, flows := d.Measurements.Beginnings(s.Name)
	if !flows {
		return nil
	}
	begun, recorded := map[int]int64{}, false
	for _, p := range d.Measurements.Points {
		if p.Scenario == s.Name && begin[p.Request] {
			begun[p.Second] += p.Requests
			recorded = true
		}
	}
	if !recorded {
		return nil
	}
	return &line{name: s.Name, dots: overTime(whole, func(p results.Point) dot {
		return dot{x: float64(p.Second), y: float64(begun[p.Second])}
	})}
}

// wholeSeconds are the points without those of seconds that a scenario covered only in part, whose counts are not those
// of a second.
func wholeSeconds(points [][]results.Point) [][]results.Point {
	whole := slices.Clone(points)
	for i := range whole {
		whole[i] = slices.DeleteFunc(slices.Clone(whole[i]), func(p results.Point) bool { return p.Partial })
	}
	return whole
}

// countDot is the dot of a point's count. A second without responses counts as 0.
func countDot(of func(results.Point) int64) func(results.Point) dot {
	return func(p results.Point) dot { return dot{x: float64(p.Second), y: float64(of(p))} }
}

// countPicture draws lines of counts per second over the time of the run.
func countPicture(d digest, id, label, unit string, step int, lines []line, over overlay) picture {
	return newPicture(label, id, timeAxis(d), opts.YAxis{Name: unit, Type: "value", Min: 0},
		averaged.everyLine(step, 0, lines), over)
}
