package reports

import (
	"fmt"
	"io"
	"strings"

	"github.com/policycortex/headroom/reports/export"
	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/judge"
)

// enoughRuns is the name of the test case that fails when there are too few runs to find anything.
const enoughRuns = "there are enough runs"

// ComparisonJUnit writes a comparison of several runs as a JUnit file for Jenkins and GitLab: a test suite with a test
// case for each figure. One that is worse is a failure, and one that cannot be told is skipped with how many runs would
// tell. Two more cases are errors when a measurement is not valid and when there are too few runs to find anything. The
// class of every case is the name of the scenario file.
func ComparisonJUnit(w io.Writer, c *judge.Comparison) error {
	first, took := startOfRuns(c)
	class := classOf(c.Head[0].Scenario.File, comparisonName(c))
	suite := newSuite(comparisonName(c), first, took, junitProperty{"base", namesOf(c.Base)},
		junitProperty{"head", namesOf(c.Head)}, junitProperty{"tolerance", levelText(c.Rule.Tolerance)},
		junitProperty{"alpha", levelText(c.Rule.Alpha)}, junitProperty{"headroom", c.Head[0].Tool.Version})
	valid := junitCase{Name: validity, Class: class, Time: "0"}
	enough := junitCase{Name: enoughRuns, Class: class, Time: "0"}
	switch {
	case c.Invalid != "":
		valid.Error = &junitDetail{Message: comparisonHeadline(c), Type: "invalid measurement"}
		enough.Skipped = &junitDetail{Message: "not judged: a measurement is not valid"}
	case c.TooFew > 0:
		enough.Error = &junitDetail{Message: comparisonHeadline(c), Type: "too few runs"}
	}
	suite.add(valid)
	suite.add(enough)
	for _, f := range c.Figures {
		suite.add(judgedCase(c, f, class))
	}
	return suite.write(w)
}

func namesOf(runs []judge.NamedRun) string {
	var names []string
	for _, r := range runs {
		names = append(names, r.Name)
	}
	return strings.Join(names, ", ")
}

func judgedCase(c *judge.Comparison, f judge.JudgedFigure, class string) junitCase {
	out := junitCase{Name: f.Name(), Class: class, Time: "0"}
	text := judgedSentence(c, f)
	switch f.Verdict {
	case judge.Worse:
		out.Failure = &junitDetail{Message: text, Type: "regression", Text: judgedRuns(f)}
	case judge.Unresolved, judge.NotJudged:
		out.Skipped = &junitDetail{Message: text}
	default:
		out.Output = text + "\n" + judgedRuns(f)
	}
	return out
}

// judgedSentence is what is known of a figure in one line.
func judgedSentence(c *judge.Comparison, f judge.JudgedFigure) string {
	word := judgedWord(c, f)
	if f.Verdict == judge.NotJudged {
		return word + ": " + f.Reason
	}
	text := fmt.Sprintf("%s: %s to %s, %s (95 %% interval %s)", word, judgedValue(f, f.BaseValue),
		judgedValue(f, f.HeadValue), judgedChange(f), judgedInterval(f))
	if f.Needed > 0 {
		text += fmt.Sprintf("; about %s runs on each side would tell", runsNeeded(f))
	}
	return text
}

// judgedRuns are the values of all runs.
func judgedRuns(f judge.JudgedFigure) string {
	values := func(side []float64) string {
		var out []string
		for _, v := range side {
			out = append(out, judgedValue(f, v))
		}
		return strings.Join(out, ", ")
	}
	return "base: " + values(f.Base) + "\nhead: " + values(f.Head)
}

// ComparisonMarkdown writes a comparison of several runs as Markdown for the summary of a CI job, the worst figure
// first.
func ComparisonMarkdown(w io.Writer, c *judge.Comparison) error {
	var b strings.Builder
	fmt.Fprintf(&b, "### %s: %s\n\n%s\n\nBase %s, head %s.\n", c.Outcome(), plainMarkdown(comparisonName(c)),
		plainMarkdown(comparisonHeadline(c)), Plural(len(c.Base), "run"), Plural(len(c.Head), "run"))
	listMarkdown(&b, "Warnings", c.Warnings)
	t := markdownTable{left: 2, heading: comparisonHeading}
	for _, f := range figuresByVerdict(c) {
		t.add(comparisonRow(c, f)...)
	}
	fmt.Fprintf(&b, "\n%s\n%s\n", t.String(), plainMarkdown(comparisonMethod(c)))
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write the comparison as Markdown: %w", err)
	}
	return nil
}

// ComparisonFigures are the figures of a comparison that other tools can follow: the mean of the head's runs, and as
// http_req_duration_change the change from base to head with its 95 % interval: a share of 1 where the figure is
// compared by ratios, else a difference in its unit.
func ComparisonFigures(c *judge.Comparison) []export.Figure {
	var values, changes []export.Figure
	for _, f := range c.Figures {
		if f.Verdict == judge.NotJudged {
			continue
		}
		values = append(values, judgedExport(f, f.HeadValue))
		change := judgedExport(f, f.Change)
		change.Metric += "_change"
		if f.Ratio {
			change.Unit = ""
		}
		if isFinite(f.Low) && isFinite(f.High) {
			change.Low, change.High = new(f.Low), new(f.High)
		}
		changes = append(changes, change)
	}
	return append(values, changes...)
}

// ComparedRuns are the figures of each run of a side: what benchstat takes for runs.
func ComparedRuns(c *judge.Comparison, head bool) [][]export.Figure {
	runs := c.Base
	if head {
		runs = c.Head
	}
	all := make([][]export.Figure, len(runs))
	for _, f := range c.Figures {
		values := f.Base
		if head {
			values = f.Head
		}
		for i, v := range values {
			if f.Verdict != judge.NotJudged {
				all[i] = append(all[i], judgedExport(f, v))
			}
		}
	}
	return all
}

func judgedExport(f judge.JudgedFigure, value float64) export.Figure {
	statistic := f.Of.Aggregation.String()
	if f.Of.Window > 0 {
		statistic += " for " + f.Of.Window.String()
	}
	unit := map[string]string{"/s": "1/s", "B": "bytes"}[f.Unit]
	if unit == "" && f.Unit == "ms" {
		unit = f.Unit
	}
	return export.Figure{
		Metric: string(f.Of.Metric), Tags: f.Of.Selector, Statistic: statistic, Value: value, Unit: unit,
		MoreIsBetter: f.MoreIsBetter,
	}
}

// ComparisonAnnotations are what GitHub Actions shows of a comparison of several runs, the worst first.
func ComparisonAnnotations(c *judge.Comparison) []export.Annotation {
	var all []export.Annotation
	add := func(level export.Level, title, message string) {
		all = append(all, export.Annotation{Level: level, Title: onOneLine(title), Message: onOneLine(message)})
	}
	if c.Invalid != "" || c.TooFew > 0 {
		add(export.Error, comparisonName(c), comparisonHeadline(c))
	}
	if c.Outcome() != results.Invalid {
		for _, f := range figuresByVerdict(c) {
			switch f.Verdict {
			case judge.Worse:
				add(export.Error, f.Name(), judgedSentence(c, f))
			case judge.Unresolved, judge.NotJudged:
				add(export.Warning, f.Name(), judgedSentence(c, f))
			}
		}
	}
	for _, warning := range c.Warnings {
		add(export.Notice, comparisonName(c), warning)
	}
	return all
}
