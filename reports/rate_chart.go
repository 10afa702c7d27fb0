package reports

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/go-echarts/go-echarts/v2/opts"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// rateCharts draw response times over the rate, a dot for each stage with a name, with the limits that the thresholds
// set; none where no scenario has two stages that were measured.
func rateCharts(d digest) []chart {
	c := chart{
		ID: "rate-chart", Kind: "rate", Title: "Latency against rate",
		Note: "Each mark is a stage: the percentiles of its responses, over the requests per second that were " +
			"answered in it. Horizontal lines are the limits that thresholds set for these percentiles.",
	}
	for _, s := range d.Scenarios {
		if lines, last := rateLines(d, s); len(lines) > 0 {
			x := opts.XAxis{Name: requestsPerSecond, Min: 0, Max: roundUp(last)}
			c.Choices = append(c.Choices, newPicture(s.Name, c.ID, x, logMillis(lines), lines, overlay{}))
		}
	}
	if len(c.Choices) == 0 {
		return nil
	}
	return []chart{c}
}

// rateLines are the percentiles of a scenario's stages over their rates, and its limits. last is the highest rate.
func rateLines(d digest, s scenario) (lines []line, last float64) {
	stages := slices.DeleteFunc(slices.Clone(s.Stages), func(st stage) bool { return st.Summary.Response.Count() == 0 })
	if len(stages) < 2 {
		return nil, 0
	}
	slices.SortStableFunc(stages, func(a, b stage) int { return cmp.Compare(a.Summary.Rate(), b.Summary.Rate()) })
	last = stages[len(stages)-1].Summary.Rate()
	for k, p := range []float64{99, 95, 50} {
		l := line{name: percentileName(p), tone: k, dash: knotted}
		for _, st := range stages {
			l.dots = append(l.dots, dot{
				x: fourDecimals(st.Summary.Rate()),
				y: max(fourDecimals(st.Summary.Response.Percentile(p)), smallestMillis),
			})
		}
		lines = append(lines, l)
	}
	for _, g := range limitsOf(d.Verdict.Gates, s) {
		lines = append(lines, line{
			name: "limit " + g.Expression, tone: toneOf(g.Threshold), dash: "dashed",
			dots: []dot{{x: 0, y: g.Target}, {x: roundUp(last), y: g.Target}},
		})
	}
	return lines, last
}

// limitsOf are the gates with an upper limit on a percentile of the scenario's response time, one of each expression.
// Those of a single request say nothing about the scenario.
func limitsOf(gates []results.Gate, s scenario) (limits []results.Gate) {
	for _, g := range gates {
		t := g.Threshold
		if t.Metric != scenarios.HTTPReqDuration || !g.Op.IsUpper() || g.Target <= 0 || toneOf(t) < 0 {
			continue
		}
		of := true
		for tag, value := range t.Selector {
			of = of && (tag == "stage" || tag == "scenario" && value == s.Name)
		}
		same := func(o results.Gate) bool { return o.Expression == g.Expression }
		if of && !slices.ContainsFunc(limits, same) {
			limits = append(limits, g)
		}
	}
	return limits
}

// toneOf is the tone of the percentile that a threshold is on; -1 where it is not on one that is drawn.
func toneOf(t scenarios.Threshold) int {
	switch fmt.Sprintf("%v", t.Aggregation) {
	case "p(99)":
		return 0
	case "p(95)":
		return 1
	case "p(50)", "med":
		return 2
	}
	return -1
}
