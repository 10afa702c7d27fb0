package reports

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"slices"

	"github.com/go-echarts/go-echarts/v2/opts"
	"github.com/go-echarts/statsview/statics"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

//go:embed capacity.html.tmpl
var capacityTemplate string

// capacityPage is the data of the template of a capacity.
type capacityPage struct {
	ceiling
	Policy   string
	Style    template.CSS
	Library  template.JS
	Script   template.JS
	Headline string
	Facts    []fact
	PlanText string
	Plans    [][]string
	Scaling  []scalingPart
	Tries    []trialRow // the trials
	All      []trialRow // those, and the closed loops
	WhatIfs  []fact
	// Course are the charts of the search, Resources that of what was used; Charts are all, for the script.
	Course    []chart
	Resources *chart
	Charts    []chart
}

// CapacityHTML writes the capacity's report as one self-contained web page. It loads nothing. The answer and the
// figures can be read without scripts and styles. All text from the search is escaped.
func CapacityHTML(w io.Writer, of *results.Capacity) error {
	c := ceiling{of}
	p := capacityPage{
		ceiling: c, Policy: policy, Style: template.CSS(pageStyle), Library: template.JS(statics.EchartJS),
		Script: template.JS(pageScript), Headline: c.headline(), Facts: c.facts(), PlanText: c.planText(),
		Course: c.charts(), Resources: c.resourceChart(), Scaling: c.scalingParts(),
		Tries: trialRows(c.Trials),
	}
	p.Charts = slices.Clone(p.Course)
	if p.Resources != nil {
		p.Charts = append(p.Charts, *p.Resources)
	}
	p.All = slices.Concat(trialRows(c.Bracket), trialRows(c.Instances), p.Tries)
	for _, f := range c.Forecast {
		p.Plans = append(p.Plans, c.forecastRow(f))
	}
	for _, what := range c.WhatIf {
		if c.known() {
			p.WhatIfs = append(p.WhatIfs, fact{what.Objective, c.whatIfText(what)})
		}
	}
	if err := parsedPage.ExecuteTemplate(w, "capacity.html", p); err != nil {
		return fmt.Errorf("draw %s: %w", HTMLFile, err)
	}
	return nil
}

// trialRow is a trial as the page shows it.
type trialRow struct{ results.CapacityTrial }

func trialRows(trials []results.CapacityTrial) (rows []trialRow) {
	for _, t := range trials {
		rows = append(rows, trialRow{t})
	}
	return rows
}

// FailedShare is the share of its requests that failed.
func (t trialRow) FailedShare() string {
	return shareOf(t.Requests, t.CapacityTrial.FailedShare())
}

// Load is what was sent.
func (t trialRow) Load() string {
	switch {
	case t.Instances > 0:
		return fmt.Sprintf("%s, %s", Plural(t.Instances, "instance"), Plural(t.Users, "user"))
	case t.Users > 0:
		return Plural(t.Users, "user")
	}
	return rate(t.CapacityTrial.Rate)
}

// Result is what came of it, and Class the CSS class of that.
func (t trialRow) Result() string {
	switch {
	case t.Veto != "":
		return "– does not count"
	case t.Bad:
		return "✗ bad"
	}
	return "✓ good"
}

// Class is that of a gate with such a result.
func (t trialRow) Class() string {
	switch {
	case t.Veto != "":
		return "unreached"
	case t.Bad:
		return "crossed"
	}
	return "held"
}

// Why says why it is bad, or does not count.
func (t trialRow) Why() []string {
	if t.Veto != "" {
		return []string{t.Veto}
	}
	return crossedTexts(t.CapacityTrial)
}

// charts draw the trials over the rate, what they say of the capacity, and the throughput of users.
func (c ceiling) charts() []chart {
	all := []chart{}
	if len(c.Trials) > 0 {
		all = append(all, c.trialChart())
	}
	if c.Posterior != nil {
		all = append(all, c.posteriorChart())
	}
	all = append(all, c.beyondCharts()...)
	for _, part := range c.scalingParts() {
		if len(part.Steps) > 1 {
			all = append(all, c.lawChart(part))
		}
	}
	return all
}

// trialChart draws the P95 of each trial over its rate, with the capacity's interval and the knee.
func (c ceiling) trialChart() chart {
	var good, bad, vetoed []dot
	last := 0.0
	for _, t := range c.Trials {
		d := dot{x: fourDecimals(t.Rate), y: max(fourDecimals(t.P95), smallestMillis)}
		last = max(last, t.Rate)
		switch {
		case t.Veto != "":
			vetoed = append(vetoed, d)
		case t.Bad:
			bad = append(bad, d)
		default:
			good = append(good, d)
		}
	}
	lines := []line{{"good trials", 2, pointsAlone, good}, {"bad trials", 5, pointsAlone, bad}}
	if len(vetoed) > 0 {
		lines = append(lines, line{"trials that do not count", 3, pointsAlone, vetoed})
	}
	if limit, ok := c.timeLimit(); ok {
		lines = append(lines, line{"objective", 4, "dashed", []dot{{x: 0, y: limit}, {x: roundUp(last), y: limit}}})
	}
	out := chart{
		ID: "trials-chart", Kind: "rate", Title: "Response time over the rate",
		Note: "Each dot is the P95 of all requests of a trial, counted from the instant at which they were " +
			"due. A trial " +
			"is bad when an objective does not hold in it.",
	}
	x := opts.XAxis{Name: "requests or flows per second", Min: 0, Max: roundUp(last)}
	out.Choices = []picture{newPicture("P95", out.ID, x, logMillis(lines), lines, c.marks())}
	return out
}

// timeLimit is that of the first objective which limits the response time of all requests, in ms.
func (c ceiling) timeLimit() (ms float64, ok bool) {
	for _, o := range c.Objectives {
		t, err := scenarios.ParseThreshold(o.Metric, o.Expression)
		if err == nil && t.Metric == scenarios.HTTPReqDuration && len(t.Selector) == 0 &&
			t.Aggregation.Percentile == 95 {
			return t.Limit, true
		}
	}
	return 0, false
}

// marks are the interval of the capacity and the knee on an axis of rates.
func (c ceiling) marks() (o overlay) {
	if c.Rate != nil && !c.AtLeast && !c.AtMost {
		o.shades = append(o.shades, shade{"95 % interval", fourDecimals(c.Rate.Low), fourDecimals(c.Rate.High)})
	}
	if c.Knee > 0 {
		o.marks = append(o.marks, results.Mark{Text: "knee", Begun: fourDecimals(c.Knee)})
	}
	return o
}

// posteriorChart draws the probability of each rate to be the capacity.
func (c ceiling) posteriorChart() chart {
	var dots []dot
	most, last := 0.0, 0.0
	for _, d := range c.Posterior.Density {
		most = max(most, d)
	}
	for i, r := range c.Posterior.Rates {
		if share := c.Posterior.Density[i] / most; share >= 0.001 {
			dots = append(dots, dot{x: fourDecimals(r), y: fourDecimals(share)})
		}
	}
	for _, t := range c.Trials {
		last = max(last, t.Rate)
	}
	out := chart{
		ID: "posterior-chart", Kind: "density", Title: "What the trials say of the capacity",
		Note: "The probability of each rate to be the capacity, as a share of that of the most probable one. At the " +
			"capacity, as many requests miss the objectives as may, in the mean of many trials.",
	}
	x := opts.XAxis{Name: "requests or flows per second", Min: 0, Max: roundUp(last)}
	y := opts.YAxis{Name: "relative probability", Min: 0, Max: 1}
	out.Choices = []picture{newPicture("all", out.ID, x, y, []line{{"posterior", 0, "solid", dots}}, c.marks())}
	return out
}

// roundUp is the nearest tick above a value.
func roundUp(v float64) float64 {
	if v <= 0 {
		return 1
	}
	step := tickStep(v)
	return significant(step * math.Ceil(v/step))
}
