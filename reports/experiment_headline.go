package reports

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/experiment"
	"github.com/policycortex/headroom/results/judge"
	"github.com/policycortex/headroom/scenarios"
)

// headline is what the experiment says, in a sentence that needs nothing else: what became slower and by how much, with
// its interval.
func (t trial) headline() string {
	switch t.Outcome {
	case results.Fail:
		return t.failHeadline()
	case results.Pass:
		return t.passHeadline()
	case results.Unresolved:
		return t.unresolvedHeadline()
	}
	if len(t.Reasons) > 0 {
		return strings.Join(t.Reasons, "; ")
	}
	return "the measurement is not valid: " + t.vetoedText()
}

func (t trial) failHeadline() string {
	failed := t.gatesOf(experiment.Failed)
	if len(failed) == 0 {
		return cmp.Or(strings.Join(t.Reasons, "; "), "no gate says why")
	}
	slices.SortStableFunc(failed, func(a, b results.ExperimentGate) int {
		return cmp.Or(cmp.Compare(t.rank(a), t.rank(b)), cmp.Compare(worsening(b), worsening(a)))
	})
	first := failed[0]
	text := t.complaint(first) + ": " + t.described(first)
	if name := t.blame(first); name != "" {
		text += "; " + name
	}
	if others := failed[1:]; len(others) > 0 {
		var names []string
		for _, g := range others {
			names = append(names, gateName(g)+" "+changeText(g.Change, decimalsOf(g.Low, g.High)))
		}
		text += "; also failed: " + strings.Join(names, ", ")
	}
	return text
}

// rank orders failed gates: requests that fail, then a request by its name, then response times, then the rest.
func (t trial) rank(g results.ExperimentGate) int {
	metric, name := t.subject(g)
	switch {
	case g.Guard:
		return 0
	case name != "":
		return 1
	case metric == scenarios.HTTPReqDuration:
		return 2
	}
	return 3
}

// subject is a gate's metric, and the name of the request that it is of; empty where it is of several.
func (t trial) subject(g results.ExperimentGate) (metric scenarios.MetricName, name string) {
	if f := t.byFigure[g.Figure]; f != nil {
		return scenarios.MetricName(f.Metric), f.Tags["name"]
	}
	text, _, _ := strings.Cut(g.Metric, "{")
	return scenarios.MetricName(text), ""
}

// complaint says what is worse: "get is slower".
func (t trial) complaint(g results.ExperimentGate) string {
	metric, name := t.subject(g)
	switch metric {
	case scenarios.HTTPReqDuration, scenarios.HTTPReqServiceDuration:
		if name != "" {
			return name + " is slower"
		}
		return "requests are slower"
	case scenarios.HTTPReqSucceeded:
		if name != "" {
			return "more requests of " + name + " fail"
		}
		return "more requests fail"
	case scenarios.CPUPerRequest:
		return "a request takes more CPU time"
	case scenarios.AllocatedPerRequest:
		return "a request allocates more memory"
	case scenarios.ObjectsPerRequest:
		return "a request allocates more objects"
	case scenarios.DBTimePerRequest:
		return "a request takes more time in the database"
	case scenarios.StatementsPerRequest:
		return "a request takes more statements in the database"
	case scenarios.InstructionsPerRequest:
		return "a request takes more instructions"
	case scenarios.HTTPReqs:
		return "fewer requests a second are served"
	}
	if g.MoreIsBetter {
		return g.Metric + " is lower"
	}
	return g.Metric + " is higher"
}

// blame names the request that a failed gate of all requests is due to, if one stands out: the one that became worse by
// most, with an interval on the side of what is worse. Those whose intervals overlap with its own are named with it.
// A gate of what is not known by request, as the CPU time, is explained by the median response times.
func (t trial) blame(g results.ExperimentGate) string {
	f := t.byFigure[g.Figure]
	if f == nil || len(f.Tags) > 0 {
		return ""
	}
	requests, introduction, nobody := t.byName(scenarios.MetricName(f.Metric), f.Statistic), "most of it: ",
		"no single request stands out"
	if len(requests) == 0 && scenarios.MetricName(f.Metric) != scenarios.HTTPReqSucceeded {
		const median = "p(50)"
		requests, introduction, nobody = t.byName(scenarios.HTTPReqDuration, median), "slower with it: "+median+" of ",
			"no request is measurably slower"
	}
	if len(requests) < 2 {
		return "" // all requests are that one
	}
	worse := slices.DeleteFunc(slices.Clone(requests),
		func(f *results.ExperimentFigure) bool { return !worseSurely(f) })
	if len(worse) == 0 {
		return nobody
	}
	slices.SortStableFunc(worse, func(a, b *results.ExperimentFigure) int { return cmp.Compare(size(b), size(a)) })
	var names []string
	for _, other := range worse {
		if other.High >= worse[0].Low && other.Low <= worse[0].High {
			names = append(names, fmt.Sprintf("%s %s (%s)", other.Tags["name"],
				changeText(other.Change, decimalsOf(other.Low, other.High)), intervalText(other.Low, other.High)))
		}
	}
	const most = 3
	if len(names) == len(requests) {
		introduction = strings.Replace(introduction, "most of it", "all requests alike", 1)
	}
	return introduction + shortList(names, most)
}

// size is how large a change is, whatever its direction.
func size(f *results.ExperimentFigure) float64 { return max(f.Change, -f.Change) }

// shortList joins the first names, and says how many more there are.
func shortList(names []string, most int) string {
	if more := len(names) - most; more > 0 {
		names = append(slices.Clone(names[:most]), fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", ")
}

// judged are the gates without the guard, which are what the experiment is for.
func (t trial) judged() []results.ExperimentGate {
	return slices.DeleteFunc(slices.Clone(t.Gates), func(g results.ExperimentGate) bool { return g.Guard })
}

func (t trial) passHeadline() string {
	gates := t.judged()
	var found, tolerances []string
	word := "slower"
	for _, g := range gates {
		found = append(found, gateName(g)+" "+changed95(g.Change, g.Low, g.High))
		tolerances = append(tolerances, shareText(g.Tolerance))
		if metric, _ := t.subject(g); metric != scenarios.HTTPReqDuration && metric != scenarios.CPUPerRequest {
			word = "worse"
		}
	}
	slices.Sort(tolerances)
	tolerances = slices.Compact(tolerances)
	limit := "the tolerances"
	if len(tolerances) == 1 {
		limit = tolerances[0]
	}
	const most = 3
	return fmt.Sprintf("not %s by more than %s: %s", word, limit, shortList(found, most))
}

func (t trial) unresolvedHeadline() string {
	open := t.gatesOf(experiment.Unresolved)
	if len(open) == 0 {
		return cmp.Or(strings.Join(t.Reasons, "; "), "nothing was measured")
	}
	worst := slices.MaxFunc(open, func(a, b results.ExperimentGate) int { return cmp.Compare(a.Needed, b.Needed) })
	text := fmt.Sprintf("whether %s is worse by more than %s is open: ", gateName(worst),
		shareText(worst.Tolerance))
	if !estimated(worst) {
		return text + "too few blocks count"
	}
	return text + changed95(worst.Change, worst.Low, worst.High) + "; " + t.finds(worst)
}

// finds says what the experiment could have found of a gate, and what it takes to find its tolerance.
func (t trial) finds(g results.ExperimentGate) string {
	planned := Plural(t.Design.MaxBlocks, "block")
	text := fmt.Sprintf("the smallest change that %s find with a probability of 90 %% is %s", planned,
		shareText(g.Smallest))
	if g.Needed <= t.Design.MaxBlocks {
		return text
	}
	text += fmt.Sprintf("; %s would take about %s", shareText(g.Tolerance), Plural(g.Needed, "block"))
	if g.Needed > judge.MostBlocks {
		return fmt.Sprintf("%s, and an experiment has at most %d", text, judge.MostBlocks)
	}
	if each := t.blockSeconds(); each > 0 {
		text += ", " + roughly(each*float64(g.Needed))
	}
	return text
}

// reasonsOf are the lines below the headline: what is open, and what to do about it.
func (t trial) reasonsOf() []string {
	var lines []string
	if t.Outcome != results.Invalid && (t.Outcome != results.Fail || len(t.gatesOf(experiment.Failed)) > 0) {
		lines = append(lines, t.Reasons...) // else the headline has them
	}
	if t.Outcome == results.Unresolved {
		open := t.gatesOf(experiment.Unresolved)
		for _, g := range open {
			if estimated(g) && len(open) > 1 { // the headline has a single one
				lines = append(lines, gateName(g)+" "+changed95(g.Change, g.Low, g.High)+": "+t.finds(g))
			}
		}
		lines = append(lines, t.advice()...)
	}
	switch t.Outcome {
	case results.Pass:
		lines = append(lines, t.ungated()...)
	case results.Fail:
		lines = append(lines, t.small()...)
	}
	return lines
}

// advice says how an experiment that found out nothing could.
func (t trial) advice() []string {
	var lines []string
	needed, noise := 0, 0.0
	for _, g := range t.gatesOf(experiment.Unresolved) {
		if g.TooNoisy {
			needed, noise = max(needed, g.Needed), max(noise, g.Noise)
		}
	}
	if needed == 0 {
		for _, g := range t.gatesOf(experiment.Unresolved) {
			if estimated(g) && !t.Interrupted && t.Design.MaxBlocks < judge.MostBlocks {
				return []string{"the change lies close to the tolerance: a longer experiment narrows its interval " +
					"(--max-time)"}
			}
		}
		return nil
	}
	lines = append(lines, fmt.Sprintf("from block to block it scatters by %s: longer slices, or a higher rate (0.3 "+
		"to 0.7 of what the service can serve), make that less", shareText(noise)))
	const steadier = 0.67
	cpu := t.byFigure[string(scenarios.CPUPerRequest)+" value"]
	if cpu != nil && cpu.Noise > 0 && cpu.Noise < steadier*noise {
		lines = append(lines, fmt.Sprintf("cpu_per_request scatters by %s: as a gate it finds smaller changes, of "+
			"what the code itself does", shareText(cpu.Noise)))
	}
	return lines
}

// ungated are response times of requests that are worse by more than any tolerance, though no gate is of them.
func (t trial) ungated() (lines []string) {
	largest, gated := 0.0, map[string]bool{}
	for _, g := range t.judged() {
		largest, gated[g.Figure] = max(largest, g.Tolerance), true
	}
	for _, statistic := range requestStatistics {
		for _, f := range t.byName(scenarios.HTTPReqDuration, statistic) {
			if f.Low > largest && !gated[f.Figure] {
				lines = append(lines, fmt.Sprintf("no gate is of it: %s of %s %s", statistic, f.Tags["name"],
					changed95(f.Change, f.Low, f.High)))
			}
		}
	}
	return lines
}

// small says why gates failed whose figures changed by less than the tolerance.
func (t trial) small() (lines []string) {
	for _, g := range t.gatesOf(experiment.Failed) {
		if worsening(g) < g.Tolerance {
			lines = append(lines, fmt.Sprintf("%s is within its tolerance of %s, but surely worse, and by more "+
				"than half of the tolerance: that fails as well", gateName(g), shareText(g.Tolerance)))
		}
	}
	return lines
}
