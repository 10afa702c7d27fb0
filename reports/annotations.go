package reports

import (
	"fmt"

	"github.com/policycortex/headroom/reports/export"
	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/experiment"
)

// RunAnnotations are what GitHub Actions shows of a run, the worst first; none of a run that passed without a warning.
func RunAnnotations(r *results.Run) []export.Annotation {
	v := r.Verdict
	var all []export.Annotation
	add := func(level export.Level, title, message string) {
		all = append(all, export.Annotation{Level: level, Title: onOneLine(title), Message: onOneLine(message)})
	}
	if v.Outcome == results.Invalid {
		for _, why := range v.Invalid {
			add(export.Error, r.Name+": the measurement is not valid", why)
		}
	} else {
		for _, why := range v.Failed {
			add(export.Error, r.Name, why)
		}
		for _, g := range worstFirst(v.Gates) {
			switch gateClass(g) {
			case "crossed":
				add(export.Error, g.Metric+" "+g.Expression, gateSentence(g))
			case "unresolved":
				if !g.Passed {
					add(export.Warning, g.Metric+" "+g.Expression, gateSentence(g))
				}
			}
		}
	}
	for _, warning := range v.Warnings {
		add(export.Notice, r.Name, warning)
	}
	return all
}

// ExperimentAnnotations are what GitHub Actions shows of an experiment, the worst first.
func ExperimentAnnotations(e *results.Experiment) []export.Annotation {
	var all []export.Annotation
	add := func(level export.Level, title, message string) {
		all = append(all, export.Annotation{Level: level, Title: onOneLine(title), Message: onOneLine(message)})
	}
	for _, why := range e.Reasons {
		level := export.Warning
		if e.Outcome == results.Fail || e.Outcome == results.Invalid {
			level = export.Error
		}
		add(level, fmt.Sprintf("%s: %s", e.Name, e.Outcome), why)
	}
	x := newTrial(e)
	for _, g := range worstGates(e.Gates) {
		change := fmt.Sprintf("%s: %s, from %s to %s", x.complaint(g), x.described(g), e.Base.Label, e.Head.Label)
		switch g.Decision {
		case experiment.Failed:
			add(export.Error, g.Metric+" "+g.Source, change)
		case experiment.Unresolved:
			add(export.Warning, g.Metric+" "+g.Source, fmt.Sprintf("not decided: %s; a change of %s would be "+
				"found", x.described(g), smallestText(g)))
		}
	}
	for _, warning := range e.Warnings {
		add(export.Notice, e.Name, warning)
	}
	return all
}
