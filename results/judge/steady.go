package judge

import (
	"fmt"
	"slices"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// stageMovement is what moved in a stage that asks for one rate all the time.
type stageMovement struct {
	scenario, stage string
	movement
}

type movedStages []stageMovement

// movedStages tests every stage with a name that asks for one rate all the time, as [drifts] does with whole scenarios.
// That one of n stages is taken for moving though none does is to be no likelier than for one: so the level is an n-th.
func movedStagesOf(m *results.Measurements) (all movedStages) {
	tested := 0
	steadyStages(m, func(*results.Load, *results.Stage) { tested++ })
	steadyStages(m, func(l *results.Load, st *results.Stage) {
		for _, moved := range measuredCourse(m, l, st.From, min(st.To, l.MeasuredTo)).moved(driftP / float64(tested)) {
			all = append(all, stageMovement{l.Scenario, st.Name, moved})
		}
	})
	return all
}

func steadyStages(m *results.Measurements, visit func(*results.Load, *results.Stage)) {
	for _, l := range m.Loads {
		for i := range l.Stages {
			if st := &l.Stages[i]; st.Steady && st.From < l.MeasuredTo {
				visit(l, st)
			}
		}
	}
}

// warnings says of each stage what moved in it.
func (all movedStages) warnings() (out []string) {
	for _, s := range all {
		out = append(out, fmt.Sprintf("%s: the stage %s was not steady: %s: make it longer, or find out what grows",
			s.scenario, s.stage, s.text))
	}
	return out
}

// mark notes on a gate on times of a stage that their P95 moved in it. A gate on the P95 has not held where the trend
// had led beyond its limit by the stage's end: a longer stage would have crossed it.
func (all movedStages) mark(t scenarios.Threshold, g *results.Gate) {
	name, staged := t.Selector[scenarios.StageTag]
	if !staged || !results.Timed(t.Metric) || g.Samples == 0 || g.NotReached {
		return
	}
	i := slices.IndexFunc(all, func(s stageMovement) bool {
		in, chosen := t.Selector["scenario"]
		return s.what == responseP95 && s.stage == name && (!chosen || in == s.scenario)
	})
	if i < 0 {
		return
	}
	g.Unsteady = "not steady: " + all[i].text
	if g.Passed && t.Aggregation == (scenarios.Aggregation{Name: "p", Percentile: 95}) && !g.Holds(all[i].End) {
		g.Passed, g.Unresolved = false, true
		g.Reason = fmt.Sprintf("%s; by the end of the stage it had reached %.3g ms, beyond the limit: make the "+
			"stage longer", g.Unsteady, all[i].End)
	}
}
