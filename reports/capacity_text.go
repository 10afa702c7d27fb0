package reports

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/policycortex/headroom/reports/export"
	"github.com/policycortex/headroom/results"
)

// WriteCapacity is Write for a capacity, whose saved form is its summary.
func WriteCapacity(dir string, c *results.Capacity) error {
	return writeAll(dir, c, []drawer[*results.Capacity]{{HTMLFile, CapacityHTML}, {JUnitFile, CapacityJUnit}})
}

// CapacityText writes the capacity for a terminal or a CI log. The first line is the answer. It is plain text without
// colour codes, and text that comes from elsewhere cannot control the terminal.
func CapacityText(w io.Writer, of *results.Capacity) error {
	c := ceiling{of}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s: %s\n", c.Outcome, onOneLine(c.headline()))
	for _, why := range c.Reasons {
		fmt.Fprintf(&b, "  - %s\n", onOneLine(why))
	}
	for _, warning := range c.Warnings {
		fmt.Fprintf(&b, "  warning: %s\n", onOneLine(warning))
	}
	for _, f := range c.facts() {
		fmt.Fprintf(&b, "  %s: %s\n", strings.ToLower(f.Name), onOneLine(f.Text))
	}
	for _, line := range c.Evidence {
		fmt.Fprintf(&b, "    %s\n", onOneLine(line))
	}
	if len(c.Forecast) > 0 {
		t := textTable{rows: [][]string{planHeading}}
		for _, f := range c.Forecast {
			t.add(c.forecastRow(f)...)
		}
		fmt.Fprintf(&b, "\nPlan. %s\n%s", onOneLine(c.planText()), t.String())
	}
	if len(c.WhatIf) > 0 && c.known() {
		t := textTable{left: 2, rows: [][]string{{"objective", "capacity (95 % interval)"}}}
		for _, w := range c.WhatIf {
			t.add(w.Objective, c.whatIfText(w))
		}
		fmt.Fprintf(&b, "\nAt other limits, from the same trials\n%s", t.String())
	}
	fmt.Fprintf(&b, "\nTrials: %d in %s, of which %d do not count\n", len(c.Trials), lasted(c.Elapsed), c.vetoed())
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("draw the text of the capacity: %w", err)
	}
	return nil
}

func (c ceiling) vetoed() (n int) {
	for _, t := range c.Trials {
		if t.Veto != "" {
			n++
		}
	}
	return n
}

// CapacityJSON writes the saved form of the capacity, capacity.json.
func CapacityJSON(w io.Writer, c *results.Capacity) error {
	doc, err := c.JSON()
	if err == nil {
		_, err = w.Write(doc)
	}
	if err != nil {
		return fmt.Errorf("draw %s: %w", results.CapacityFile, err)
	}
	return nil
}

// CapacityMarkdown writes the capacity for a pull request or the summary of a CI step.
func CapacityMarkdown(w io.Writer, of *results.Capacity) error {
	c := ceiling{of}
	var b strings.Builder
	fmt.Fprintf(&b, "### %s: %s\n\n%s\n", c.Outcome, plainMarkdown(c.Name), plainMarkdown(c.headline()))
	listMarkdown(&b, "", c.Reasons)
	listMarkdown(&b, "Warnings", c.Warnings)
	facts := markdownTable{left: 2, heading: []string{"", ""}}
	for _, f := range c.facts() {
		facts.add(f.Name, f.Text)
	}
	b.WriteString("\n" + facts.String())
	if len(c.Forecast) > 0 {
		t := markdownTable{heading: planHeading}
		for _, f := range c.Forecast {
			t.add(c.forecastRow(f)...)
		}
		fmt.Fprintf(&b, "\n%s\n\n%s", plainMarkdown(c.planText()), t.String())
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("draw the Markdown of the capacity: %w", err)
	}
	return nil
}

// CapacityJUnit writes the capacity as a JUnit file with one test case.
func CapacityJUnit(w io.Writer, of *results.Capacity) error {
	c := ceiling{of}
	suite := newSuite(c.Name, c.Started, c.Elapsed, junitProperty{"seed", strconv.FormatUint(c.Design.Seed, 10)},
		junitProperty{"target", c.Environment.Targets()}, junitProperty{"headroom", c.Tool.Version})
	one := junitCase{Name: "capacity", Class: classOf(c.Scenario.File, c.Name), Time: suite.Time}
	message := c.headline()
	if len(c.Reasons) > 0 {
		message += ": " + strings.Join(c.Reasons, "; ")
	}
	switch c.Outcome {
	case results.Pass:
		one.Output = message
	case results.Fail:
		one.Failure = &junitDetail{Message: message, Type: "capacity below what is required"}
	case results.Invalid:
		one.Error = &junitDetail{Message: message, Type: "invalid measurement"}
	default:
		one.Skipped = &junitDetail{Message: "unresolved: " + message}
	}
	suite.add(one)
	return suite.write(w)
}

// CapacityFigures are the figures of a capacity for other tools: the capacity and the knee in iterations per second,
// and the goodput beyond in requests per second, as is the capacity once more where the scenario has flows.
func CapacityFigures(c *results.Capacity) (all []export.Figure) {
	if c.Rate == nil || c.Outcome == results.Invalid {
		return nil
	}
	value := c.Rate.Middle
	if c.AtLeast {
		value = c.Rate.Low
	}
	capacity := export.Figure{Metric: "capacity", Statistic: "rate", Value: value, Unit: "1/s", MoreIsBetter: true}
	if !c.AtLeast && !c.AtMost {
		capacity.Low, capacity.High = new(c.Rate.Low), new(c.Rate.High)
	}
	all = append(all, capacity)
	if of := (ceiling{c}); of.flows() {
		requests := capacity
		requests.Metric, requests.Value = "capacity_requests", value*c.RequestsPerIteration
		if requests.Low != nil {
			requests.Low = new(*capacity.Low * c.RequestsPerIteration)
			requests.High = new(*capacity.High * c.RequestsPerIteration)
		}
		all = append(all, requests)
	}
	if c.Knee > 0 {
		all = append(all, export.Figure{
			Metric: "capacity_knee", Statistic: "rate", Value: c.Knee, Unit: "1/s", MoreIsBetter: true,
		})
	}
	if c.Beyond != nil && c.Beyond.NotJudged == "" {
		all = append(all, export.Figure{
			Metric: "capacity_goodput_beyond", Statistic: "rate", Value: c.Beyond.Goodput, Unit: "1/s",
			MoreIsBetter: true,
		})
	}
	return all
}

// CapacityAnnotations are what GitHub Actions shows of a capacity.
func CapacityAnnotations(c *results.Capacity) (all []export.Annotation) {
	level := export.Warning
	if c.Outcome == results.Fail || c.Outcome == results.Invalid {
		level = export.Error
	}
	title := onOneLine(fmt.Sprintf("%s: %s", c.Name, c.Outcome))
	for _, why := range c.Reasons {
		all = append(all, export.Annotation{Level: level, Title: title, Message: onOneLine(why)})
	}
	if len(c.Reasons) == 0 {
		all = append(all, export.Annotation{
			Level: export.Notice, Title: title,
			Message: onOneLine(ceiling{c}.headline()),
		})
	}
	for _, warning := range c.Warnings {
		all = append(all, export.Annotation{
			Level: export.Notice, Title: onOneLine(c.Name),
			Message: onOneLine(warning),
		})
	}
	return all
}
