package reports

import (
	"fmt"
	"slices"
	"strings"

	"github.com/policycortex/headroom/results"
)

// digest is a run in the order of every report: the whole run, then each scenario, then each request.
type digest struct {
	*results.Run
	Overall   results.Summary
	Scenarios []scenario // those that send requests
	Streams   []streams  // those of subscribers
	length    int        // seconds that charts over time show
}

// scenario is one scenario of a run. Load is nil when the run has no record of the schedule.
type scenario struct {
	Name    string
	Load    *results.Load
	Summary results.Summary
	Stages  []stage // those with a name

	Instances []instance // where they were told apart
	Requests  []request
}

// stage is one named stage of a scenario, up to where the run ended.
type stage struct {
	results.Stage
	Summary results.Summary
}

// Begun is false where the run ended before the stage.
func (s stage) Begun() bool { return s.To > s.From }

// request is one named request of a scenario.
type request struct {
	*results.Series
	Summary results.Summary
}

func newDigest(r *results.Run) (digest, error) {
	m := &r.Measurements
	overall, err := m.Summarize(nil)
	if err != nil {
		return digest{}, fmt.Errorf("summarize the run: %w", err)
	}
	d := digest{Run: r, Overall: overall, Streams: newStreams(m), length: lengthOf(m)}
	for _, l := range m.Loads {
		if !isOfStreams(m, l) {
			d.Scenarios = append(d.Scenarios, scenario{Name: l.Scenario, Load: l})
		}
	}
	requests, err := m.ByRequest()
	if err != nil {
		return d, fmt.Errorf("merge the stages of requests: %w", err)
	}
	for _, s := range requests {
		in := d.scenario(s.Scenario)
		sum, err := m.Summarize(map[string]string{"scenario": s.Scenario, "name": s.Name})
		if err != nil {
			return d, fmt.Errorf("summarize request %s of scenario %s: %w", s.Name, s.Scenario, err)
		}
		in.Requests = append(in.Requests, request{s, sum})
	}
	for i := range d.Scenarios {
		s := &d.Scenarios[i]
		s.Summary, err = m.Summarize(map[string]string{"scenario": s.Name})
		if err != nil {
			return d, fmt.Errorf("summarize scenario %s: %w", s.Name, err)
		}
		s.Stages, err = stagesOf(m, s.Load)
		if err != nil {
			return d, err
		}
		s.Instances, err = instancesOf(m, s.Name)
		if err != nil {
			return d, err
		}
	}
	return d, nil
}

func stagesOf(m *results.Measurements, l *results.Load) ([]stage, error) {
	if l == nil {
		return nil, nil
	}
	var stages []stage
	for _, st := range l.MeasuredStages() {
		sum, err := m.Summarize(map[string]string{"scenario": l.Scenario, "stage": st.Name})
		if err != nil {
			return nil, fmt.Errorf("summarize stage %s of scenario %s: %w", st.Name, l.Scenario, err)
		}
		stages = append(stages, stage{st, sum})
	}
	return stages, nil
}

// OnlyStreams reports whether the run has streams and no requests.
func (d digest) OnlyStreams() bool { return len(d.Streams) > 0 && len(d.Scenarios) == 0 }

// Many reports whether there are too many scenarios for a column each.
func (d digest) Many() bool { return len(d.Scenarios) > 3 }

// Views are the server's own figures. With a single scenario its view equals that of the whole run and is left out.
func (d digest) Views() []results.ServerView {
	several := len(d.Measurements.Views) > 1
	return slices.DeleteFunc(slices.Clone(d.Measurements.Views), func(v results.ServerView) bool {
		return !v.IsAccount() || len(d.Scenarios) == 1 && v.Scenario != "" && several
	})
}

// Staged reports whether any stage of the run has a name.
func (d digest) Staged() bool {
	return slices.ContainsFunc(d.Scenarios, func(s scenario) bool { return len(s.Stages) > 0 })
}

// scenario returns the scenario of that name, which it adds when there is none yet.
func (d *digest) scenario(name string) *scenario {
	for i := range d.Scenarios {
		if d.Scenarios[i].Name == name {
			return &d.Scenarios[i]
		}
	}
	d.Scenarios = append(d.Scenarios, scenario{Name: name})
	return &d.Scenarios[len(d.Scenarios)-1]
}

// headline is one sentence about the verdict.
func headline(v results.Verdict) string {
	switch {
	case v.Outcome == results.Invalid:
		return "The measurement is not valid: it says nothing about the service."
	case v.Outcome == results.Part:
		return "This is one shard of a run. It is judged when all shards are merged."
	case len(v.Failed) > 0:
		return strings.ToUpper(v.Failed[0][:1]) + v.Failed[0][1:] + "."
	case len(v.Gates) == 0:
		return "The scenario has no thresholds, so nothing was judged." + reservation(v)
	}
	return gatesHeadline(v) + reservation(v)
}

// gatesHeadline is one sentence about the gates.
func gatesHeadline(v results.Verdict) string {
	crossed, unreached, unsteady := len(crossedGates(v)), 0, 0
	for _, g := range v.Gates {
		if g.NotReached {
			unreached++
		}
		if g.Passed && g.Unsteady != "" {
			unsteady++
		}
	}
	rest := ""
	if unreached > 0 {
		rest = fmt.Sprintf(" %s not reached.", wasOrWere(unreached))
	}
	switch all := Plural(len(v.Gates), "gate"); {
	case v.Outcome == results.Unresolved && crossed > 0:
		return fmt.Sprintf("%s of %s could not be decided.%s", count(int64(crossed)), all, rest)
	case crossed > 0:
		return fmt.Sprintf("%s of %s crossed.%s", count(int64(crossed)), all, rest)
	case unreached > 0:
		return fmt.Sprintf("The run ended early: %s of %s not reached.", count(int64(unreached)), all)
	case unsteady > 0:
		return fmt.Sprintf("%s within the limits, but %s in a stage that was not steady.", allGates(len(v.Gates)),
			count(int64(unsteady)))
	case len(v.Gates) == 1:
		return "The gate held." + spare(v)
	default:
		return fmt.Sprintf("All %s held.%s", all, spare(v))
	}
}

func wasOrWere(n int) string {
	if n == 1 {
		return "1 was"
	}
	return count(int64(n)) + " were"
}

func allGates(n int) string {
	if n == 1 {
		return "The gate is"
	}
	return "All " + Plural(n, "gate") + " are"
}

// reservation names the requests that always failed although the verdict does not depend on them.
func reservation(v results.Verdict) string {
	switch n := len(v.NoneSucceeded); n {
	case 0:
		return ""
	case 1:
		return " But " + v.NoneSucceeded[0] + "."
	default:
		return fmt.Sprintf(" But %d named requests failed every time.", n)
	}
}

// reasons explain why the verdict is not PASS.
func reasons(v results.Verdict) []string {
	if v.Outcome == results.Invalid {
		return v.Invalid
	}
	why := slices.Clone(v.Failed[min(1, len(v.Failed)):]) // the first is the headline
	for _, g := range crossedGates(v) {
		why = append(why, gateSentence(g))
	}
	return why
}

// Notes are what a reader should know, whatever the verdict is.
func (d digest) Notes() []string {
	var all []string
	if aborted := d.Measurements.Aborted; aborted != "" {
		all = append(all, fmt.Sprintf("The run ended early, after %s, because a threshold was crossed: %s",
			seconds(d.Measurements.Elapsed), aborted))
	}
	all = append(all, skipTexts(&d.Measurements)...)
	if len(d.Verdict.NoneSucceeded) > 1 { // one is in the headline
		all = append(all, d.Verdict.NoneSucceeded...)
	}
	return append(all, d.Verdict.Warnings...)
}

// crossedGates are the gates that did not hold. Gates that were not reached are left out. Unresolved gates are returned
// only when no gate was certainly crossed.
func crossedGates(v results.Verdict) []results.Gate {
	var crossed, unresolved []results.Gate
	for _, g := range v.Gates {
		switch {
		case g.NotReached:
		case g.Unresolved:
			unresolved = append(unresolved, g)
		case !g.Passed:
			crossed = append(crossed, g)
		}
	}
	if len(crossed) == 0 {
		return unresolved
	}
	return crossed
}

// gateSentence explains a gate that did not hold: what was required and what was measured.
func gateSentence(g results.Gate) string {
	if g.Samples == 0 {
		return fmt.Sprintf("%s %s: %s", g.Metric, g.Expression, noDataReason(g))
	}
	sentence := fmt.Sprintf("%s: required %s, measured %s%s", g.Metric, g.Expression, gateActual(g),
		within(" from ", g))
	if g.Unresolved {
		return fmt.Sprintf("%s, 95 %% interval %s: %s", sentence, gateInterval(g), g.Reason)
	}
	if g.HasMargin() {
		sentence += fmt.Sprintf(" (%s, %s)", beyond(g), Plural(int(g.Samples), "sample"))
	}
	if g.Reason != "" {
		sentence += ": " + g.Reason
	}
	return sentence
}

// farBeyond is the margin below which a multiple of the allowed amount says more than a percentage.
const farBeyond = -1

// beyond says how far a crossed gate is beyond its limit: "12.5 % beyond the limit", "1,000 times the allowed amount".
func beyond(g results.Gate) string {
	if g.Margin < farBeyond {
		return threeDigits(1-g.Margin) + " times the allowed amount"
	}
	if g.Best != nil {
		return percent(-g.Margin) + " more loss than allowed"
	}
	return percent(-g.Margin) + " beyond the limit"
}

func noDataReason(g results.Gate) string {
	if g.Reason != "" {
		return g.Reason
	}
	return "no data"
}

// spare says how much room the tightest gate has left, when all gates held.
func spare(v results.Verdict) string {
	g := tightest(v)
	if g == nil {
		return ""
	}
	if len(v.Gates) == 1 {
		return fmt.Sprintf(" %s %s has %s to spare.", g.Metric, g.Expression, percent(g.Margin))
	}
	return fmt.Sprintf(" The tightest, %s %s, has %s to spare.", g.Metric, g.Expression, percent(g.Margin))
}

// decidable is false for a gate that has too few samples for a confidence interval.
func decidable(g results.Gate) bool {
	in := g.Interval
	return !g.Unresolved || in != nil && in.Low != nil && in.High != nil
}

// tightest is the gate with the smallest margin; nil where no decidable gate has a margin.
func tightest(v results.Verdict) *results.Gate {
	var found *results.Gate
	for i, g := range v.Gates {
		if g.HasMargin() && decidable(g) && (found == nil || g.Margin < found.Margin) {
			found = &v.Gates[i]
		}
	}
	return found
}
