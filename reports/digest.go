package reports

import (
	"fmt"
	"slices"

	"github.com/policycortex/headroom/results"
)

// digest is a run arranged the way every report tells it: the whole, then scenario by scenario, then request by request.
type digest struct {
	*results.Run
	Overall   results.Summary
	Scenarios []scenario
}

// scenario is one scenario of a run; Load is nil when the run does not say how its schedule went.
type scenario struct {
	Name     string
	Load     *results.Load
	Summary  results.Summary
	Stages   []stage // those with a name
	Requests []request
}

// stage is one named stage of a scenario.
type stage struct {
	results.Stage
	Summary results.Summary
}

// request is one named request of a scenario.
type request struct {
	*results.Series
	Summary results.Summary
}

func newDigest(r *results.Run) (digest, error) {
	m := &r.Measurements
	d := digest{Run: r}
	var err error
	if d.Overall, err = m.Summarize(nil); err != nil {
		return d, fmt.Errorf("summarize the run: %w", err)
	}
	for _, l := range m.Loads {
		d.Scenarios = append(d.Scenarios, scenario{Name: l.Scenario, Load: l})
	}
	requests, err := m.ByRequest()
	if err != nil {
		return d, fmt.Errorf("take the stages of requests together: %w", err)
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
		if s.Summary, err = m.Summarize(map[string]string{"scenario": s.Name}); err != nil {
			return d, fmt.Errorf("summarize scenario %s: %w", s.Name, err)
		}
		if s.Stages, err = stagesOf(m, s.Load); err != nil {
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
	for _, st := range l.Stages {
		sum, err := m.Summarize(map[string]string{"scenario": l.Scenario, "stage": st.Name})
		if err != nil {
			return nil, fmt.Errorf("summarize stage %s of scenario %s: %w", st.Name, l.Scenario, err)
		}
		stages = append(stages, stage{st, sum})
	}
	return stages, nil
}

// Many reports whether there are too many scenarios for a column each.
func (d digest) Many() bool { return len(d.Scenarios) > 3 }

// Views are the server's accounts; that of the only scenario is that of the whole run.
func (d digest) Views() []results.ServerView {
	if len(d.Scenarios) != 1 {
		return d.Measurements.Views
	}
	return slices.DeleteFunc(slices.Clone(d.Measurements.Views), func(v results.ServerView) bool {
		return v.Scenario != "" && len(d.Measurements.Views) > 1
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

// headline says in one sentence what the verdict means.
func headline(v results.Verdict) string {
	crossed := len(crossedGates(v))
	switch {
	case v.Outcome == results.Invalid:
		return "The measurement is not valid: it says nothing about the service."
	case v.Outcome == results.Part:
		return "A part of a run: merged with the others it is judged."
	case len(v.Gates) == 0:
		return "The scenario has no gates: nothing was judged."
	case v.Outcome == results.Unresolved:
		return fmt.Sprintf("%s of %s cannot be told: too few samples to say on which side of the limit it lies.", count(int64(crossed)), plural(len(v.Gates), "gate"))
	case crossed > 0:
		return fmt.Sprintf("%s of %s crossed.", count(int64(crossed)), plural(len(v.Gates), "gate"))
	case len(v.Gates) == 1:
		return "The gate held." + spare(v, "")
	}
	return fmt.Sprintf("All %s held.%s", plural(len(v.Gates), "gate"), spare(v, "The tightest: "))
}

// reasons say why the verdict is not PASS; none when it is.
func reasons(v results.Verdict) []string {
	if v.Outcome == results.Invalid {
		return v.Invalid
	}
	var why []string
	for _, g := range crossedGates(v) {
		why = append(why, gateSentence(g))
	}
	return why
}

// Notes are what a reader should know whatever the verdict.
func (d digest) Notes() []string {
	var all []string
	if aborted := d.Measurements.Aborted; aborted != "" {
		all = append(all, fmt.Sprintf("Ended early, after %s, because a threshold was crossed: %s", seconds(d.Measurements.Elapsed), aborted))
	}
	all = append(all, skipTexts(&d.Measurements)...)
	return append(all, d.Verdict.Warnings...)
}

// crossedGates are the gates that did not hold; those that are unresolved only when none was crossed for certain.
func crossedGates(v results.Verdict) []results.Gate {
	var crossed, unresolved []results.Gate
	for _, g := range v.Gates {
		switch {
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

// gateSentence tells a gate that did not hold: what was measured and what was allowed.
func gateSentence(g results.Gate) string {
	if g.Samples == 0 {
		return fmt.Sprintf("%s %s: %s", g.Metric, g.Expression, noDataReason(g))
	}
	sentence := fmt.Sprintf("%s: %s was asked, %s was measured%s", g.Metric, g.Expression, gateActual(g), within(" from ", g))
	if g.Unresolved {
		return fmt.Sprintf("%s, 95 %% interval %s: %s", sentence, gateInterval(g), g.Reason)
	}
	if hasMargin(g) {
		sentence += fmt.Sprintf(" (%s beyond the target, %s)", percent(-g.Margin), plural(int(g.Samples), "sample"))
	}
	if g.Reason != "" {
		sentence += ": " + g.Reason
	}
	return sentence
}

func noDataReason(g results.Gate) string {
	if g.Reason != "" {
		return g.Reason
	}
	return "no data"
}

// spare tells how far the gate that came nearest to being crossed was from it, when all held; intro goes before its name.
func spare(v results.Verdict, intro string) string {
	g := tightest(v)
	if g == nil {
		return ""
	}
	return fmt.Sprintf(" %s%s %s has %s to spare.", intro, g.Metric, g.Expression, percent(g.Margin))
}

// tightest is the gate that came nearest to being crossed, or was crossed the furthest; nil where none has a margin.
func tightest(v results.Verdict) *results.Gate {
	var found *results.Gate
	for i, g := range v.Gates {
		if hasMargin(g) && (found == nil || g.Margin < found.Margin) {
			found = &v.Gates[i]
		}
	}
	return found
}

// hasMargin is false where a distance to the target has no meaning.
func hasMargin(g results.Gate) bool {
	switch g.Op {
	case "<", "<=", ">", ">=":
		return g.Target != 0 && g.Samples > 0
	}
	return false
}
