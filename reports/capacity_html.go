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
	Steps    []trialRow // of the bracket
	Tries    []trialRow // the trials
	All      []trialRow // both
	LawText  string
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
		Course: c.charts(), Resources: c.resourceChart(), Steps: trialRows(c.Bracket), Tries: trialRows(c.Trials),
		LawText: c.lawText(),
	}
	p.Charts = slices.Clone(p.Course)
	if p.Resources != nil {
		p.Charts = append(p.Charts, *p.Resources)
	}
	p.All = slices.Concat(p.Steps, p.Tries)
	for _, f := range c.Forecast {
		p.Plans = append(p.Plans, c.forecastRow(f))
	}
	for _, what := range c.WhatIf {
		p.WhatIfs = append(p.WhatIfs, fact{what.Objective, whatIfText(what)})
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
	if t.Requests == 0 {
		return none
	}
	return percent(float64(t.Failed) / float64(t.Requests))
}

// Load is what was sent.
func (t trialRow) Load() string {
	if t.Users > 0 {
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
	if len(c.Bracket) > 1 {
		all = append(all, c.lawChart())
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
			"capacity, a trial is as likely good as bad.",
	}
	x := opts.XAxis{Name: "requests or flows per second", Min: 0, Max: roundUp(last)}
	y := opts.YAxis{Name: "relative probability", Min: 0, Max: 1}
	out.Choices = []picture{newPicture("all", out.ID, x, y, []line{{"posterior", 0, "solid", dots}}, c.marks())}
	return out
}

// lawChart draws the throughput of users who do not pause, with the scalability law.
func (c ceiling) lawChart() chart {
	var measured, law, low, high []dot
	last, most := 1.0, 0.0
	for _, t := range c.Bracket {
		last = max(last, float64(t.Users))
		measured = append(measured, dot{x: float64(t.Users), y: fourDecimals(t.Achieved)})
		most = max(most, t.Achieved)
	}
	out := chart{
		ID: "law-chart", Kind: "users", Title: "Throughput over concurrency",
		Note: "Users who send their next request as soon as the last one is answered.",
	}
	lines := []line{{"measured", 0, pointsAlone, measured}}
	if c.Law != nil {
		for _, p := range c.Law.Band {
			if p.N > last && c.Law.Refusal != "" {
				break // it is not entitled to say more
			}
			law = append(law, dot{x: fourDecimals(p.N), y: fourDecimals(p.X)})
			low, high = append(low, dot{x: fourDecimals(p.N), y: fourDecimals(max(0, p.Low))}),
				append(high, dot{x: fourDecimals(p.N), y: fourDecimals(p.High)})
			most = max(most, p.High)
		}
		lines = append(lines, line{"scalability law", 1, "solid", law}, line{"95 % interval", 1, "dashed", low},
			line{"95 % interval", 1, "dashed", high})
		last = max(last, lastX(lines))
		out.Note += " The law is Gunther's; its interval is too narrow where the law does not hold."
	}
	x := opts.XAxis{Name: "users", Min: 0, Max: math.Ceil(last)}
	y := opts.YAxis{Name: "per second", Min: 0, Max: roundUp(most)}
	out.Choices = []picture{newPicture("users", out.ID, x, y, lines, overlay{})}
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
